// SPDX-License-Identifier: Apache-2.0

/**
 * zod to structural OpenAPI v3 (apiextensions.k8s.io/v1). It refuses what has no exact structural form instead of weakening it: a schema that
 * the API server accepts more freely than the agent parses would let bad objects through.
 */
import type * as z from "zod";
import { AppError } from "../runtime/errors.ts";
import { FIELDS, type Field, type ListKind, matchesCel, patternText, type Rule } from "./field.ts";

/** A node of a structural schema, as it stands in the CRD. */
export interface Structural {
  description: string;
  type: "object" | "array" | "string" | "integer" | "number" | "boolean";
  [keyword: string]: unknown;
}

type Shape = { type: Structural["type"]; [keyword: string]: unknown };
type Def = z.core.$ZodTypeDef & Readonly<Record<string, unknown>>;
type Type = z.core.$ZodType;

const defOf = (schema: Type): Def => schema._zod.def as Def; // The public type hides the members of each kind.

function refuse(path: string, why: string): never {
  throw new AppError("INVARIANT_BROKEN", `${path} cannot become a structural schema: ${why}`, { details: { path } });
}

/** A word of an open object: of a reason, a state, a type. Empty where a field says nothing. */
const OPEN_WORD = { type: "string", pattern: "^([A-Za-z][A-Za-z0-9]*)?$", maxLength: 63 } as const;

/**
 * The structural form of `schema`. `path` names it in errors, `isOpen` says that it belongs to an open object.
 * @throws INVARIANT_BROKEN when it has none, or says too little of itself
 */
export function toStructural(schema: Type, path: string, isOpen = false): Structural {
  const def = defOf(schema);
  if (def.type === "nullable") return { ...toStructural(def["innerType"] as Type, path, isOpen), nullable: true };
  if (def.type === "default") return { ...toStructural(def["innerType"] as Type, path, isOpen), default: def["defaultValue"] };
  if (def.type === "optional") return toStructural(def["innerType"] as Type, path, isOpen);
  const about = FIELDS.get(schema as z.ZodType);
  if (about === undefined || about.description.trim() === "") refuse(path, "it has no description");
  const rules = about.rules ?? [];
  if (rules.length > 0) demandBounds(schema, path);
  refuseForeignChecks(def, about, path);
  const described: Structural = { description: about.description, ...shape({ schema, def, about, path, isOpen: isOpen || about.isOpen === true }) };
  return rules.length === 0 ? described : { ...described, "x-kubernetes-validations": rules.map(validation) };
}

interface Node {
  readonly schema: Type;
  readonly def: Def;
  readonly about: Field;
  readonly path: string;
  readonly isOpen: boolean;
}

function shape(node: Node): Shape {
  switch (node.def.type) {
    case "object":
      return objectShape(node);
    case "record":
      return { type: "object", additionalProperties: toStructural(node.def["valueType"] as Type, `${node.path}[*]`, node.isOpen) };
    case "array":
      return arrayShape(node);
    case "string":
      return node.def["format"] === undefined
        ? { type: "string", ...textBounds(node) }
        : refuse(node.path, `format "${String(node.def["format"])}" is zod's own; write a pattern`);
    case "number":
      return numberShape(node);
    case "boolean":
      return { type: "boolean" };
    case "enum":
      return node.isOpen ? { ...OPEN_WORD } : { type: "string", enum: Object.values(node.def["entries"] as object) };
    case "literal":
      return literalShape(node);
    case "union":
      return refuse(node.path, "a union would need a typed oneOf; write one object with optional fields and a CEL rule");
    default:
      return refuse(node.path, `zod type "${node.def.type}" has no structural form`);
  }
}

function objectShape({ def, about, path, isOpen }: Node): Shape {
  const catchall = def["catchall"] as Type | undefined;
  if (catchall === undefined || defOf(catchall).type !== "never") {
    refuse(path, "an object must be strict; additionalProperties beside properties is not structural");
  }
  const members = Object.entries(def["shape"] as Record<string, Type>);
  const expected = members.filter(([, member]) => !["optional", "default"].includes(defOf(member).type)).map(([name]) => name);
  const required = isOpen ? [] : expected;
  const properties = Object.fromEntries(members.map(([name, member]) => [name, toStructural(member, `${path}.${name}`, isOpen)]));
  const open = isOpen ? { "x-kubernetes-preserve-unknown-fields": true } : {};
  const whole = about.isWhole === true ? { "x-kubernetes-map-type": "atomic" } : {};
  return { type: "object", ...whole, ...open, ...(required.length > 0 && { required }), properties };
}

function arrayShape({ def, about, path, isOpen }: Node): Shape {
  if (about.list === undefined) refuse(path, "a list must say whether it is a map, a set or atomic");
  const items = toStructural(def["element"] as Type, `${path}[]`, isOpen);
  // The keys of a list are required of every version.
  if (isOpen && about.list.kind === "Map") items["required"] = [...about.list.keys];
  return { type: "array", ...listKeywords(about.list, items, path), ...lengths(def, { min: "minItems", max: "maxItems" }), items };
}

function listKeywords(list: ListKind, items: Structural, path: string): Record<string, unknown> {
  if (list.kind !== "Map") return { "x-kubernetes-list-type": list.kind.toLowerCase() };
  const required = Array.isArray(items["required"]) ? items["required"] : [];
  const missing = list.keys.filter((key) => !required.includes(key));
  if (missing.length > 0) refuse(path, `list keys must be required: ${missing.join(", ")}`);
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [...list.keys] };
}

function literalShape({ def, path }: Node): Shape {
  const values = def["values"] as readonly unknown[];
  const kinds = new Set(values.map((value) => typeof value));
  const [kind] = kinds;
  if (kinds.size !== 1 || (kind !== "string" && kind !== "boolean")) refuse(path, "a literal must be a string or a boolean");
  return { type: kind, enum: [...values] };
}

function numberShape({ def, path }: Node): Shape {
  const format = def["format"];
  if (format !== undefined && format !== "safeint") refuse(path, `number format "${String(format)}"`);
  const bounds = checksOf(def).flatMap((check): [string, unknown][] => {
    if (check["check"] === "number_format") return [];
    const keyword = check["check"] === "greater_than" ? "minimum" : "maximum";
    if (check["inclusive"] !== true) refuse(path, "only inclusive bounds");
    return [[keyword, check["value"]]];
  });
  return { type: format === "safeint" ? "integer" : "number", ...(format === "safeint" && { format: "int64" }), ...Object.fromEntries(bounds) };
}

/** A pattern that fails keeps the API server from asking the rules, and its message is the regular expression: where a rule holds it, it is left out. */
function textBounds({ def, about }: Node): Record<string, unknown> {
  const ruled = new Set((about.rules ?? []).map(({ cel }) => cel));
  const patterns = checksOf(def).flatMap((check) => (check["pattern"] instanceof RegExp ? [check["pattern"]] : []));
  const [pattern] = patterns.filter((one) => !ruled.has(matchesCel(one))).map(patternText);
  return { ...(pattern !== undefined && { pattern }), ...lengths(def, { min: "minLength", max: "maxLength" }) };
}

function lengths(def: Def, names: { min: string; max: string }): Record<string, unknown> {
  const min = checksOf(def).find((check) => check["check"] === "min_length");
  const max = checksOf(def).find((check) => check["check"] === "max_length");
  return { ...(min && { [names.min]: min["minimum"] }), ...(max && { [names.max]: max["maximum"] }) };
}

function checksOf(def: Def): readonly Readonly<Record<string, unknown>>[] {
  // As for defOf: the public type hides the members of each kind of check.
  return (def.checks ?? []).map((check) => check._zod.def as unknown as Readonly<Record<string, unknown>>);
}

const KNOWN_CHECKS: Readonly<Record<string, readonly string[]>> = {
  string: ["max_length", "min_length", "string_format"],
  array: ["max_length", "min_length"],
  number: ["greater_than", "less_than", "number_format"],
};

/** A refinement without a CEL rule would hold in the agent only. `field` adds one custom check for each rule, and one for a set. */
function refuseForeignChecks(def: Def, about: Field, path: string): void {
  const known = (about.rules ?? []).length + (about.list?.kind === "Set" ? 1 : 0);
  const names = checksOf(def).map((check) => String(check["check"]));
  const customs = names.filter((name) => name === "custom").length;
  if (customs !== known) refuse(path, "a refinement has no CEL rule; give it one with field()");
  const foreign = names.find((name) => name !== "custom" && !(KNOWN_CHECKS[def.type] ?? []).includes(name));
  if (foreign !== undefined) refuse(path, `check "${foreign}" has no structural form`);
  const patterns = checksOf(def).filter((check) => check["check"] === "string_format");
  if (patterns.length > 1 || patterns.some((check) => check["format"] !== "regex")) refuse(path, "one regular expression is all a string may have");
}

/** The API server counts an unbounded list or string under a rule as 3 MiB, and refuses the CRD for the rule's cost. */
function demandBounds(schema: Type, path: string): void {
  const def = defOf(schema);
  const bounded = checksOf(def).some((check) => check["check"] === "max_length");
  if ((def.type === "string" || def.type === "array") && !bounded) refuse(path, "a value under a CEL rule needs a maximum length");
  const inner = [def["innerType"], def["element"], def["valueType"], ...Object.values((def["shape"] as object | undefined) ?? {})];
  for (const member of inner) if (member !== undefined) demandBounds(member as Type, path);
}

function validation(rule: Rule): Record<string, string> {
  return { rule: rule.cel, message: rule.message, ...(rule.messageExpression !== "" && { messageExpression: rule.messageExpression }) };
}
