// SPDX-License-Identifier: Apache-2.0

import type { World } from "../life/world.ts";
import { GPU, GPU_VENDOR, NIC_VENDOR, REG_BASES, type WorldShape } from "../models/shape.ts";
import type { Capability } from "../runs/capabilities.ts";
import type { Args, Flow, Step } from "../steps/steps.ts";

export interface Scenario {
  readonly name: string;
  /** Run only while these are on. */
  readonly needs?: readonly Capability[];
  readonly shape?: Partial<WorldShape>;
  readonly steps: readonly Step[];
  /** What should be so at the end of the steps; empty when it is. */
  readonly check?: (world: World) => readonly string[];
}

export const step = (kind: string, args: Args = {}, flow: Flow = "rest"): Step => ({ kind, args, flow });
export const advance = (ms: number): Step => step("advance", { ms });
export const intent = (word: string, flow: Flow = "rest"): Step => step("setIntent", { word, at: 0 }, flow);
export const start = step("startAgent");
/** An agent up for long enough, everything trusted and offered. */
export const UP = [start, advance(3_500)];
export const POD = [step("createPod", { word: GPU, at: 1 }), step("admitPod", { word: "pod-0" })];

/** Kubelet starts anew without its API server: it knows no pod. */
export const BLIND = [step("cutOffKubelet"), step("killKubelet", {}, 0), step("startKubelet")];

export const TWO_GPUS: Partial<WorldShape> = {
  devices: ["0000:17:00.0", "0000:17:01.0"].map((address) => ({ address, vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true })),
};

export const TWO_UNITS: Partial<WorldShape> = {
  units: REG_BASES.slice(0, 2).map((regBase) => ({ regBase, canConnect: true, isForeign: false })),
  devices: [
    { address: "0000:17:00.0", vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true },
    { address: "0000:17:01.0", vendor: GPU_VENDOR, regBase: REG_BASES[1], isTeeCapable: true },
  ],
};

/** A physical function, and a virtual one that is yet to be made. */
export const VIRTUAL: Partial<WorldShape> = {
  devices: [
    { address: "0000:17:00.0", vendor: NIC_VENDOR, regBase: REG_BASES[0], isTeeCapable: true },
    { address: "0000:17:02.1", vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true, physicalFunction: "0000:17:00.0" },
  ],
};

/** The reason that the status gives for the first unit. */
export function firstUnit(reason: string): (world: World) => readonly string[] {
  return ({ api }) => {
    const shown = api.status?.units[0]?.reason;
    return shown === reason ? [] : [`the first unit should be ${reason}, the status says ${shown}`];
  };
}
