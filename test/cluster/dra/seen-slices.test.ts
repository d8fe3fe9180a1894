// SPDX-License-Identifier: Apache-2.0

/** What is known of slices when the watch comes late, and our answers later still. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSeenSlices, type SeenSlices } from "../../../src/cluster/dra/seen-slices.ts";
import type { SeenSlice } from "../../../src/domain/dra/slices.ts";

const slice = (resourceVersion: number, uid = "u1"): SeenSlice => ({
  name: "a",
  resourceVersion: String(resourceVersion),
  uid,
  pool: "n1/p",
  generation: 1,
  sliceCount: 1,
  spec: {},
});

const versions = (seen: SeenSlices): readonly string[] => seen.all().map(({ resourceVersion }) => resourceVersion);

function written(from: SeenSlice | null, answer: SeenSlice | null): SeenSlices {
  const seen = createSeenSlices();
  seen.listed(from === null ? [] : [from]);
  seen.asked("a");
  seen.answered("a", answer);
  return seen;
}

describe("an answer", () => {
  test("counts before the watch shows it, and what the watch shows of before does not", () => {
    const seen = written(slice(1), slice(3));
    expect(versions(seen)).toEqual(["3"]);
    seen.shown("a", slice(2));
    expect(versions(seen)).toEqual(["3"]);
    seen.shown("a", slice(3));
    seen.shown("a", slice(4));
    expect(versions(seen)).toEqual(["4"]);
  });

  test("that comes after its event, and after a later one, is old", () => {
    const seen = createSeenSlices();
    seen.listed([slice(1)]);
    seen.asked("a");
    seen.shown("a", slice(2));
    seen.shown("a", null);
    seen.answered("a", slice(2));
    expect(versions(seen)).toEqual([]);
  });

  test("to a write that changed nothing is what the watch has shown already", () => {
    const seen = written(slice(1), slice(1));
    seen.shown("a", slice(2));
    expect(versions(seen)).toEqual(["2"]);
  });

  test("to a deletion holds until the watch shows that object's end, and not that of an earlier one", () => {
    const seen = written(slice(1, "u1"), slice(3, "u2"));
    seen.asked("a");
    seen.answered("a", null);
    expect(versions(seen)).toEqual([]);
    seen.shown("a", null);
    seen.shown("a", slice(3, "u2"));
    expect(versions(seen)).toEqual([]);
    seen.shown("a", null);
    seen.shown("a", slice(9, "u3"));
    expect(versions(seen)).toEqual(["9"]);
  });

  test("to a deletion that the watch has shown already is nothing that waits", () => {
    const seen = createSeenSlices();
    seen.listed([slice(1, "u1")]);
    seen.asked("a");
    seen.shown("a", null);
    seen.answered("a", null);
    seen.shown("a", slice(5, "u2"));
    expect(versions(seen)).toEqual(["5"]);
  });

  test("is older than a list that began after it", () => {
    const seen = written(slice(1), slice(2));
    seen.listed([slice(7)]);
    expect(versions(seen)).toEqual(["7"]);
  });
});

type Op = "put" | "delete" | "deliver" | "list" | "write" | "remove" | "touch" | "read" | "reach" | "answer" | "lose";

/** One object of an API server, its watch that lags, and a client that asks for one thing at a time. */
class Model {
  readonly seen = createSeenSlices();
  #revision = 0;
  #object: SeenSlice | null = null;
  /** Every state, by revision. */
  readonly history: { readonly revision: number; readonly object: SeenSlice | null }[] = [];
  #delivered = 0;
  #request: { readonly op: Op; readonly base: SeenSlice | null; answer?: { object: SeenSlice | null; revision: number; isRead: boolean } } | null =
    null;
  /** Revision of the newest answer that is known to be one. */
  floor = 0;

  #set(object: Omit<SeenSlice, "resourceVersion"> | null): void {
    this.#revision += 1;
    this.#object = object && { ...object, resourceVersion: String(this.#revision) };
    this.history.push({ revision: this.#revision, object: this.#object });
  }

  #put(): void {
    this.#set(this.#object ?? slice(0, `u${this.#revision + 1}`));
  }

  /** The request is carried out by the server. */
  #reach(): void {
    const request = this.#request;
    if (request === null || request.answer !== undefined) return;
    const isCurrent = request.base?.resourceVersion === this.#object?.resourceVersion;
    if (isCurrent && request.op === "write") this.#put();
    if (isCurrent && request.op === "remove" && this.#object !== null) this.#set(null);
    // What came too late reads what is there.
    request.answer = { object: this.#object, revision: this.#revision, isRead: request.op === "read" || !isCurrent };
  }

  #answer(): void {
    const answer = this.#request?.answer;
    if (answer === undefined) return;
    this.seen.answered("a", answer.object);
    if (!(answer.isRead && answer.object === null)) this.floor = Math.max(this.floor, answer.revision);
    this.#request = null;
  }

  step(op: Op): void {
    if (op === "put") this.#put();
    else if (op === "delete" && this.#object !== null) this.#set(null);
    else if (op === "deliver") this.deliver();
    else if (op === "reach") this.#reach();
    else if (op === "answer") this.#answer();
    else if (op === "lose") this.#request = null;
    else if (op === "list" && this.#request === null) {
      this.seen.listed(this.#object === null ? [] : [this.#object]);
      this.#delivered = this.history.length;
    } else if (["write", "remove", "touch", "read"].includes(op) && this.#request === null) {
      const base = this.seen.all()[0] ?? null;
      // What is not known to be there is neither deleted nor written as it is.
      this.#request = { op: base === null && op !== "write" ? "read" : op, base };
      this.seen.asked("a");
    }
  }

  /** False: all is delivered. */
  deliver(): boolean {
    const next = this.history[this.#delivered];
    if (next === undefined) return false;
    this.#delivered += 1;
    this.seen.shown("a", next.object);
    return true;
  }

  /** The newest revision at which the object was as it is known. */
  known(): number {
    const version = this.seen.all()[0]?.resourceVersion ?? null;
    return this.history.findLast(({ object }) => (object?.resourceVersion ?? null) === version)?.revision ?? 0;
  }

  object(): SeenSlice | null {
    return this.#object;
  }
}

const anyOp = fc.constantFrom<Op>(
  "put",
  "delete",
  "deliver",
  "deliver",
  "list",
  "write",
  "write",
  "remove",
  "touch",
  "read",
  "reach",
  "reach",
  "answer",
  "answer",
  "lose",
);

test("what is known is never older than an answer, and in the end what is there", () => {
  fc.assert(
    fc.property(fc.array(anyOp, { maxLength: 60 }), (ops) => {
      const model = new Model();
      for (const op of ops) {
        model.step(op);
        expect(model.known()).toBeGreaterThanOrEqual(model.floor);
      }
      model.step("reach");
      model.step("answer");
      while (model.deliver());
      expect(model.seen.all()).toEqual([model.object()].filter((object) => object !== null));
    }),
    { numRuns: 3000 },
  );
});
