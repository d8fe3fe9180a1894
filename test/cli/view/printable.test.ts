// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { errorText } from "../../../src/cli/border.ts";
import { changeLines } from "../../../src/cli/view/changes.ts";
import { explainJson, explainText } from "../../../src/cli/view/explain.ts";
import { humanLogLine } from "../../../src/cli/view/log-line.ts";
import { nodeTables } from "../../../src/cli/view/tables.ts";
import { jsonText, span } from "../../../src/cli/view/text.ts";
import { nodeTree } from "../../../src/cli/view/tree.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { mixedStatus } from "../../support/node-status.ts";

/** A colour of ours, a cleared screen, a title, C1's CSI, text turned round, a line of its own, nothing one can see. */
const EVIL = "\u001b[32m\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\u2028\r\n\u200b\ufeff\u007f\udc00";
/** What a terminal obeys: everything here but line ends. */
const OBEYED = /[^\P{C}\n]|\p{Zl}|\p{Zp}/u;
const width = 500;
/** The sequences of our own palette, taken out of a coloured picture. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
const bare = (line: string): string => line.replace(/\u001b\[(?:[0-9]{1,2}(?:;[0-9]{1,2})*)m/g, "");

/** The same value with something evil at the end of every text in it. */
function poisoned<T>(value: T): T {
  if (typeof value === "string") return `${value}${EVIL}` as T;
  if (Array.isArray(value)) return value.map(poisoned) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, poisoned(member)])) as T;
}

const STATUS = poisoned(mixedStatus());
const VERDICT = { ...poisoned({ address: "0000:17:00.0", resource: { name: "teeio.dev/gpu" } }), offered: false, reason: "NoUnit" as const };
const RULES = [poisoned({ reason: "NoUnit", passed: false, read: "no iommu link" })];

test("a view obeys nothing that stands in a field of a status, and shows that something was there", () => {
  const views = (colour: boolean): readonly string[] => [
    ...nodeTree(`n1${EVIL}`, STATUS, { width, colour }),
    ...nodeTables(`n1${EVIL}`, STATUS, { width, colour, height: null }),
    ...explainText({ ...VERDICT, rules: RULES }, { width, colour }),
  ];
  expect([...views(false), ...changeLines(null, STATUS)].filter((line) => OBEYED.test(line) || line.includes("\n"))).toEqual([]);
  expect(
    views(true)
      .map(bare)
      .filter((line) => OBEYED.test(line)),
  ).toEqual([]);
  expect(views(true).filter((line) => line.includes("\u001b[32m\u001b"))).toEqual([]);
  expect(span(`teeio.dev/gpu${EVIL}`).text).toMatch(/^teeio\.dev\/gpu\ufffd\[32m\ufffd\[2J/);
});

test("JSON has the same values, and nothing in it that a terminal obeys", () => {
  for (const json of [jsonText(STATUS), explainJson({ ...VERDICT, rules: RULES })]) expect(json).not.toMatch(OBEYED);
  expect(JSON.parse(jsonText(STATUS))).toEqual(STATUS);
});

test("a log line above the live view and an error at the border are clean, too", () => {
  const log = humanLogLine(JSON.stringify({ level: `warn${EVIL}`, time: EVIL, message: `manifest refused${EVIL}`, path: EVIL }), false);
  expect(log).not.toMatch(OBEYED);
  expect(errorText(new Error(EVIL, { cause: new Error(EVIL) }), true)).not.toMatch(OBEYED);
  const cause = new Error(EVIL);
  expect(errorText(new AppError("CONFIG_INVALID", `${EVIL} is wrong`, { cause }), true)).not.toMatch(OBEYED);
});
