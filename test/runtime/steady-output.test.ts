// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { createSteadyOutput } from "../../src/runtime/steady-output.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const errno = (code: string): Error => Object.assign(new Error(code), { code });

/** A reader of whom the test says how much it takes now, or how it fails. */
function world(maxBytes = 100) {
  const clock = createFakeClock();
  const reader = { room: Number.POSITIVE_INFINITY, failure: null as Error | null, text: "", calls: 0 };
  const output = createSteadyOutput({
    clock,
    maxBytes,
    file: {
      write(bytes) {
        reader.calls += 1;
        if (reader.failure) throw reader.failure;
        const taken = Math.min(bytes.length, reader.room);
        reader.room -= taken;
        reader.text += Buffer.from(bytes.subarray(0, taken)).toString();
        return taken;
      },
    },
  });
  const flows: number[] = [];
  output.onFlow((dropped) => flows.push(dropped));
  return { clock, reader, output, flows };
}

test("text leaves at once while there is a reader, so that a crash loses none", () => {
  const { clock, reader, output } = world();
  expect(output.write("a\n")).toBe(true);
  expect(reader.text).toBe("a\n");
  expect(clock.pending()).toBe(0);
});

describe("a reader that does not read", () => {
  test("gets what fits into the buffer, in order and whole, when it reads again", async () => {
    const { clock, reader, output, flows } = world(10);
    reader.room = 3;
    expect(["one\n", "two\n", "three\n", "4\n"].map((text) => output.write(text))).toEqual([true, true, false, true]);
    expect(reader.text).toBe("one");
    reader.room = 4;
    await clock.advance(1000);
    expect(reader.text).toBe("one\ntwo");
    expect(flows).toEqual([]);
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(1000);
    expect(reader.text).toBe("one\ntwo\n4\n");
    expect([flows, output.dropped()]).toEqual([[1], 1]);
    expect(clock.pending()).toBe(0);
  });

  test("costs one attempt a second and no more memory, however much is written", async () => {
    const { clock, reader, output } = world();
    reader.room = 0;
    for (let i = 0; i < 1000; i++) output.write("0123456789");
    await clock.advance(10_000);
    const before = reader.calls;
    await clock.advance(10_000);
    expect(reader.calls - before).toBe(10);
    expect(output.dropped()).toBe(990);
  });

  test("that comes back gets a great many short texts without a pause between them", async () => {
    const { clock, reader, output } = world(1_000_000);
    reader.room = 0;
    const texts = Array.from({ length: 100_000 }, (_, n) => `${n}\n`);
    for (const text of texts) output.write(text);
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(1000);
    expect(reader.text).toBe(texts.join(""));
    expect(output.dropped()).toBe(0);
  });

  test("is waited for at the end only so long", async () => {
    const { clock, reader, output } = world();
    reader.room = 0;
    output.write("late\n");
    let isDone = false;
    void output.drain(500).then(() => {
      isDone = true;
    });
    await clock.advance(499);
    expect(isDone).toBe(false);
    await clock.advance(1);
    expect(isDone).toBe(true);
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(1000);
    await output.drain(500);
    expect(reader.text).toBe("late\n");
    expect(clock.pending()).toBe(0);
  });
});

describe("an output that fails", () => {
  test("drops and counts, and says how much when it works again", () => {
    const { reader, output, flows } = world();
    reader.failure = errno("ENOSPC");
    expect([output.write("a\n"), output.write("b\n")]).toEqual([false, false]);
    reader.failure = null;
    output.onFlow((dropped) => output.write(`${dropped} dropped\n`));
    expect(output.write("c\n")).toBe(true);
    expect(output.write("d\n")).toBe(true);
    expect(reader.text).toBe("c\n2 dropped\nd\n");
    expect([flows, output.dropped()]).toEqual([[2], 2]);
  });

  test("in the middle of a text does not glue the next one to it", async () => {
    const { clock, reader, output } = world();
    reader.room = 2;
    output.write("abcd\n");
    reader.failure = errno("ENOSPC");
    await clock.advance(10);
    reader.failure = null;
    reader.room = Number.POSITIVE_INFINITY;
    output.write("next\n");
    expect(reader.text).toBe("ab\nnext\n");
    expect(output.dropped()).toBe(1);
  });

  test("for good says so once", () => {
    const { reader, output } = world();
    let gone = 0;
    output.onGone(() => {
      gone += 1;
    });
    reader.failure = errno("EIO");
    output.write("a");
    expect(gone).toBe(0);
    reader.failure = errno("EPIPE");
    output.write("b");
    output.write("c");
    expect(gone).toBe(1);
  });
});
