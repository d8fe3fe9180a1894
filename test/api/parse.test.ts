// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { crdOf } from "../../src/api/crd.ts";
import { EXAMPLES, type Example } from "../../src/api/examples.ts";
import { KINDS } from "../../src/api/kinds.ts";
import { parseManifest, parseTrustedIommu, parseTrustedIommuPolicy } from "../../src/api/parse.ts";
import { nearest, type Parsed, type Problem } from "../../src/api/problem.ts";

function judge(example: Example): Parsed<unknown> {
  return example.kind === "TrustedIommu" ? parseManifest(example.yaml) : parseTrustedIommuPolicy(parseYaml(example.yaml));
}

function problemsIn(text: string): readonly Problem[] {
  const verdict = parseManifest(text);
  return verdict.ok ? [] : verdict.problems;
}

const HEAD = "apiVersion: teeio.dev/v1alpha1\nkind: TrustedIommu\nmetadata: {name: n1}\n";

describe("the examples", () => {
  test("have unique names", () => {
    expect(new Set(EXAMPLES.map(({ name }) => name)).size).toBe(EXAMPLES.length);
  });

  test.each(EXAMPLES.map((example) => [example.name, example] as const))("parse.ts judges %s as expected", (_name, example) => {
    const verdict = judge(example);
    if (example.expect.ok) expect(verdict).toMatchObject({ ok: true });
    else expect(verdict.ok ? [] : verdict.problems.map(({ path }) => path)).toEqual([example.expect.path]);
  });

  test.each(EXAMPLES.map((example) => [example.name, example] as const))("the CRD's schema judges %s as expected", (_name, example) => {
    const refusedBy = example.expect.ok ? null : example.expect.by;
    const found = breachesOf(rootOf(example.kind), parseYaml(example.yaml), "").filter(({ why }) => refusedBy !== "Cel" || why !== FORM);
    const paths = found.map(({ path }) => path);
    if (refusedBy === null || refusedBy === "Cel") expect(found).toEqual([]);
    else expect(paths).toEqual(example.expect.ok ? [] : [example.expect.serverPath]);
  });

  test("each fix says what to write or remove", () => {
    const fixes = EXAMPLES.flatMap((example) => {
      const verdict = judge(example);
      return verdict.ok ? [] : verdict.problems.map(({ fix }) => fix);
    });
    expect(fixes.filter((fix) => !/^(write|remove|put) /.test(fix))).toEqual([]);
  });
});

describe("a manifest", () => {
  test("becomes an intent with defaults filled in and empty lists dropped", () => {
    const text = `${HEAD}spec:\n  state: Trusted\n  units: {regBases: ["0xfed90000"]}\n  resources:\n  - {name: teeio.dev/gpu, match: {vendors: ["10de"], addresses: []}}\n`;
    expect(parseManifest(text)).toEqual({
      ok: true,
      value: {
        name: "n1",
        generation: 0,
        intent: {
          state: "Trusted",
          units: { regBases: ["0xfed90000"] },
          resources: [{ name: "teeio.dev/gpu", ledger: "DevicePlugin", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }],
          link: { enable: "Never" },
        },
      },
    });
  });

  test("with many problems is answered with all of them at once", () => {
    const text = `${HEAD}spec:\n  state: trusted\n  units: {all: true, regBases: ["0xFED90000", 0xfed91000]}\n  resorces: []\n  resources:\n  - {name: gpu, match: {classes: [0302]}}\n  - {name: teeio.dev/a1, match: {}}\n  - {name: teeio.dev/a1, match: {vendors: ["10de"]}}\n`;
    expect(problemsIn(text)).toEqual(
      expect.arrayContaining([
        { path: "spec.state", value: '"trusted"', fix: "write Trusted or Cleared" },
        { path: "spec.units", value: expect.any(String), fix: "write either all: true or regBases, not both" },
        { path: "spec.units.regBases[0]", value: '"0xFED90000"', fix: 'write "0xfed90000"' },
        { path: "spec.units.regBases[1]", value: "0xfed91000", fix: 'put it in quotes: "0xfed91000"' },
        { path: "spec.resorces", value: "[]", fix: "write resources, or remove it: there is no field resorces" },
        { path: "spec.resources[0].name", value: '"gpu"', fix: 'write "teeio.dev/gpu"' },
        { path: "spec.resources[0].match.classes[0]", value: "0302", fix: 'put it in quotes: "0302"' },
        { path: "spec.resources[1].match", value: "{}", fix: expect.stringContaining("at least one non-empty list") },
        { path: "spec.resources[2].name", value: '"teeio.dev/a1"', fix: expect.stringContaining("resources[1]") },
      ]),
    );
  });

  test("with one name under two ledgers is refused at the second", () => {
    const text = `${HEAD}spec:\n  state: Trusted\n  units: {all: true}\n  resources:\n  - {name: teeio.dev/a1, match: {vendors: ["10de"]}}\n  - {name: teeio.dev/a1, ledger: DRA, match: {vendors: ["10de"]}}\n`;
    expect(problemsIn(text)).toEqual([
      { path: "spec.resources[1].ledger", value: '"DRA"', fix: expect.stringContaining("resources[0] has DevicePlugin") },
    ]);
  });

  const broken: [string, string, string][] = [
    ["that is not YAML is refused by line", `${HEAD}spec: {state: Trusted\n`, "line 5, column 1"],
    ["with a field twice is refused by line", `${HEAD}spec: {}\nspec: {}\n`, "line 5, column 1"],
    ["of two documents is refused", `${HEAD}---\n${HEAD}`, "line 4, column 1"],
    ["that is empty is refused", "", ""],
    ["that is a list is refused", "[]", ""],
    ["without spec is refused", HEAD, "spec"],
    ["of another kind is refused", `${HEAD.replace("TrustedIommu", "Pod")}spec: {state: Trusted, units: {all: true}}\n`, "kind"],
    ["of another version is refused", `${HEAD.replace("v1alpha1", "v1")}spec: {state: Trusted, units: {all: true}}\n`, "apiVersion"],
    [
      "with unknown metadata is refused",
      `${HEAD.replace("name: n1", "name: n1, label: {}")}spec: {state: Trusted, units: {all: true}}\n`,
      "metadata.label",
    ],
    ["without a name is refused", `${HEAD.replace("name: n1", "")}spec: {state: Trusted, units: {all: true}}\n`, "metadata.name"],
  ];
  test.each(broken)("%s", (_name, text, path) => {
    expect(problemsIn(text).map((problem) => problem.path)).toEqual([path]);
  });

  test("with an endless alias is refused", () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefgh".replace(
      /./g,
      (name) =>
        `${name}: &${name} [${Array(9)
          .fill(`*${String.fromCharCode(name.charCodeAt(0) - 1)}`)
          .join(",")}]\n`,
    )}`;
    expect(problemsIn(bomb)).toHaveLength(1);
  });

  test("from the API server may carry metadata that this version does not know", () => {
    const object = { ...parseYaml(`${HEAD}spec: {state: Trusted, units: {all: true}}\n`), status: { any: 1 } };
    object.metadata = { ...object.metadata, generation: 7, newField: true };
    expect(parseTrustedIommu(object)).toMatchObject({ ok: true, value: { name: "n1", generation: 7 } });
  });
});

describe("parsing", () => {
  test("never throws, whatever it is given", () => {
    fc.assert(fc.property(fc.anything(), (value) => typeof parseTrustedIommu(value).ok === "boolean"));
    fc.assert(fc.property(fc.string(), (value) => typeof parseManifest(value).ok === "boolean"));
  });

  test("never throws on a spec of almost the right shape, and agrees with the CRD's schema except for rules", () => {
    const almost = fc.record(
      {
        state: fc.constantFrom("Trusted", "Cleared", "x", 1),
        units: fc.oneof(
          fc.record({ all: fc.boolean(), regBases: fc.array(fc.constantFrom("0xfed90000", "0x1", "0xfed91000", 7)) }, { requiredKeys: [] }),
          fc.constantFrom(null, [], "x", 3),
        ),
        resources: fc.array(
          fc.record(
            {
              name: fc.constantFrom("teeio.dev/gpu", "teeio.dev/nic", "gpu", null),
              ledger: fc.constantFrom("DevicePlugin", "DRA", "x"),
              match: fc.record(
                { vendors: fc.array(fc.constantFrom("10de", "10DE", 8086)), functions: fc.array(fc.constantFrom("Virtual", "x")) },
                { requiredKeys: [] },
              ),
            },
            { requiredKeys: ["match"] },
          ),
          { maxLength: 4 },
        ),
        link: fc.record({ enable: fc.constantFrom("External", "x") }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    );
    const root = rootOf("TrustedIommu");
    fc.assert(
      fc.property(almost, (spec) => {
        const object = { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1" }, spec };
        const verdict = parseTrustedIommu(object);
        const breaches = breachesOf(root, object, "").map(({ path }) => path);
        const problems = verdict.ok ? [] : verdict.problems.map(({ path }) => path);
        // Whatever the schema refuses, parsing refuses; what only parsing refuses is a CEL rule's.
        expect(problems.length >= Math.min(1, breaches.length)).toBe(true);
        const ruled = problems.filter((path) => !breaches.includes(path));
        expect(ruled.filter((path) => !/^spec\.units$|\.match$|resources\[\d+\]\.(name|ledger)$/.test(path))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("finds the field that was meant", () => {
    expect(nearest("regbases", ["all", "regBases"])).toBe("regBases");
    expect(nearest("resource", ["state", "units", "resources", "link"])).toBe("resources");
    expect(nearest("completely", ["state", "units"])).toBe(null);
  });
});

interface Breach {
  readonly path: string;
  readonly why: string;
}

type Node = Readonly<Record<string, unknown>>;

function rootOf(kind: string): Node {
  const found = KINDS.find(({ names }) => names.kind === kind);
  const crd = crdOf(found!) as { spec: { versions: { schema: { openAPIV3Schema: Node } }[] } };
  return crd.spec.versions[0]!.schema.openAPIV3Schema;
}

/** What the API server refuses by structure, unknown fields included, and by rules about the form of one text. A second reader of the CRD, independent of zod. */
function breachesOf(schema: Node, value: unknown, path: string): Breach[] {
  if (value === undefined) return [];
  if (value === null) return schema["nullable"] === true ? [] : [{ path, why: "null" }];
  const type = schema["type"];
  if (type === "object") return objectBreaches(schema, value, path);
  if (type === "array") return arrayBreaches(schema, value, path);
  const good = type === "integer" ? Number.isInteger(value) : typeof value === type;
  if (!good) return [{ path, why: "type" }];
  const tooLong = typeof value === "string" && value.length > ((schema["maxLength"] as number | undefined) ?? Number.POSITIVE_INFINITY);
  const unmatched = typeof schema["pattern"] === "string" && !new RegExp(schema["pattern"]).test(String(value));
  const low = typeof value === "number" && value < ((schema["minimum"] as number | undefined) ?? Number.NEGATIVE_INFINITY);
  const unlisted = Array.isArray(schema["enum"]) && !schema["enum"].includes(value);
  if (tooLong || unmatched || low || unlisted) return [{ path, why: "value" }];
  return formsOf(schema).every((form) => form.test(String(value))) ? [] : [{ path, why: FORM }];
}

/** A rule of CEL refused it. */
const FORM = "form";

/** The regular expressions of rules that are nothing else. */
function formsOf(schema: Node): readonly RegExp[] {
  const rules = (schema["x-kubernetes-validations"] ?? []) as readonly { readonly rule: string }[];
  return rules.flatMap(({ rule }) => {
    const [, literal] = /^self\.matches\((".*")\)$/.exec(rule) ?? [];
    return literal === undefined ? [] : [new RegExp(JSON.parse(literal))];
  });
}

function objectBreaches(schema: Node, value: unknown, path: string): Breach[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [{ path, why: "type" }];
  const properties = schema["properties"] as Record<string, Node> | undefined;
  const rest = schema["additionalProperties"] as Node | undefined;
  if (properties === undefined && rest === undefined) return [];
  const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const absent = ((schema["required"] as string[] | undefined) ?? []).filter((name) => Reflect.get(value, name) === undefined);
  const inside = Object.entries(value).flatMap(([name, member]) => {
    const inner = properties && Object.hasOwn(properties, name) ? properties[name] : rest;
    return inner === undefined ? [{ path: at(name), why: "unknown" }] : breachesOf(inner, member, at(name));
  });
  return [...absent.map((name) => ({ path: at(name), why: "required" })), ...inside];
}

function arrayBreaches(schema: Node, value: unknown, path: string): Breach[] {
  if (!Array.isArray(value)) return [{ path, why: "type" }];
  const max = (schema["maxItems"] as number | undefined) ?? Number.POSITIVE_INFINITY;
  const min = (schema["minItems"] as number | undefined) ?? 0;
  if (value.length > max || value.length < min) return [{ path, why: "length" }];
  const repeats = schema["x-kubernetes-list-type"] === "set" ? value.flatMap((entry, index) => (value.indexOf(entry) < index ? [index] : [])) : [];
  const inside = value.flatMap((entry, index) => breachesOf(schema["items"] as Node, entry, `${path}[${index}]`));
  return [...repeats.map((index) => ({ path: `${path}[${index}]`, why: "repeated" })), ...inside];
}
