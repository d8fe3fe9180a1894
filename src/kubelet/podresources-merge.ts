// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../domain/device.ts";
import type { PodDevices } from "./port.ts";
import type { ContainerDevicesMessage, PodResourcesMessage } from "./wire.ts";

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

/** One entry per pod and resource; pods without devices are left out. Pods are told apart by namespace and name: podresources has no UID. */
export function mergePods(pods: readonly PodResourcesMessage[]): PodDevices[] {
  const byPod = new Map<string, { namespace: string; pod: string; devices: ContainerDevicesMessage[] }>();
  for (const { namespace, name, containers } of pods) {
    const entry = byPod.get(`${namespace}/${name}`) ?? { namespace, pod: name, devices: [] };
    entry.devices.push(...containers.flatMap((container) => container.devices));
    byPod.set(`${namespace}/${name}`, entry);
  }
  const merged: PodDevices[] = [];
  for (const key of [...byPod.keys()].sort()) {
    const entry = byPod.get(key);
    if (!entry) continue;
    for (const { resource, ids } of mergeAllocatable(entry.devices)) {
      if (ids.length > 0) merged.push({ namespace: entry.namespace, pod: entry.pod, resource, ids });
    }
  }
  return merged;
}
