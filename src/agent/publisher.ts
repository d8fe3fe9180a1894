// SPDX-License-Identifier: Apache-2.0

/**
 * offer: makes kubelet's lists and the CDI specs match. Specs before lists when devices appear, lists before specs when they go: no container is
 * ever given a name that does not resolve.
 */
import type { Ground } from "../domain/ground.ts";
import type { Memory } from "../domain/memory.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { CdiResource, DevicePluginPort } from "../kubelet/port.ts";
import { messageOf } from "../runtime/errors.ts";
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
  /** Removes all specs. */
  end(): Promise<void>;
}

export function createPublisher(ports: AgentPorts, plugins: DevicePluginPort | null, simulatedHost: boolean): Publisher {
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
      try {
        await ports.cdi.sync(resources);
        names = namesOf(resources);
        return { problem: "", names };
      } catch (thrown) {
        ports.log.warn({ err: thrown }, "cdi specs not written");
        return { problem: messageOf(thrown), names };
      }
    },
    list,
    withdraw: (offer) => list(onlyIn(listed, offer)),
    async dropSpecs(ground) {
      const resources = cdiResources(listed, ground, simulatedHost);
      // Gone from the moment it is asked for: a name that is believed in and does not resolve is worse than one written twice.
      const left = namesOf(resources);
      names = new Set([...names].filter((name) => left.has(name)));
      try {
        await ports.cdi?.sync(resources);
      } catch (thrown) {
        ports.log.debug({ err: thrown }, "cdi specs not removed");
      }
    },
    end: async () => ports.cdi?.sync([]),
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

function cdiResources(lists: readonly OfferedResource[], ground: Ground, simulatedHost: boolean): readonly CdiResource[] {
  const { binding } = ground.view;
  const env = deviceEnv(binding.kind === "Read" ? binding.value.info.simulated : simulatedHost);
  const names = [...new Set(lists.map((one) => one.resource))];
  return names.map((resource) => {
    const wanted = new Set(lists.filter((one) => one.resource === resource).flatMap((one) => one.devices.map((device) => device.id)));
    const devices = [...wanted]
      .sort()
      .map((id) => ({ id, deviceNodes: deviceNodesOf(ground.functions.get(id)?.vfioCdev ?? null, simulatedHost), env }));
    return { resource, devices };
  });
}
