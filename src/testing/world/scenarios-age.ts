// SPDX-License-Identifier: Apache-2.0

/** What was looked at, and grew old before it was acted on: an agent that is stopped, a call that waits for its turn in the kernel. */
import { advance, intent, type Scenario, start, step, TWO_UNITS, UP } from "./scenario.ts";

const AN_HOUR_MS = 3_600_000;

export const AGES: readonly Scenario[] = [
  {
    name: "a CLEAR whose caller was stopped between look and call does not begin",
    needs: ["clearBegins", "freezes"],
    steps: [
      ...UP,
      step("stall", { word: "seamcall.clear" }),
      intent("cleared"),
      advance(10_000),
      step("freezeAgent"),
      step("stall", { word: "" }),
      step("openFromOutside", { at: 0 }),
      step("thawAgent", { ms: AN_HOUR_MS }),
      advance(1_000),
    ],
  },
  {
    name: "a CLEAR whose caller was stopped while it read the host does not begin",
    needs: ["clearBegins", "freezes"],
    steps: [
      ...UP,
      intent("cleared"),
      step("stall", { word: "pods.observe" }),
      advance(10_000),
      step("freezeAgent"),
      step("stall", { word: "" }),
      step("openFromOutside", { at: 0 }),
      step("thawAgent", { ms: AN_HOUR_MS }),
      advance(1_000),
    ],
  },
  {
    name: "a CLEAR that waits in the kernel behind another unit's SETUP does not begin when it has waited too long",
    needs: ["clearBegins"],
    shape: { ...TWO_UNITS, settleMs: 500 },
    steps: [
      ...UP,
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }, 0),
      step("scriptFault", { at: 0, word: "slow setup", ms: 1 }),
      advance(1_000),
      step("crashAgent"),
      start,
      intent("cleared"),
      advance(2_000),
      step("openFromOutside", { at: 1 }),
      advance(15_000),
    ],
  },
];
