// SPDX-License-Identifier: Apache-2.0

/** Mutations of valid inputs: most of what is wrong with a user's file is a small change of one that was right. */
import fc from "fast-check";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const ODD: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, false, 0, -1, 1e21, "", " ", "x", [], {}, [null], "\u001b[31m", "\ufeff", "__proto__"),
  fc.jsonValue().map((value) => value as Json),
);

/** JSON values made from `valid` by one to three changes: a member gone, renamed, added, repeated or replaced. */
export function mutatedJson(valid: unknown): fc.Arbitrary<unknown> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom("drop", "replace", "add", "wrap", "rename"),
    odd: ODD,
    key: fc.oneof(fc.constantFrom("new", "toString", "__proto__", "state", "spec"), fc.string({ maxLength: 8 })),
  });
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    // In a member of its own, so that the whole value can be changed as well.
    const root = { whole: structuredClone(valid) };
    for (const { at, kind, odd: shared, key } of changes) {
      // A copy: a later change must neither reach the arbitrary's own value nor put it into itself.
      const odd = structuredClone(shared);
      const places = placesIn(root);
      const place = places[at % places.length];
      if (place === undefined) continue;
      const { holder, name } = place;
      const value: unknown = Reflect.get(holder, name);
      if (kind === "drop") drop(holder, name);
      else if (kind === "replace") put(holder, name, odd);
      else if (kind === "wrap") put(holder, name, [value]);
      else if (kind === "add") addTo(value, key, odd);
      else if (!Array.isArray(holder) && holder !== root) {
        drop(holder, name);
        put(holder, key, value);
      }
    }
    return root.whole;
  });
}

interface PlaceOf {
  readonly holder: object;
  readonly name: string;
}

function placesIn(holder: object): readonly PlaceOf[] {
  return Object.entries(holder).flatMap(([name, value]: [string, unknown]) => [
    { holder, name },
    ...(typeof value === "object" && value !== null ? placesIn(value) : []),
  ]);
}

function drop(holder: object, name: string): void {
  if (Array.isArray(holder)) holder.splice(Number(name), 1);
  else Reflect.deleteProperty(holder, name);
}

/** As JSON.parse does it: `__proto__` is a member like any other. */
function put(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
}

function addTo(value: unknown, key: string, odd: unknown): void {
  if (Array.isArray(value)) value.push(odd);
  else if (typeof value === "object" && value !== null) put(value, key, odd);
}

const SCRAPS = [
  ..."\n \t :  -  ---\n ...\n *a &a !!binary !<x> { } [ ] \" ' # \\ , | > null ~ 0x 1e999 \u0000 \ufeff \u001b[2J \u2028 \ud800".split(" "),
  "<<: *x\n",
  "%YAML 9.9\n---\n",
  "[".repeat(600),
  '{"a":'.repeat(600),
];

/** Texts made from `valid` by one to four changes: a stretch cut out, repeated, or replaced by characters that mean something to parsers. */
export function mutatedText(valid: string): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    length: fc.oneof(fc.nat(3), fc.nat(40), fc.nat()),
    kind: fc.constantFrom("cut", "repeat", "insert", "replace", "swap"),
    scrap: fc.oneof(fc.constantFrom(...SCRAPS), fc.string({ maxLength: 6 }), fc.string({ unit: "binary", maxLength: 4 })),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) =>
    changes.reduce((text, { at, length, kind, scrap }) => {
      const start = at % (text.length + 1);
      const end = Math.min(text.length, start + (length % 64));
      const [head, middle, tail] = [text.slice(0, start), text.slice(start, end), text.slice(end)];
      if (kind === "cut") return head + tail;
      if (kind === "repeat") return head + middle + middle + tail;
      if (kind === "swap") return tail + middle + head;
      return kind === "insert" ? head + scrap + middle + tail : head + scrap + tail;
    }, valid),
  );
}
