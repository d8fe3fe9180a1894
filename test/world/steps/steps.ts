// SPDX-License-Identifier: Apache-2.0

import type { Dice } from "../life/dice.ts";
import { ALL_POINTS, POINTS } from "../life/turnstile.ts";
import type { World } from "../life/world.ts";
import { has } from "../runs/capabilities.ts";
import type { Flow, Step, StepKind } from "./step.ts";
import { AGENT_STEPS } from "./steps-agent.ts";
import { DRA_STEPS } from "./steps-dra.ts";
import { DRIVER_STEPS } from "./steps-drivers.ts";
import { HOST_STEPS } from "./steps-host.ts";
import { KERNEL_OWNER_STEPS } from "./steps-kernel-owner.ts";
import { KUBELET_STEPS } from "./steps-kubelet.ts";
import { MODULE_STEPS } from "./steps-module.ts";
import { POD_STEPS } from "./steps-pods.ts";
import { STATUS_STEPS } from "./steps-status.ts";

export type { Args, Flow, Step } from "./step.ts";

export const STEP_KINDS: Readonly<Record<string, StepKind>> = {
  ...AGENT_STEPS,
  ...POD_STEPS,
  ...KUBELET_STEPS,
  ...HOST_STEPS,
  ...DRIVER_STEPS,
  ...MODULE_STEPS,
  ...STATUS_STEPS,
  ...KERNEL_OWNER_STEPS,
  ...DRA_STEPS,
};

/** What can happen at all, as the switches are. */
export const CHOSEN_KINDS: readonly string[] = Object.keys(STEP_KINDS).filter((kind) => isOn(STEP_KINDS[kind]));

function isOn(kind: StepKind | undefined): boolean {
  return kind !== undefined && kind.isScripted !== true && (kind.needs === undefined || has(kind.needs));
}

/** Kinds that move time; history.ts carries them out. */
export const TIME_KINDS = ["advance", "hold"] as const;

const KINDS = Object.entries(STEP_KINDS).filter(([, kind]) => isOn(kind));
const ADVANCE_WEIGHT = 60;
const HOLD_WEIGHT = 6;

export function chooseStep(world: World, dice: Dice): Step {
  const weights = KINDS.map(([, kind]) => kind.weight(world));
  const total = weights.reduce((sum, weight) => sum + weight, ADVANCE_WEIGHT + HOLD_WEIGHT);
  let left = dice.random() * total;
  const flow: Flow = dice.chance(0.7) ? "rest" : dice.chance(0.3) ? dice.pick(world.dra === null ? POINTS : ALL_POINTS) : dice.below(9);
  for (const [at, [kind, { propose }]] of KINDS.entries()) {
    left -= weights[at] ?? 0;
    if (left < 0) return { kind, args: propose(world, dice), flow };
  }
  if (left < HOLD_WEIGHT) return { kind: "hold", args: { ms: dice.pick([1, 100, 1_500, 6_000]) }, flow };
  return { kind: "advance", args: { ms: dice.pick([1, 50, 500, 1_000, 1_500, 3_100, 3_100, 7_000]) }, flow: "rest" };
}
