// SPDX-License-Identifier: Apache-2.0
import type { WorldTime } from "../models/world-time.ts";

/** Where an agent waits for the world: each is a place where it can be killed. */
export const POINTS = [
  "host.observe",
  "host.observeFunction",
  "host.linkRegisters",
  "tsm.write",
  "tsm.write.answer",
  "driver.write",
  "driver.write.answer",
  "seamcall.open",
  "seamcall.info",
  "seamcall.list",
  "seamcall.setup",
  "seamcall.setup.answer",
  "seamcall.clear",
  "seamcall.clear.answer",
  "seamcall.close",
  "podresources.observe",
  "pods.observe",
  "status.readLast",
  "status.write",
  "cdi.sync",
  "host.bootId",
  "proofs.read",
  "proofs.append",
  "proofs.replace",
  "audit.open",
  "audit.append",
  "audit.sync",
  "plugin.close",
  "kubelet.allocate.answer",
  "kubelet.preStart.answer",
] as const;

/** The same of an agent that serves DRA. Apart from the others: those are drawn by the dice, and histories of a seed stay what they were. */
export const DRA_POINTS = [
  "slices.write",
  "slices.write.answer",
  "claims.get",
  "claims.list",
  "claim.status.write",
  "claim.status.write.answer",
  "cdi.claim",
  "cdi.claims.read",
  "prepare.answer",
  "unprepare.answer",
  "dra.close",
] as const;
/** Where an agent that serves DRA can wait. */
export const ALL_POINTS = [...POINTS, ...DRA_POINTS] as const;
export type Point = (typeof POINTS)[number] | (typeof DRA_POINTS)[number];

interface Passage {
  readonly point: Point;
  readonly process: number;
  readonly go: () => void;
}

/**
 * Every call of an agent waits here until the world lets it through: only then does it read or change a model. A dead process's calls never get
 * through and never return.
 */
export class Turnstile {
  readonly #time: WorldTime;
  readonly #dead = new Set<number>();
  /** How often somebody got through, by point. */
  readonly passed = new Map<Point, number>();
  #waiting: Passage[] = [];
  /** Nobody who waits here gets through for now: one slow answer, while all others come at once. */
  stalled: Point | null = null;
  /** A process that is stopped (SIGSTOP, a paused machine): none of its calls gets through until it goes on. */
  frozen: number | null = null;

  constructor(time: WorldTime) {
    this.#time = time;
  }

  /** Resolves or rejects as `act` does, when let through. */
  pass<T>(process: number, point: Point, act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#dead.has(process)) return;
      const go = (): void => {
        try {
          resolve(act());
        } catch (thrown) {
          reject(thrown);
        }
      };
      this.#waiting.push({ point, process, go });
    });
  }

  /** How many could go on. */
  get size(): number {
    if (this.stalled === null && this.frozen === null) return this.#waiting.length;
    return this.#waiting.filter((passage) => this.#mayGo(passage)).length;
  }

  isWaiting(point: Point): boolean {
    return this.#waiting.some((passage) => passage.point === point);
  }

  points(process: number): readonly Point[] {
    return this.#waiting.filter((passage) => passage.process === process).map((passage) => passage.point);
  }

  /** Lets `count` of those who wait now through, first come first served. */
  release(count: number): void {
    const going = this.#waiting.filter((passage) => this.#mayGo(passage)).slice(0, count);
    this.#waiting = this.#waiting.filter((passage) => !going.includes(passage));
    for (const passage of going) {
      this.#time.tick += 1;
      this.passed.set(passage.point, (this.passed.get(passage.point) ?? 0) + 1);
      passage.go();
    }
  }

  /** kill -9: what it was about to do never happens. */
  kill(process: number): void {
    this.#dead.add(process);
    this.#waiting = this.#waiting.filter((passage) => passage.process !== process);
    if (this.frozen === process) this.frozen = null;
  }

  #mayGo({ point, process }: Passage): boolean {
    return point !== this.stalled && process !== this.frozen;
  }
}

/** Lets promises run until none can go on: setImmediate comes after the whole microtask queue. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
