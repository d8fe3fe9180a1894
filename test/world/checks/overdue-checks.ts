// SPDX-License-Identifier: Apache-2.0

/** What is still listed, or still has a CDI spec, although the agent has had the time to know better (I2). */
import type { AgentProcess } from "../life/agent-process.ts";
import type { Point } from "../life/turnstile.ts";
import { has } from "../runs/capabilities.ts";
import type { CheckTools } from "./check-tools.ts";
import type { Objection } from "./eligibility.ts";
import { specsInPlace } from "./spec-rules.ts";

/** How long a loss that wakes nobody, or that meets an agent that is backing off, may go unnoticed beyond the agent's own timer. */
export const NOTICE_SLACK_MS = 11_000;

/** What a look at the node reads beside the table. */
const SLOW_VIEWS: readonly Point[] = ["host.observe", "podresources.observe", "pods.observe", "cdi.sync", "status.write"];

interface Place {
  readonly name: string;
  readonly id: string;
}

/** A file by which a runtime would give a device, and what speaks against that. */
export interface FileInPlace extends Place {
  readonly against: readonly Objection[];
}

export class OverdueChecks {
  readonly #tools: CheckTools;
  readonly #claimFiles: () => readonly FileInPlace[];
  /** When something last kept the agent from its work. */
  #brokenMs = Number.NEGATIVE_INFINITY;

  constructor(tools: CheckTools, claimFiles: () => readonly FileInPlace[] = () => []) {
    this.#tools = tools;
    this.#claimFiles = claimFiles;
  }

  /** The agent has nothing left to do at this moment. */
  atRest(): void {
    const { process, specs, time, turnstile } = this.#tools.world;
    if (turnstile.stalled !== null || turnstile.frozen !== null) this.#brokenMs = time.nowMs;
    if (turnstile.frozen !== null) return;
    const isSlow = turnstile.stalled !== null;
    // A view that is slow to read delays no withdrawal that what can be read calls for.
    if (isSlow && !SLOW_VIEWS.includes(turnstile.stalled ?? "seamcall.list")) return;
    if (!specs.areWritable.value) this.#brokenMs = time.nowMs;
    if (process === null || process.isStopping) return;
    for (const server of process.plugin?.servers.values() ?? []) {
      for (const { id, healthy } of server.wanted ?? []) {
        if (healthy) this.#judge({ name: `list of ${server.resource}`, id }, this.#tools.against(process, id, server.resource));
      }
    }
    if (has("specContents")) this.#specs(process);
  }

  /** Specs of before the agent's start stay until it knows what is wanted. What cannot be written now is tried again. */
  #specs(process: AgentProcess): void {
    const { world, checked, against } = this.#tools;
    if (!world.specs.areWritable.value || world.turnstile.stalled === "cdi.sync" || process.intent.value === null) return;
    if (world.time.nowMs - world.specs.areWritable.sinceMs <= NOTICE_SLACK_MS) return;
    for (const { resource, id, wrong } of specsInPlace(world)) {
      checked.specs += 1;
      this.#judge({ name: `CDI spec of ${resource}`, id }, [...against(process, id, resource), ...wrong]);
    }
    for (const { name, id, against: wrong } of this.#claimFiles()) {
      checked.claimFiles += 1;
      this.#judge({ name, id }, wrong);
    }
  }

  #judge({ name, id }: Place, against: readonly Objection[]): void {
    const { world, violate } = this.#tools;
    const { stalled } = world.turnstile;
    for (const one of against) {
      if (stalled === null) {
        if (this.#isOverdue(one)) violate(name, `${id} is still in it: ${one.why}`);
        continue;
      }
      // Who waits for the host itself can only go by the table and the intent.
      if (one.isLoud && (one.isFast || stalled !== "host.observe")) violate(name, `${id} is still in it while ${stalled} is slow: ${one.why}`);
    }
  }

  #isOverdue({ isLoud, sinceMs, sinceTick }: Objection): boolean {
    const { time, shape, quiet } = this.#tools.world;
    const isPrompt = isLoud && time.nowMs - this.#brokenMs > NOTICE_SLACK_MS;
    if (isPrompt) return time.nowMs > sinceMs || sinceTick < quiet.tick;
    return time.nowMs - Math.max(sinceMs, this.#brokenMs) > shape.observeEveryMs + NOTICE_SLACK_MS;
  }
}
