// SPDX-License-Identifier: Apache-2.0

/**
 * offer: makes kubelet's lists and the CDI specs match. Specs before lists when devices appear, lists before specs when they go: no container is
 * ever given a name that does not resolve.
 */
import type { Ground } from "../domain/ground.ts";
import type { Memory } from "../domain/memory.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { CdiResource, DevicePluginPort } from "../kubelet/port.ts";
import { deviceEnv, deviceNodesOf } from "./handlers.ts";
import type { AgentPorts } from "./ports.ts";

export interface Publisher {
  /** Writes the specs of `offer`, and leaves those of what is listed now. Never rejects: a failure is a value, and withholds by the gate. */
  writeSpecs(offer: readonly OfferedResource[], ground: Ground): Promise<Memory["specs"]>;
  /** Lists exactly `offer`. */
  list(offer: readonly OfferedResource[]): void;
  /** Takes away what `offer` does not have; adds nothing. */
  withdraw(offer: readonly OfferedResource[]): void;
  /** Removes the specs of what is not listed. One that could not be removed is harmless, and is tried again. */
  dropSpecs(ground: Ground): Promise<void>;
  /** Removes all specs. Never rejects. */
  end(): Promise<void>;
}

export function createPublisher(ports: Pick<AgentPorts, "cdi" | "log">, plugins: DevicePluginPort | null, simulatedHost: boolean): Publisher {
  let listed: readonly OfferedResource[] = [];
  let names: ReadonlySet<string> = new Set();
  const list = (offer: readonly OfferedResource[]): void => {
    listed = offer;
    plugins?.publish(offer);
  };
  return {
    async writeSpecs(offer, ground) {
      if (!ports.cdi) return { problem: "", names };
      const resources = cdiResources([...offer, ...listed], ground, simulatedHost);
      const { problem, unwritten } = await ports.cdi.sync(resources);
      if (problem) ports.log.warn({ err: problem }, "cdi specs not written");
      // A resource whose spec could not be written has its older one.
      const kept = [...names].filter((name) => unwritten.has(resourceOf(name)));
      names = new Set([...kept, ...namesOf(resources.filter(({ resource }) => !unwritten.has(resource)))]);
      return { problem: problem?.message ?? "", names };
    },
    list,
    withdraw: (offer) => list(onlyIn(listed, offer)),
    async dropSpecs(ground) {
      const resources = cdiResources(listed, ground, simulatedHost);
      // Gone from the moment it is asked for: a name that is believed in and does not resolve is worse than one written twice.
      const left = namesOf(resources);
      names = new Set([...names].filter((name) => left.has(name)));
      const outcome = await ports.cdi?.sync(resources);
      if (outcome?.problem) ports.log.debug({ err: outcome.problem }, "cdi specs not removed");
    },
    async end() {
      const outcome = await ports.cdi?.sync([]);
      if (outcome?.problem) ports.log.warn({ err: outcome.problem }, "cdi specs not removed");
    },
  };
}

/** `offer` without what `other` does not have: neither its devices nor their health. */
function onlyIn(offer: readonly OfferedResource[], other: readonly OfferedResource[]): readonly OfferedResource[] {
  return offer.map(({ resource, devices }) => {
    const kept = new Map(other.find((one) => one.resource === resource)?.devices.map((device) => [device.id, device.healthy]));
    const left = devices.filter((device) => kept.has(device.id));
    return { resource, devices: left.map((device) => ({ ...device, healthy: device.healthy && kept.get(device.id) === true })) };
  });
}

/** CDI names, `resource=id`. */
function namesOf(resources: readonly CdiResource[]): ReadonlySet<string> {
  return new Set(resources.flatMap(({ resource, devices }) => devices.map(({ id }) => `${resource}=${id}`)));
}

function resourceOf(name: string): string {
  return name.slice(0, name.lastIndexOf("="));
}

/** A held device that has lost its vfio device is listed as unhealthy, and a spec would have nothing to say of it. */
function cdiResources(lists: readonly OfferedResource[], ground: Ground, simulatedHost: boolean): readonly CdiResource[] {
  const { binding } = ground.view;
  const env = deviceEnv(binding.kind === "Read" ? binding.value.info.simulated : simulatedHost);
  const names = [...new Set(lists.map((one) => one.resource))];
  return names.map((resource) => {
    const wanted = new Set(lists.filter((one) => one.resource === resource).flatMap((one) => one.devices.map((device) => device.id)));
    const devices = [...wanted]
      .sort()
      .map((id) => ({ id, deviceNodes: deviceNodesOf(ground.functions.get(id)?.vfioCdev ?? null, simulatedHost), env }))
      .filter((device) => device.deviceNodes.length > 0 || Object.keys(device.env).length > 0);
    return { resource, devices };
  });
}
