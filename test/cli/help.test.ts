// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Context, noDrops } from "../../src/cli/context.ts";
import { readEnvironment } from "../../src/cli/environment.ts";
import { wrapHelp } from "../../src/cli/help.ts";
import { run } from "../../src/cli/program.ts";
import { DEEDS } from "../../src/cli/simulate/deeds.ts";
import { EXIT_CODES } from "../../src/runtime/exit-codes.ts";
import { noStopSignals } from "../../src/runtime/signals.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** --help of a command on a terminal. */
async function help(columns: number, ...words: string[]): Promise<string> {
  let out = "";
  const write = (text: string): void => {
    out += text;
  };
  const context: Context = {
    environment: readEnvironment({ TERM: "xterm", NO_COLOR: "1" }),
    workingFolder: "/",
    output: { isTTY: true, columns, rows: 40, write, on: () => undefined, off: () => undefined },
    errors: { write },
    clock: createFakeClock(),
    drops: noDrops,
    signals: noStopSignals,
    exit: () => undefined,
  };
  expect(await run([...words, "--help"], context, "1.2.3")).toBe(EXIT_CODES.Ok);
  return out;
}

const SUB_COMMANDS = ["create", "show", "fault", "vf", "lose-module", "restore-module", ...DEEDS.map(({ name }) => name)];
const COMMANDS: readonly (readonly string[])[] = [
  [],
  ...["agent", "status", "explain", "preflight", "simulate", "demo"].map((name) => [name]),
  ...SUB_COMMANDS.map((name) => ["simulate", name]),
];

describe.each(COMMANDS.map((words) => ({ words, name: words.join(" ") || "the program" })))("help of $name", ({ words }) => {
  test.each([80, 120])("fits %i columns, with lines as full as they can be", async (columns) => {
    const text = await help(columns, ...words);
    for (const line of text.split("\n")) expect([line, line.length <= columns]).toEqual([line, true]);
    // A paragraph's line ends where the next word does not fit, and nowhere else.
    for (const paragraph of text.split("\n\n").filter((part) => !/^\s|^\w+:$/m.test(part))) {
      const lines = paragraph.split("\n");
      for (const [index, line] of lines.slice(0, -1).entries()) {
        const next = lines[index + 1]?.split(" ")[0] ?? "";
        expect([line, next, line.length + 1 + next.length > columns]).toEqual([line, next, true]);
      }
    }
  });

  test("shows each example on a line of its own", async () => {
    const [narrow, wide] = [await help(80, ...words), await help(120, ...words)];
    const examples = (text: string): string[] => (text.match(/^ {2}(?:trusted-iommu|npm) .*?(?= {2}|$)/gm) ?? []).map((line) => line.trim());
    expect(examples(narrow)).toEqual(examples(wide));
  });
});

test("every command says its exit codes", async () => {
  for (const name of ["agent", "status", "explain", "preflight", "demo"]) {
    const text = await help(80, name);
    for (const code of [0, 1, 2, 70]) expect([name, code, new RegExp(`^ +${code}  \\w`, "m").test(text)]).toEqual([name, code, true]);
  }
  for (const name of ["status", "explain", "preflight"]) expect(await help(80, name)).toMatch(new RegExp(`^ +${EXIT_CODES.No} {2}\\w`, "m"));
});

describe("wrapping", () => {
  test("lets paragraphs flow, keeps indented lines, and wraps a second column in its place", () => {
    expect(wrapHelp("one two\nthree four five\n\n  a command that is long\n  npm start  what it does and more of it", 24)).toBe(
      ["one two three four five", "", "  a command that is long", "  npm start  what it", "             does and", "             more of it"].join(
        "\n",
      ),
    );
  });

  test("loses no word at any width", () => {
    const word = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom("a", "b", "-", "/") });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 1, max: 60 }), (words, width) => {
        const lines = wrapHelp(words.join(" "), width).split("\n");
        expect(lines.every((line) => line.length <= width)).toBe(true);
        expect(lines.join("").replaceAll(" ", "")).toBe(words.join(""));
      }),
    );
  });
});
