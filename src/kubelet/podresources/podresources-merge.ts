// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import type { PodDevices } from "../port.ts";
import type { ContainerDevicesMessage, DynamicResourceMessage, PodResourcesMessage } from "../wire.ts";

/** resource → ids, each once and in order, in order of resource: kubelet splits one resource over several entries (NUMA nodes, containers). */
export function mergeAllocatable(devices: readonly ContainerDevicesMessage[]): { resource: string; ids: Address[] }[] {
  const merged = new Map<string, Set<Address>>();
  for (const { resourceName, deviceIds } of devices) {
    const ids = merged.get(resourceName) ?? new Set();
    for (const id of deviceIds) ids.add(id);
    merged.set(resourceName, ids);
  }
  return [...merged].map(([resource, ids]) => ({ resource, ids: [...ids].sort() })).sort((a, b) => (a.resource < b.resource ? -1 : 1));
}

/**
 * One entry per pod and resource, and one per pod, claim and driver; pods without devices are left out. Pods are told apart by namespace and name:
 * podresources has no UID.
 */
export function mergePods(pods: readonly PodResourcesMessage[]): PodDevices[] {
  const byPod = new Map<string, { readonly namespace: string; readonly pod: string; readonly containers: Containers[] }>();
  for (const { namespace, name, containers } of pods) {
    const entry = byPod.get(`${namespace}/${name}`) ?? { namespace, pod: name, containers: [] };
    entry.containers.push(containers);
    byPod.set(`${namespace}/${name}`, entry);
  }
  return [...byPod.keys()].sort().flatMap((key) => {
    const entry = byPod.get(key);
    if (!entry) return [];
    const { namespace, pod } = entry;
    const containers = entry.containers.flat();
    const devices = mergeAllocatable(containers.flatMap((one) => one.devices)).filter(({ ids }) => ids.length > 0);
    const claims = mergeClaims(containers.flatMap((one) => one.dynamicResources));
    return [...devices, ...claims].map((one): PodDevices => ({ namespace, pod, ...one }));
  });
}

type Containers = PodResourcesMessage["containers"];
type ClaimDevices = Pick<PodDevices, "resource" | "ids"> & Required<Pick<PodDevices, "claim" | "aliases">>;

/** A device of a driver is named by its pool and its name in it. A container that shares a claim shows all of its devices again. */
function mergeClaims(claims: readonly DynamicResourceMessage[]): ClaimDevices[] {
  const merged = new Map<string, { readonly resource: string; readonly claim: string; ids: Set<string>; aliases: Set<string> }>();
  for (const { claimName, claimResources } of claims) {
    for (const { driverName, poolName, deviceName, cdiDevices } of claimResources) {
      const key = JSON.stringify([claimName, driverName]);
      const entry = merged.get(key) ?? { resource: driverName, claim: claimName, ids: new Set(), aliases: new Set() };
      entry.ids.add(`${poolName}/${deviceName}`);
      for (const { name } of cdiDevices) entry.aliases.add(name);
      merged.set(key, entry);
    }
  }
  return [...merged.values()].map(({ ids, aliases, ...one }) => ({ ...one, ids: [...ids].sort(), aliases: [...aliases].sort() }));
}
