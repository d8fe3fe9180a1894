// SPDX-License-Identifier: Apache-2.0

/** Functions that come back otherwise than they went, statuses that somebody else has written, lists that rest on an older look. */
import { advance, intent, POD, type Scenario, start, step, TWO_GPUS, UP, VIRTUAL } from "./scenario.ts";

const TRUST_ANEW = [step("loseUnit", { at: 0 }), step("findUnit", { at: 0 })];
const SECURED_EARLY = [step("startAgent", {}, "seamcall.setup"), step("secureLink", { at: 0, word: "Tsm" }), advance(5_000)];

export const HOSTS: readonly Scenario[] = [
  {
    name: "a function that was off the bus during SETUP is not offered when it comes back with a secured link",
    needs: ["securedReturns"],
    steps: [step("unplug", { at: 0 }), ...UP, step("replug", { at: 0, word: "Tsm" }), advance(5_000)],
  },
  {
    name: "nor after a restart in between",
    needs: ["securedReturns"],
    steps: [step("unplug", { at: 0 }), ...UP, step("replug", { at: 0, word: "Stream" }), step("crashAgent"), start, advance(5_000)],
  },
  {
    name: "a virtual function says nothing of its physical function's link, which was away during SETUP",
    needs: ["securedReturns"],
    shape: VIRTUAL,
    steps: [step("replug", { at: 1, word: "" }), step("unplug", { at: 0 }), ...UP, step("replug", { at: 0, word: "Tsm" }), advance(5_000)],
  },
  {
    name: "no CLEAR below a function whose unit link is gone, after a restart",
    needs: ["unitLinks"],
    steps: [
      ...UP,
      ...POD,
      advance(5_000),
      step("loseUnitLink", { at: 0 }),
      step("terminatePod", { word: "pod-0" }),
      step("forceDeletePod", { word: "pod-0" }),
      step("crashAgent"),
      start,
      intent("cleared"),
      advance(20_000),
    ],
  },
  {
    name: "a status in which a held device reads Offered proves nothing",
    needs: ["editedStatus"],
    steps: [...UP, ...POD, ...TRUST_ANEW, advance(8_000), step("crashAgent"), step("editStatus", { word: "offered" }), start, advance(60_000)],
  },
  {
    name: "a status in which a suspect device reads Offered proves nothing",
    needs: ["editedStatus"],
    steps: [...SECURED_EARLY, step("crashAgent"), step("editStatus", { word: "offered" }), start, advance(20_000)],
  },
  {
    name: "a device that has been withdrawn does not come back with a pass that had read the host before",
    needs: ["undoneWithdrawals"],
    shape: TWO_GPUS,
    steps: [
      ...UP,
      step("stall", { word: "podresources.observe" }),
      advance(11_000),
      step("unplug", { at: 0 }),
      step("stall", { word: "" }),
      advance(1_000),
    ],
  },
];
