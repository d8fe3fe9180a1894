// SPDX-License-Identifier: Apache-2.0

/** The order of SETUP and a link's protection, and when SETUP is issued. */
import type { NodeStatus } from "../../../src/domain/status.ts";
import { GPU } from "../models/shape.ts";
import { advance, firstUnit, intent, type Scenario, start, step, TWO_UNITS, UP, VIRTUAL } from "./scenario.ts";

export const SETUPS: readonly Scenario[] = [
  {
    name: "a link that is lost below a unit that nobody can read keeps every other unit from being set up",
    shape: TWO_UNITS,
    steps: [
      ...[step("hideUnitOfFunction", { at: 0 }), step("loseUnitLink", { at: 0 }), step("secureLink", { at: 0, word: "Broken" })],
      ...[start, advance(8_000)],
    ],
    check: firstUnit("LinkSecuredBeforeSetup"),
  },
  {
    name: "a link secured between the last look and SETUP keeps its device back",
    steps: [step("startAgent", {}, "seamcall.setup"), step("secureLink", { at: 0, word: "Tsm" }), advance(5_000)],
  },
  {
    name: "a link secured before SETUP is not offered by a pass that runs before it is read again",
    shape: { latencyMs: 50 },
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      step("stall", { word: "seamcall.setup.answer" }),
      advance(5_000),
      step("stall", { word: "" }),
      advance(1),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a restart, too",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }, "seamcall.setup.answer"),
      step("crashAgent"),
      start,
      advance(5_000),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a restart during which the intent is Cleared",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      intent("cleared"),
      advance(5_000),
      step("crashAgent"),
      start,
      advance(5_000),
      intent("trusted"),
      advance(5_000),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a stop and a start without an intent",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      intent("none"),
      advance(5_000),
      step("stopAgent"),
      start,
      intent("trusted"),
      advance(5_000),
    ],
  },
  {
    name: "a virtual function has the doubts about the link that it comes with",
    shape: VIRTUAL,
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      step("replug", { at: 1 }),
      advance(5_000),
    ],
  },
  {
    name: "a virtual function whose link was secured after SETUP is offered",
    shape: VIRTUAL,
    steps: [...UP, step("replug", { at: 1 }), advance(1_000), step("secureLink", { at: 0, word: "Tsm" }), advance(11_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:02.1") ? [] : ["the virtual function is not offered"]),
  },
  {
    name: "a virtual function that was made after the link was secured is not covered by it, until it is secured again",
    shape: VIRTUAL,
    steps: [...UP, step("secureLink", { at: 0, word: "Tsm" }), advance(11_000), step("replug", { at: 1 }), advance(11_000)],
    check: ({ api }) => (shownReason(api.status, "0000:17:02.1") === "LinkNotCovering" ? [] : ["the virtual function is not LinkNotCovering"]),
  },
  {
    name: "a virtual function is offered once the link is secured again with it",
    shape: VIRTUAL,
    steps: [
      ...UP,
      step("secureLink", { at: 0, word: "Tsm" }),
      step("replug", { at: 1 }),
      advance(11_000),
      step("releaseLink", { at: 0 }),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(11_000),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:02.1") ? [] : ["the virtual function is not offered"]),
  },
  {
    name: "a link whose security another function manages is not the device's",
    steps: [...UP, step("moveDsm", { at: 0 }), step("secureLink", { at: 0, word: "Tsm" }), advance(11_000)],
    check: ({ api }) => (shownReason(api.status, "0000:17:00.0") === "DsmElsewhere" ? [] : ["the device is not DsmElsewhere"]),
  },
  {
    name: "a stream that the kernel does not name secures nothing",
    steps: [...UP, step("secureLink", { at: 0, word: "Foreign" }), advance(11_000)],
    check: ({ api }) => (shownReason(api.status, "0000:17:00.0") === "LinkBroken" ? [] : ["the device is not LinkBroken"]),
  },
  {
    name: "SETUP looks again when its turn comes",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [start, step("secureLink", { at: 1, word: "Tsm" }), advance(3_000)],
  },
  {
    name: "SETUP of the next unit waits for a host that cannot be read any more",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [start, step("hideHost", { at: 0 }), advance(3_000)],
  },
  {
    name: "SETUP is not repeated at once",
    steps: [step("scriptFault", { at: 0, word: "operandBusy setup", ms: 50 }), start, advance(3_000)],
  },
  {
    name: "SETUP that failed for good is not repeated",
    steps: [step("scriptFault", { at: 0, word: "unheardOf setup", ms: 1 }), start, advance(30_000)],
    check: firstUnit("SetupFailed"),
  },
];

function shownReason(status: NodeStatus | null, address: string): string | undefined {
  return status?.devices.find((device) => device.address === address)?.reason;
}
