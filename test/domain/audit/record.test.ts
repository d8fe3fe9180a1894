// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lineFrom, lineText } from "../../../src/domain/audit/line.ts";
import { orderOf } from "../../../src/domain/audit/order.ts";
import { MOST_PROBLEMS, readRecord } from "../../../src/domain/audit/record.ts";
import { indexLines } from "../../../src/domain/audit/story.ts";
import { DEVICE, LIFE, linesOf, textOf } from "./log-builder.ts";

const LINES = linesOf(LIFE);
const WHOLE = textOf(LINES);

describe("a line", () => {
  test("is read as it was written", () => {
    for (const line of LINES) expect(lineFrom(lineText(line))).toEqual(line);
  });

  test.each([
    ["text", "hello"],
    ["another value", "[1]"],
    ["no number", lineText(LINES[0] as never).replace('"seq":1', '"seq":"1"')],
    ["number 0", lineText(LINES[0] as never).replace('"seq":1', '"seq":0')],
    ["an event that there is not", lineText(LINES[0] as never).replace("AgentStarted", "toString")],
    ["an actor that there is not", lineText(LINES[0] as never).replace('"by":"agent"', '"by":"nobody"')],
    ["a key missing", lineText(LINES[0] as never).replace('"detail"', '"retail"')],
  ])("that is %s is none", (_, text) => {
    expect(lineFrom(text)).toBeNull();
  });
});

describe("a log", () => {
  test("that is whole is read whole, and says where it ends", () => {
    expect(readRecord([WHOLE])).toEqual({ lines: LINES, problems: [], unreadable: 0, endedAt: `${WHOLE.name} line ${LINES.length}` });
  });

  test("of several files goes on from one to the next", () => {
    const files = [textOf(LINES.slice(0, 5), "a"), textOf(LINES.slice(5), "b")];
    expect(readRecord(files)).toMatchObject({ lines: LINES, endedAt: `b line ${LINES.length - 5}` });
  });

  test("that was cut in its last line is read up to it", () => {
    const cut = { ...WHOLE, text: WHOLE.text.slice(0, -10) };
    expect(readRecord([cut])).toMatchObject({
      lines: LINES.slice(0, -1),
      problems: [`${WHOLE.name} line ${LINES.length}: not finished`],
      endedAt: `${WHOLE.name} line ${LINES.length - 1}`,
    });
  });

  test("whose cut line was ended by the next writer has a gap there, and goes on", () => {
    const head = WHOLE.text.split("\n").slice(0, 5).join("\n");
    const text = `${head}\n{"seq":6,"bo\n${LINES.slice(5)
      .map((line) => `${lineText(line)}\n`)
      .join("")}`;
    const { lines, problems } = readRecord([{ ...WHOLE, text }]);
    expect(lines.map(({ event }) => event)).toEqual([...LIFE.slice(0, 5), "Gap", ...LIFE.slice(5)]);
    expect(problems).toEqual([`${WHOLE.name} line 6: not a line of an audit log`]);
  });

  test("with more that cannot be read than anybody wants to know of is counted", () => {
    const { problems, unreadable, endedAt } = readRecord([{ name: "a", text: "x\n".repeat(500) }]);
    expect([problems.length, unreadable, endedAt]).toEqual([MOST_PROBLEMS, 500, ""]);
  });

  test("that goes back in its numbers has a gap there", () => {
    const { lines } = readRecord([textOf([...LINES.slice(0, 6), ...LINES.slice(3)])]);
    expect(lines.filter(({ event }) => event === "Gap").map(({ detail }) => detail)).toEqual(["line 4 after line 6"]);
  });
});

test("a log that is cut at any byte gives the lines before it, and nothing that is not in it", () => {
  fc.assert(
    fc.property(fc.nat(WHOLE.text.length), (end) => {
      const text = WHOLE.text.slice(0, end);
      const { lines, unreadable } = readRecord([{ ...WHOLE, text }]);
      expect(lines).toEqual(LINES.slice(0, text.split("\n").length - 1));
      expect(unreadable).toBe(text === "" || text.endsWith("\n") ? 0 : 1);
    }),
  );
});

test("a log with anything in it is read, and a life with something in it that cannot be read is never held for it", () => {
  const garbage = fc.oneof(fc.string({ maxLength: 80 }), fc.json({ maxDepth: 1 }), fc.constantFrom("\u0000", "{}", "null", '{"seq":1}'));
  fc.assert(
    fc.property(fc.integer({ min: 3, max: LINES.length - 2 }), garbage, (at, odd) => {
      const rows = LINES.map(lineText);
      const text = [...rows.slice(0, at), odd, ...rows.slice(at)].map((row) => `${row}\n`).join("");
      const record = readRecord([{ ...WHOLE, text }]);
      expect(record.lines.filter(({ event }) => event !== "Gap")).toEqual(LINES);
      expect(orderOf(indexLines(record.lines).storyOf(DEVICE)).verdict).toBe("unproven");
    }),
  );
});

test("a log in which bytes were changed is read, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(WHOLE.text.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 20 }), (changes) => {
      const bytes = Buffer.from(WHOLE.text);
      for (const [at, value] of changes) bytes[at] = value;
      const { lines } = readRecord([{ name: "a", text: bytes.toString("utf8") }]);
      orderOf(indexLines(lines).storyOf(DEVICE));
      expect(lines.length).toBeLessThanOrEqual(2 * LINES.length + 1);
    }),
  );
});
