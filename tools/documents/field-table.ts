// SPDX-License-Identifier: Apache-2.0

/** The tables of fields in docs/resources.md, from the schemas that the CRDs are made from. */
import type { Structural } from "../../src/api/structural.ts";
import { code, plain, table } from "./markdown.ts";

type Levels = Readonly<Record<string, number>>;

interface Found {
  /** Below the table's root; `[]` stands for an entry of a list. */
  readonly path: string;
  readonly node: Structural;
  readonly isRequired: boolean;
}

/** One row a field of `root`, in the order of the schema. With `levels` a column says since which level of the spec it is understood. */
export function fieldTable(root: Structural, levels: Levels | null = null): string {
  const header = ["field", "type", ...(levels ? ["level"] : []), "meaning"];
  const rows = fieldsBelow(root, "").map(({ path, node, isRequired }) => [
    code(path),
    typeOf(node, isRequired),
    ...(levels ? [String(levels[path] ?? "")] : []),
    meaningOf(path, node),
  ]);
  return table(header, rows);
}

function fieldsBelow(node: Structural, path: string): readonly Found[] {
  const properties = Object.entries((node["properties"] ?? {}) as Readonly<Record<string, Structural>>);
  const required = (node["required"] ?? []) as readonly string[];
  const own = properties.flatMap(([name, member]): readonly Found[] => {
    const at = path === "" ? name : `${path}.${name}`;
    return [{ path: at, node: member, isRequired: required.includes(name) }, ...fieldsBelow(member, at)];
  });
  const items = node["items"] as Structural | undefined;
  return items === undefined ? own : [...own, ...fieldsBelow(items, `${path}[]`)];
}

function typeOf(node: Structural, isRequired: boolean): string {
  const items = node["items"] as Structural | undefined;
  const words = [
    items === undefined ? node.type : `list of ${items.type}`,
    isRequired ? "required" : "",
    node["nullable"] === true ? "or null" : "",
    "default" in node ? `default ${code(JSON.stringify(node["default"]))}` : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}

/** Words with a meaning each stand in a document of their own. */
function meaningOf(path: string, node: Structural): string {
  const choices = (node["enum"] ?? (node["items"] as Structural | undefined)?.["enum"] ?? []) as readonly unknown[];
  const said = path.endsWith("reason") ? `${node.description.split(/(?<=\.) /)[0] ?? ""} See [reasons](reasons.md).` : node.description;
  const list = choices.length === 0 ? "" : ` One of ${choices.map((choice) => code(String(choice))).join(", ")}.`;
  return `${plain(said)}${list}`;
}
