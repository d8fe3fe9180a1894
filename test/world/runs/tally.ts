// SPDX-License-Identifier: Apache-2.0

import { DRA_POINTS, POINTS } from "../life/turnstile.ts";
import { CHOSEN_KINDS, type Step, TIME_KINDS } from "../steps/steps.ts";
import { FAULT_WORDS } from "../steps/steps-module.ts";
import { has } from "./capabilities.ts";
import { DRA_FLOORS } from "./dra-seen.ts";

type Counts = Record<string, number>;

export interface TallyCounts {
  histories: number;
  readonly steps: Counts;
  readonly crashes: Counts;
  readonly faults: Counts;
  readonly checks: Counts;
  /** What claims and slices have been through (dra-seen.ts). */
  readonly dra: Counts;
}

/** What one history has been through. */
export interface Seen {
  readonly crashes: readonly string[];
  readonly faults: readonly string[];
  readonly checked: Readonly<Record<string, number>>;
  readonly dra: Readonly<Record<string, number>>;
}

const PARTS = ["steps", "crashes", "faults", "checks", "dra"] as const;

/** What a run has seen: a kind of step, a place to crash or a fault that never came proves nothing about it. */
export class Tally {
  readonly counts: TallyCounts;

  constructor() {
    this.counts = {
      histories: 0,
      steps: zeros([...CHOSEN_KINDS, ...TIME_KINDS]),
      crashes: zeros([...POINTS, ...(has("claims") ? DRA_POINTS : []), "timer"]),
      faults: zeros(FAULT_WORDS),
      checks: {},
      dra: has("claims") ? zeros(Object.keys(DRA_FLOORS)) : {},
    };
  }

  step(step: Step): void {
    add(this.counts.steps, step.kind, 1);
  }

  history(seen: Seen): void {
    this.counts.histories += 1;
    for (const point of seen.crashes) add(this.counts.crashes, point, 1);
    for (const fault of seen.faults) add(this.counts.faults, fault, 1);
    for (const [name, count] of Object.entries(seen.checked)) add(this.counts.checks, name, count);
    if (has("claims")) for (const [name, count] of Object.entries(seen.dra)) add(this.counts.dra, name, count);
  }

  /** Adds what another worker has counted. */
  add(other: TallyCounts): void {
    this.counts.histories += other.histories;
    for (const part of PARTS) {
      for (const [name, count] of Object.entries(other[part])) add(this.counts[part], name, count);
    }
  }

  /** Kinds that never happened, or less often than in as many histories. */
  missing(): readonly string[] {
    return PARTS.flatMap((part) =>
      Object.entries(this.counts[part])
        .filter(([name, count]) => count < this.#floor(part, name) && !(part === "checks" && isOff(name)))
        .map(([name]) => `${part}: ${name}`),
    );
  }

  #floor(part: (typeof PARTS)[number], name: string): number {
    const floors: Readonly<Record<string, number>> = part === "dra" ? DRA_FLOORS : {};
    return Math.max(1, Math.floor(((floors[name] ?? 0) * this.counts.histories) / 100));
  }

  lines(): readonly string[] {
    const { histories, ...parts } = this.counts;
    const lines = Object.entries(parts).map(([part, counts]) => {
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      return `${part} (${total}): ${Object.entries(counts)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ")}`;
    });
    return [`histories: ${histories}`, ...lines];
  }
}

/** A check that nothing calls for while its part of the world is off. */
function isOff(check: string): boolean {
  if (check === "prepare" || check === "claimFiles") return !has("claims");
  return (check === "specs" && !has("specContents")) || (check === "resolved" && !has("sandboxes"));
}

function zeros(names: readonly string[]): Counts {
  return Object.fromEntries(names.map((name) => [name, 0]));
}

function add(counts: Counts, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count;
}
