// SPDX-License-Identifier: Apache-2.0
import { type AuditLine, lineFrom } from "../../../src/domain/audit/line.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { Fact } from "./fact.ts";
import type { WorldTime } from "./world-time.ts";

const MOST_WAIT_MS = 100;

/** The disk that the audit log is on. It outlives processes and reboots, and every line on it knows when it came there. */
export class AuditDisk {
  readonly isWritable: Fact<boolean>;
  readonly lines: string[] = [];
  /** Of each line of `lines`. */
  readonly #ticks: number[] = [];
  /** Processes that were refused a line and have not written since. */
  readonly #refused = new Set<number>();
  /** Processes that went on after a refusal without a word. */
  readonly silent: number[] = [];
  /** By process: since when it waits for a call. */
  readonly #waiting = new Map<number, number>();
  readonly #time: WorldTime;

  constructor(time: WorldTime) {
    this.#time = time;
    this.isWritable = new Fact(time, true);
  }

  /** The process has called, and waits until the world lets it through. */
  called(process: number): void {
    this.#waiting.set(process, this.#time.nowMs);
  }

  /** It was refused and has not written since, or waits for longer than an answer does. */
  isInTrouble(process: number): boolean {
    return this.#refused.has(process) || this.#time.nowMs - (this.#waiting.get(process) ?? this.#time.nowMs) >= MOST_WAIT_MS;
  }

  open(process: number): number {
    this.#waiting.delete(process);
    this.#refuse(process);
    return this.lines.length + 1;
  }

  append(process: number, lines: readonly string[]): void {
    this.#waiting.delete(process);
    this.#refuse(process);
    if (this.#refused.delete(process) && lineFrom(lines[0] ?? "")?.event !== "Gap") this.silent.push(process);
    for (const line of lines) {
      this.lines.push(line);
      this.#ticks.push(this.#time.tick);
    }
  }

  /** Lines that came on the disk at `tick` or later. */
  since(tick: number): readonly AuditLine[] {
    return this.lines.filter((_, at) => (this.#ticks[at] ?? 0) >= tick).flatMap((line) => lineFrom(line) ?? []);
  }

  #refuse(process: number): void {
    if (this.isWritable.value) return;
    this.#refused.add(process);
    throw new AppError("AUDIT_UNWRITABLE", "the disk is full");
  }
}
