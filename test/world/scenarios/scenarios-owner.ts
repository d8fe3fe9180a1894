// SPDX-License-Identifier: Apache-2.0

/** Nodes whose kernel owns TDX Connect, and says of it only lines in a log. */
import { GPU, type WorldShape } from "../models/shape.ts";
import { advance, type Scenario, start, step, TWO_UNITS, UP } from "./scenario.ts";

const owned = (isNaming: boolean, isBuiltIn = false): Partial<WorldShape> => ({
  isSimulated: false,
  realSetup: true,
  kernelOwner: { isNaming, isBuiltIn },
});
const load = step("loadKernelDriver", { at: -1 });
const unload = step("unloadKernelDriver");
const offered: Scenario["check"] = ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]);
const withheld: Scenario["check"] = ({ kubelet }) => kubelet.healthy(GPU).map((id) => `${id} is offered`);

export const OWNERS: readonly Scenario[] = [
  {
    name: "one load at boot and an agent a minute later, by name",
    needs: ["kernelOwned"],
    shape: owned(true),
    steps: [load, advance(60_000), ...UP],
    check: offered,
  },
  {
    name: "a driver that is built in and an agent a minute later, by address",
    needs: ["kernelOwned"],
    shape: owned(false, true),
    steps: [advance(60_000), ...UP],
    check: offered,
  },
  {
    name: "a load by address that an agent has watched from its start",
    needs: ["kernelOwned"],
    shape: owned(false),
    steps: [...UP, load, advance(20_000)],
    check: offered,
  },
  {
    name: "a load that an earlier agent has watched",
    needs: ["kernelOwned", "provenLoads"],
    shape: owned(false),
    steps: [...UP, load, advance(20_000), step("crashAgent"), start, advance(20_000)],
    check: offered,
  },
  ...[true, false].map((isNaming) => ({
    name: `lines of two loads are not taken for one, ${isNaming ? "by name" : "by address"}`,
    needs: ["kernelOwned"] as const,
    shape: { ...TWO_UNITS, ...owned(isNaming) },
    steps: [step("loadKernelDriver", { at: 1 }), advance(1_000), unload, advance(1_000), step("loadKernelDriver", { at: 0 }), ...UP, advance(20_000)],
  })),
  {
    name: "two loads that come while the agent is stopped are not taken for a watched one",
    needs: ["kernelOwned", "freezes"],
    shape: { ...TWO_UNITS, ...owned(false) },
    steps: [
      ...UP,
      step("freezeAgent"),
      step("loadKernelDriver", { at: 1 }),
      advance(1_000),
      unload,
      advance(1_000),
      step("loadKernelDriver", { at: 0 }),
      advance(1_000),
      step("thawAgent"),
      advance(20_000),
    ],
  },
  {
    name: "the lines of a load that is over are not another one's for the next agent, either",
    needs: ["kernelOwned", "provenLoads"],
    shape: { ...TWO_UNITS, ...owned(false) },
    steps: [
      ...UP,
      step("loadKernelDriver", { at: 1 }),
      advance(20_000),
      unload,
      advance(5_000),
      step("loadKernelDriver", { at: 0 }),
      advance(20_000),
      step("crashAgent"),
      start,
      advance(20_000),
    ],
  },
  {
    name: "devices go with the kernel's driver",
    needs: ["kernelOwned"],
    shape: owned(true),
    steps: [load, ...UP, unload],
    check: withheld,
  },
  {
    name: "a link that was secured before the load keeps its device back",
    needs: ["kernelOwned"],
    shape: owned(true),
    steps: [step("secureLink", { at: 0, word: "Tsm" }), load, advance(60_000), ...UP],
    check: withheld,
  },
];
