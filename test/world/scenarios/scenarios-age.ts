// SPDX-License-Identifier: Apache-2.0

/** What was looked at, and grew old before it was acted on: an agent that is stopped, a call that waits for its turn in the kernel. */
import { advance, intent, type Scenario, start, step, TWO_UNITS, UP } from "./scenario.ts";

const AN_HOUR_MS = 3_600_000;

/** Two units are to be cleared: the first CLEAR is slow, and when it has ended no look gets beyond podresources. */
const SECOND_LOOK = [
  ...UP,
  step("scriptFault", { at: 0, word: "slow clear", ms: 1 }),
  step("stall", { word: "seamcall.clear" }),
  intent("cleared"),
  advance(2_000),
  step("stall", { word: "podresources.observe" }),
];

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
    name: "the second of two CLEARs is decided on a look of its own",
    needs: ["clearBegins"],
    shape: { ...TWO_UNITS, settleMs: 500 },
    steps: [...SECOND_LOOK, step("openFromOutside", { at: 1 }), advance(15_000)],
  },
  {
    name: "a look is as old as its first reading, whatever else it waits for",
    needs: ["clearBegins"],
    shape: { ...TWO_UNITS, settleMs: 500 },
    steps: [...SECOND_LOOK, advance(15_000), step("openFromOutside", { at: 1 }), advance(10_000), step("stall", { word: "" }), advance(1_000)],
  },
  {
    name: "no CLEAR is asked of a driver that can't be told until when its look is good",
    shape: { honoursNotAfter: false },
    steps: [...UP, intent("cleared"), advance(30_000)],
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
  {
    name: "the settling time counts from the first free view, not from a look that waited for the API",
    shape: TWO_UNITS,
    steps: [
      ...UP,
      step("openFromOutside", { at: 1 }),
      advance(5_000),
      step("stall", { word: "pods.observe" }),
      intent("cleared"),
      advance(6_000),
      step("closeFromOutside", { at: 1 }),
      step("stall", { word: "" }),
      advance(700),
    ],
    check: ({ module }) => (module.units[1]?.state === "Trusted" ? [] : [`the second unit is ${module.units[1]?.state} already`]),
  },
];
