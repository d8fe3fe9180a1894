// SPDX-License-Identifier: Apache-2.0

import { calm } from "../checks/calm.ts";
import { Checker } from "../checks/checker.ts";
import { createDice } from "../life/dice.ts";
import { World } from "../life/world.ts";
import { randomShape, type WorldShape } from "../models/shape.ts";
import { chooseStep, STEP_KINDS, type Step } from "../steps/steps.ts";
import { DraSeen } from "./dra-seen.ts";
import type { Tally } from "./tally.ts";

export const STEPS_IN_A_HISTORY = 200;

export interface HistoryResult {
  readonly seed: number;
  readonly steps: readonly Step[];
  /** Empty when all invariants held. */
  readonly violations: readonly string[];
}

/** One random life of a random node; everything in it follows from `seed`. */
export async function runHistory(seed: number, tally: Tally | null = null): Promise<HistoryResult> {
  const dice = createDice(seed);
  const run = new Run(randomShape(dice), tally);
  const steps: Step[] = [];
  for (let count = 0; count < STEPS_IN_A_HISTORY && !run.isBroken; count += 1) {
    const step = chooseStep(run.world, dice);
    steps.push(step);
    await run.take(step);
  }
  await run.end();
  return { seed, steps, violations: run.violations };
}

/** The same again from what was written down. */
export async function replay(shape: WorldShape, steps: readonly Step[]): Promise<readonly string[]> {
  const run = new Run(shape, null);
  for (const step of steps) {
    if (!run.isBroken) await run.take(step);
  }
  await run.end();
  return run.violations;
}

export function shapeOf(seed: number): WorldShape {
  return randomShape(createDice(seed));
}

/** A world that takes steps, with the checker beside it. */
export class Run {
  readonly world: World;
  readonly checker: Checker;
  readonly #tally: Tally | null;
  readonly #dra = new DraSeen();

  constructor(shape: WorldShape, tally: Tally | null) {
    let checker: Checker | null = null;
    this.world = new World(shape, (world) => {
      checker = new Checker(world);
      return checker;
    });
    if (checker === null) throw new Error("the world asked for no checker");
    this.checker = checker;
    this.#tally = tally;
  }

  get isBroken(): boolean {
    return this.checker.violations.length > 0;
  }

  get violations(): readonly string[] {
    return this.checker.violations;
  }

  /** Whether the step would be chosen at all, as the world is now. */
  isPossible(step: Step): boolean {
    if (step.kind === "advance" || step.kind === "hold") return true;
    const { word } = step.args;
    const isPods = word?.startsWith("pod-") ?? false;
    if (isPods && !this.world.api.pods.some((pod) => pod.name === word && pod.isAlive)) return false;
    if (step.kind === "createPod" && this.world.api.pods.length > 0) return false;
    if (step.kind === "createClaimPod" && this.world.dra?.api.pods.some(({ isUsing }) => isUsing)) return false;
    if (step.kind === "secureLink" && this.world.host.functions[0]?.link.value !== "Off") return false;
    if (step.kind === "setIntent" && this.world.api.spec.intent?.state === (word === "cleared" ? "Cleared" : "Trusted")) return false;
    return (STEP_KINDS[step.kind]?.weight(this.world) ?? 0) > 0;
  }

  /** Ends it without a verdict. */
  abandon(): void {
    this.world.killAgent();
  }

  async take(step: Step): Promise<void> {
    const { world, checker } = this;
    const atRest = (): void => checker.atRest();
    try {
      const isTime = step.kind === "advance" || step.kind === "hold";
      if (isTime || (STEP_KINDS[step.kind]?.apply(world, step.args) ?? false)) this.#tally?.step(step);
      if (step.kind === "advance") await world.advance(step.args.ms ?? 0, atRest);
      else if (step.kind === "hold") await world.advanceHeld(step.args.ms ?? 0);
      else if (step.flow === "rest") {
        await world.rest();
        atRest();
      } else if (typeof step.flow === "number") await world.letThrough(step.flow);
      else await world.letThroughTo(step.flow);
      if (this.#tally !== null) this.#dra.look(world);
    } catch (thrown) {
      checker.fatal(thrown);
    }
  }

  /** The world goes quiet: whatever happened, the agent brings the node to what is wanted. */
  async end(): Promise<void> {
    if (!this.isBroken) {
      try {
        await calm(this.world, this.checker);
        this.checker.ended();
      } catch (thrown) {
        this.checker.fatal(thrown);
      }
    }
    const { crashes, module } = this.world;
    this.#tally?.history({ crashes: [...crashes], faults: module.faultsTaken, checked: this.checker.checked, dra: this.#dra.counts });
    // Nothing of this world goes on in the next.
    this.world.killAgent();
  }
}
