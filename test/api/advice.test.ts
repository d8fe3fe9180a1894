// SPDX-License-Identifier: Apache-2.0
/** What a refusal says to write is accepted when it is written. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { EXAMPLES } from "../../src/api/examples.ts";
import { parseManifest, parseTrustedIommu } from "../../src/api/parse.ts";
import type { Parsed, Problem } from "../../src/api/problem.ts";

type Tree = Record<string | number, unknown>;

/** `spec.resources[1].name` as the members on the way. */
const steps = (path: string): (string | number)[] =>
  [...path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? "") : Number(index),
  );

/** The text that a fix gives literally, at its end or alone: `write "2335"`, `write four digits in quotes: "2331"`. */
const literal = ({ fix }: Problem): string | null => /^(?:write|put)\b.*"([^"]*)"$/.exec(fix)?.[1] ?? null;
const isRemoval = ({ fix }: Problem): boolean => /^remove it|, or remove it/.test(fix);

/** The document as the fix says; null when it says what only a person can do. */
function followed(document: unknown, problem: Problem): unknown {
  const copy = structuredClone(document) as Tree;
  const path = steps(problem.path);
  const last = path.pop() ?? "";
  const parent = path.reduce<Tree>((at, step) => at[step] as Tree, copy);
  const text = literal(problem);
  if (text !== null) parent[last] = text;
  else if (!isRemoval(problem)) return null;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy;
}

const problemsOf = (verdict: Parsed<unknown>): readonly Problem[] => (verdict.ok ? [] : verdict.problems);

/** Places of problems that are still there after each fix that can be followed literally was. */
function stillWrong(text: string): { readonly tried: number; readonly wrong: string[] } {
  const document = parseYaml(text) as unknown;
  const tried = problemsOf(parseManifest(text)).flatMap((problem) => {
    const next = followed(document, problem);
    return next === null ? [] : [{ problem, next }];
  });
  const wrong = tried.filter(({ problem, next }) => problemsOf(parseTrustedIommu(next)).some(({ path }) => path === problem.path));
  return { tried: tried.length, wrong: wrong.map(({ problem }) => `${problem.path}: ${problem.fix}`) };
}

test("in every example that is refused", () => {
  const results = EXAMPLES.filter(({ kind, expect: outcome }) => kind === "TrustedIommu" && !outcome.ok).map(({ name, yaml }) => ({
    name,
    ...stillWrong(yaml),
  }));
  expect(results.filter(({ wrong }) => wrong.length > 0)).toEqual([]);
  // So that a change of the words does not leave the test with nothing to follow.
  expect(results.reduce((sum, { tried }) => sum + tried, 0)).toBeGreaterThan(10);
});

const manifest = (units: string, match: string): string =>
  `apiVersion: teeio.dev/v1alpha1\nkind: TrustedIommu\nmetadata: {name: n1}\nspec: {state: Trusted, units: ${units}, resources: [{name: teeio.dev/gpu, match: ${match}}]}\n`;

describe("of scalars that YAML reads in its own way", () => {
  test.each(["0x2335", "2335", "12e4", "0302", "1_000", "0o17", "ABCD", '"0x2335"', "0x233", "true", "~"])("devices: [%s]", (scalar) => {
    expect(stillWrong(manifest("{all: true}", `{vendors: ["10de"], devices: [${scalar}]}`)).wrong).toEqual([]);
  });

  test.each(["0xfed90000", "FED90000", '"0XFED90000"', '"0x00fed90000"', "4275634176"])("regBases: [%s]", (scalar) => {
    expect(stillWrong(manifest(`{regBases: [${scalar}]}`, '{vendors: ["10de"]}')).wrong).toEqual([]);
  });

  test("and of any text in any list", () => {
    const scalar = fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEFxX:._ "), minLength: 1, maxLength: 14 });
    const quoted = fc.tuple(scalar, fc.boolean()).map(([text, isQuoted]) => (isQuoted || /[: ]/.test(text) ? JSON.stringify(text) : text));
    fc.assert(
      fc.property(quoted, fc.constantFrom("vendors", "devices", "classes", "addresses"), (text, list) => {
        expect(stillWrong(manifest("{all: true}", `{${list}: [${text}]}`)).wrong).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
