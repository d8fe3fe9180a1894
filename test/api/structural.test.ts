// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { crdOf } from "../../src/api/crd.ts";
import { field, text } from "../../src/api/field.ts";
import { KINDS } from "../../src/api/kinds.ts";
import { toStructural } from "../../src/api/structural.ts";

const said = { description: "What it means." };
const word = field(z.string(), said);

describe("the converter", () => {
  test("turns each kind of field into its structural form", () => {
    const schema = field(
      z.strictObject({
        name: word,
        size: field(z.int().min(0), said).nullable(),
        flag: field(z.boolean(), said).optional(),
        mode: field(z.enum(["On", "Off"]), said).default("On"),
        entries: field(z.array(field(z.strictObject({ key: word }), said)).max(3), { ...said, list: { kind: "Map", keys: ["key"] } }),
        labels: field(z.record(z.string(), word), said),
      }),
      said,
    );
    expect(toStructural(schema, "spec")).toEqual({
      description: "What it means.",
      type: "object",
      required: ["name", "size", "entries", "labels"],
      properties: {
        name: { ...said, type: "string" },
        size: { ...said, type: "integer", format: "int64", minimum: 0, nullable: true },
        flag: { ...said, type: "boolean" },
        mode: { ...said, type: "string", enum: ["On", "Off"], default: "On" },
        entries: {
          ...said,
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["key"],
          maxItems: 3,
          items: { ...said, type: "object", required: ["key"], properties: { key: { ...said, type: "string" } } },
        },
        labels: { ...said, type: "object", additionalProperties: { ...said, type: "string" } },
      },
    });
  });

  test("gives a string with a form its bound and a rule that says the form in words, and no pattern, whose refusal nobody could read", () => {
    const schema = text({ ...said, pattern: /^a\/b$/, maxLength: 3, instead: 'a/b in "quotes"' });
    expect(toStructural(schema, "spec.x")).toEqual({
      ...said,
      type: "string",
      maxLength: 3,
      "x-kubernetes-validations": [
        { rule: 'self.matches("^a/b$")', message: 'write a/b in "quotes"', messageExpression: '"\'" + self + "\': write " + "a/b in \\"quotes\\""' },
      ],
    });
  });

  test("asks little of an open object: the keys of its lists, and words that look like one", () => {
    const entry = field(z.strictObject({ key: word, mode: field(z.enum(["On", "Off"]), said) }), said);
    const schema = field(z.strictObject({ name: word, entries: field(z.array(entry), { ...said, list: { kind: "Map", keys: ["key"] } }) }), {
      ...said,
      isOpen: true,
    });
    const open = { "x-kubernetes-preserve-unknown-fields": true };
    expect(toStructural(schema, "status")).toEqual({
      ...said,
      type: "object",
      ...open,
      properties: {
        name: { ...said, type: "string" },
        entries: {
          ...said,
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["key"],
          items: {
            ...said,
            type: "object",
            ...open,
            required: ["key"],
            properties: { key: { ...said, type: "string" }, mode: { ...said, type: "string", pattern: "^([A-Za-z][A-Za-z0-9]*)?$", maxLength: 63 } },
          },
        },
      },
    });
  });

  test("lets one writer own an object whole when it is said to have one", () => {
    const schema = field(z.strictObject({ key: word }), { ...said, isWhole: true });
    expect(toStructural(schema, "status.x")).toMatchObject({ type: "object", "x-kubernetes-map-type": "atomic" });
  });

  const rule = { cel: "true", message: "m", messageExpression: "", breaches: () => [] };
  const refused: [string, z.ZodType, RegExp][] = [
    ["a field without description", z.string(), /no description/],
    ["a blank description", field(z.string(), { description: " " }), /no description/],
    ["a member without description", field(z.strictObject({ inner: z.string() }), said), /spec\.x\.inner .*no description/],
    ["a union", field(z.union([z.string(), z.int()]), said), /typed oneOf/],
    ["an object that lets unknown fields through", field(z.looseObject({ a: word }), said), /strict/],
    ["an object that drops unknown fields", field(z.object({ a: word }), said), /strict/],
    ["a list without list type", field(z.array(word), said), /map, a set or atomic/],
    [
      "a list whose key may be absent",
      field(z.array(field(z.strictObject({ k: word.optional() }), said)), { ...said, list: { kind: "Map", keys: ["k"] } }),
      /required/,
    ],
    [
      "a refinement without CEL",
      field(
        z.string().refine((value) => value !== ""),
        said,
      ),
      /no CEL rule/,
    ],
    ["an unbounded string under a rule", field(z.string(), { ...said, rules: [rule] }), /maximum length/],
    ["an unbounded list inside a rule", field(z.strictObject({ l: field(z.array(word), said) }), { ...said, rules: [rule] }), /maximum length/],
    ["a transformation", field(z.string().transform(Number), said), /no structural form/],
    [
      "a lazy schema",
      field(
        z.lazy(() => word),
        said,
      ),
      /no structural form/,
    ],
    ["a format that only zod knows", field(z.email(), said), /zod's own/],
    ["a step", field(z.int().multipleOf(2), said), /multiple_of/],
    ["an exclusive bound", field(z.int().gt(2), said), /inclusive/],
    ["a number as literal", field(z.literal(3), said), /literal/],
  ];
  test.each(refused)("refuses %s", (_name, schema, message) => {
    expect(() => toStructural(schema, "spec.x")).toThrow(message);
  });
});

describe("the CRDs", () => {
  test.each(KINDS.map((kind) => [kind.names.kind, kind] as const))("%s describes every node of its schema", (_name, kind) => {
    const undescribed: string[] = [];
    walk(crdOf(kind), "", (node, path) => {
      if ("type" in node && !("description" in node) && !path.endsWith(".metadata")) undescribed.push(path);
    });
    expect(undescribed).toEqual([]);
  });

  test("have the columns that people look for first", () => {
    const columns = KINDS[0]?.columns.filter((column) => column.always).map((column) => column.name);
    expect(columns).toEqual(["State", "Units", "Trusted", "Offered", "Withheld", "Ready", "Reason", "Driver", "Age"]);
  });
});

function walk(value: unknown, path: string, visit: (node: object, path: string) => void): void {
  if (typeof value !== "object" || value === null) return;
  if (path.includes("openAPIV3Schema") && !path.endsWith(".properties")) visit(value, path);
  for (const [key, member] of Object.entries(value)) {
    if (key !== "default" && key !== "x-kubernetes-validations") walk(member, `${path}.${key}`, visit);
  }
}
