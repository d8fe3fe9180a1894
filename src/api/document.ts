// SPDX-License-Identifier: Apache-2.0

/**
 * The one way from a user's text (manifest, config file, status, kubeconfig, host description) to a value: YAML or JSON, at most one document, with
 * every error as place, value and fix. Never throws.
 */
import { type Document, isAlias, isScalar, LineCounter, parseAllDocuments, visit, type YAMLError } from "yaml";
import { type Parsed, type Problem, valueText } from "./problem.ts";
import { YAML_FIXES } from "./yaml-fixes.ts";

/** A read document. */
export interface Source {
  /** Null: there is nothing in it. */
  readonly value: unknown;
  /** The scalar at `path` as it is written (0302 is the number 302 in YAML); null when that is not known. */
  readonly source: (path: readonly PropertyKey[]) => string | null;
}

/** What people write has less than ten levels, Kubernetes' own objects less than 30. Deeper ones overflow the stack of a reader that walks them. */
const MOST_LEVELS = 64;
const MOST_PROBLEMS = 10;

/** Reads `text`; a byte order mark at its beginning and `---` around the document mean nothing. */
export function readDocument(text: string): Parsed<Source> {
  const shown = text.replace(/^\ufeff/, "");
  try {
    return readYaml(shown);
  } catch (thrown) {
    // Thousands of brackets overflow the stack of the parser itself.
    if (thrown instanceof RangeError) return refused([tooDeep(shown)]);
    throw thrown;
  }
}

/** The same, many times faster for JSON, and without `source`: for what programs write. */
export function readJsonOrYaml(text: string): Parsed<unknown> {
  const shown = text.replace(/^\ufeff/, "");
  if (!shown.trimStart().startsWith("{")) return valueIn(readDocument(shown));
  let value: unknown;
  try {
    value = JSON.parse(shown);
  } catch {
    return valueIn(readDocument(shown));
  }
  return isTooDeep(value) ? refused([tooDeep(shown)]) : { ok: true, value };
}

function valueIn(read: Parsed<Source>): Parsed<unknown> {
  return read.ok ? { ok: true, value: read.value.value } : read;
}

const refused = (problems: readonly Problem[]): { ok: false; problems: readonly Problem[] } => ({ ok: false, problems });

function readYaml(text: string): Parsed<Source> {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const documents: readonly Document.Parsed[] = "empty" in parsed ? [] : parsed;
  const given = documents.filter((document) => document.errors.length > 0 || !isEmpty(document));
  const [document, second] = given;
  const at = (offset: number, fix: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { path: `line ${line}, column ${col}`, value: valueText(text.split("\n")[line - 1] ?? ""), fix };
  };
  const problems = given
    .flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .map((error: YAMLError) => at(error.pos[0], YAML_FIXES[error.code]));
  if (problems.length > 0) return refused(problems.slice(0, MOST_PROBLEMS));
  if (second !== undefined) return refused([at(second.range[0], YAML_FIXES.MULTIPLE_DOCS)]);
  if (document === undefined) return { ok: true, value: { value: null, source: () => null } };
  const unresolved = unresolvedAliases(document);
  if (unresolved.length > 0) return refused(unresolved.slice(0, MOST_PROBLEMS).map((offset) => at(offset, YAML_FIXES.BAD_ALIAS)));
  return valueFrom(document, text);
}

function isEmpty({ contents }: Document.Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null && (contents.source ?? "") === "");
}

/** Offsets of `*name` without `&name` before it. */
function unresolvedAliases(document: Document.Parsed): readonly number[] {
  const offsets: number[] = [];
  visit(document, (_, node) => {
    if (isAlias(node) && node.resolve(document) === undefined) offsets.push(node.range?.[0] ?? 0);
  });
  return offsets;
}

function valueFrom(document: Document.Parsed, text: string): Parsed<Source> {
  let value: unknown;
  try {
    value = document.toJS();
  } catch (thrown) {
    if (thrown instanceof RangeError) return refused([tooDeep(text)]);
    // Aliases of aliases grow without bound, and one inside its own anchor never ends: the library throws for both.
    return refused([{ path: "", value: valueText(text), fix: "write the values themselves instead of aliases (*name)" }]);
  }
  if (isTooDeep(value)) return refused([tooDeep(text)]);
  const source: Source["source"] = (path) => {
    const node: unknown = document.getIn(path, true);
    return isScalar(node) ? (node.source ?? null) : null;
  };
  return { ok: true, value: { value, source } };
}

function tooDeep(text: string): Problem {
  return { path: "", value: valueText(text), fix: `write at most ${MOST_LEVELS} levels of maps and lists` };
}

/** Without recursion, level by level. A value that an alias repeats is looked at once in each level. */
function isTooDeep(value: unknown): boolean {
  let level = new Set<unknown>([value]);
  for (let depth = 0; depth <= MOST_LEVELS; depth += 1) {
    const next = new Set<unknown>();
    for (const one of level) if (typeof one === "object" && one !== null) for (const member of Object.values(one)) next.add(member);
    if (next.size === 0) return false;
    level = next;
  }
  return true;
}
