// SPDX-License-Identifier: Apache-2.0

/** Every list that the agent hands to kubelet: what is new in it, and what comes back. */
import type { PublishedResource } from "../../../src/kubelet/port.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import { has } from "../runs/capabilities.ts";
import { type CheckTools, refute } from "./check-tools.ts";

export class ListChecks {
  readonly #tools: CheckTools;
  /** Healthy devices of the newest lists, of one process. */
  #published = new Map<string, string>();
  #publisher = 0;
  /** Devices that are in no list since something spoke against them, with what that was. */
  readonly #withdrawn = new Map<string, ReadonlySet<string>>();

  constructor(tools: CheckTools) {
    this.#tools = tools;
  }

  published(process: AgentProcess, resources: readonly PublishedResource[]): void {
    const { world, violate } = this.#tools;
    if (this.#publisher !== process.number) this.#published = new Map();
    this.#publisher = process.number;
    this.#noteWithdrawn(process, resources);
    const now = new Map<string, string>();
    for (const { resource, devices } of resources) {
      const name = `list of ${resource}`;
      const rule = process.intent.value?.intent?.resources.find((one) => one.name === resource);
      // A list without a healthy device gives nothing away: so devices are withdrawn at once, before the pass that ends the service.
      if (rule?.ledger === "DRA" && devices.some(({ healthy }) => healthy) && process.intent.sinceTick < world.quiet.tick)
        violate(name, "another ledger has it");
      for (const { id } of devices.filter((device) => device.healthy)) {
        this.#tools.checked.listed += 1;
        if (now.has(id)) violate(name, `${id} is also in the list of ${now.get(id)}`);
        now.set(id, resource);
        if (!world.specs.names.has(`${resource}=${id}`)) violate(name, `${id} has no CDI spec`);
        if (this.#published.get(id) === resource) continue;
        refute(this.#tools, { name, id }, this.#tools.against(process, id, resource), world.quiet.tick);
        this.#undone(process, id, resource);
      }
    }
    this.#published = now;
  }

  #noteWithdrawn(process: AgentProcess, resources: readonly PublishedResource[]): void {
    const healthy = new Set(
      resources.flatMap(({ resource, devices }) => devices.flatMap((device) => (device.healthy ? [`${resource}=${device.id}`] : []))),
    );
    for (const [id, resource] of this.#published) {
      if (!healthy.has(`${resource}=${id}`)) this.#withdrawn.set(id, this.#loudly(process, id, resource));
    }
  }

  /** A withdrawal stands for as long as what it was for: no list that rests on an older look takes it back. */
  #undone(process: AgentProcess, id: string, resource: string): void {
    const before = this.#withdrawn.get(id);
    this.#withdrawn.delete(id);
    if (!has("undoneWithdrawals") || before === undefined) return;
    for (const why of this.#loudly(process, id, resource)) {
      if (before.has(why)) this.#tools.violate(`list of ${resource}`, `${id} is in it again: ${why}`);
    }
  }

  /** What speaks against it and has woken the agent, each with its age. */
  #loudly(process: AgentProcess, id: string, resource: string): ReadonlySet<string> {
    const against = this.#tools.against(process, id, resource).filter((one) => one.isLoud);
    return new Set(against.map(({ why, sinceTick }) => `${why} (since ${sinceTick})`));
  }
}
