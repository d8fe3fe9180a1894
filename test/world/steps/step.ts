// SPDX-License-Identifier: Apache-2.0

/** What one step of a history is, and one kind of them. steps.ts has them all. */
import type { Dice } from "../life/dice.ts";
import type { Point } from "../life/turnstile.ts";
import type { World } from "../life/world.ts";
import type { Capability } from "../runs/capabilities.ts";

/** What a step is about: numbers and words only, so that a history can be written down, cut and run again. */
export interface Args {
  readonly at?: number;
  readonly ms?: number;
  readonly word?: string;
}

/** One kind of thing that can happen to the node. */
export interface StepKind {
  /** Only scenarios have it: never chosen at random. */
  readonly isScripted?: boolean;
  /** Never chosen while this is off. */
  readonly needs?: Capability;
  /** How often it is chosen; 0 when it is impossible now. */
  weight(world: World): number;
  propose(world: World, dice: Dice): Args;
  /** False when it changed nothing. */
  apply(world: World, args: Args): boolean;
}

/** After a step the agent goes on until it has nothing left to do, is held after so many calls, or when it waits at a point. */
export type Flow = "rest" | number | Point;

export interface Step {
  readonly kind: string;
  readonly args: Args;
  readonly flow: Flow;
}
