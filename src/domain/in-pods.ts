// SPDX-License-Identifier: Apache-2.0

/** Functions in pods' hands: what podresources shows under the names that each ledger has for its devices, mapped back to functions. */
import { addressesIn, parseAddress } from "./address.ts";
import type { Address, PciFunction } from "./device.ts";
import type { PodDevices, PodResourcesView } from "./view.ts";

export interface FunctionInPod {
  readonly address: Address;
  /** Extended resource, or the DRA driver of a claim. */
  readonly resource: string;
  /** `namespace/name`. */
  readonly pod: string;
  /** As the ledger names it; ours are addresses. */
  readonly id: string;
}

/**
 * Names what podresources shows of one pod by one resource, where none of its ids means a function (any more): a vfio node or a group is known only
 * while each of the resource's others is on vfio, too.
 */
export function unmappedInPods(podResources: PodResourcesView, inPods: readonly FunctionInPod[]): ReadonlySet<string> {
  if (podResources.kind !== "Read") return new Set();
  const mapped = new Set(inPods.map(handKey));
  const shown = podResources.pods.map(({ namespace, pod, resource }) => handKey({ pod: `${namespace}/${pod}`, resource }));
  return new Set(shown.filter((key) => !mapped.has(key)));
}

export function handKey({ pod, resource }: Pick<FunctionInPod, "pod" | "resource">): string {
  return `${pod} ${resource}`;
}

/**
 * An address is understood in every writing, a vfio device node (`vfio3`) where the resource has nothing but such names, and an IOMMU group (`42`) only
 * where every id that the resource lists or a pod of it has is the group of a function on vfio: numbers that count containers (kvm, fuse, shared GPUs)
 * are none.
 */
export function functionsInPods(podResources: PodResourcesView, functions: readonly PciFunction[]): readonly FunctionInPod[] {
  if (podResources.kind !== "Read") return [];
  const onVfio = functions.filter((fn) => fn.vfioCdev !== null || fn.driver?.includes("vfio") === true);
  const numbered = new Map<string, (id: string) => readonly Address[]>();
  const byNumber = (resource: string): ((id: string) => readonly Address[]) => {
    const known = numbered.get(resource) ?? numberScheme(idsOf(podResources, resource), onVfio);
    numbered.set(resource, known);
    return known;
  };
  return podResources.pods.flatMap((entry) => {
    const { namespace, pod, resource, claim, aliases = [] } = entry;
    const found = [...entry.ids, ...aliases].flatMap((id) => {
      const addresses = byAddress(id);
      const meant = addresses.length > 0 || claim !== undefined ? addresses : byNumber(resource)(id);
      return meant.map((address) => [address, id] as const);
    });
    // Of several names the first one stays: the one of the device, before those of its claim.
    const names = new Map(found.toReversed());
    return [...names].toReversed().map(([address, id]): FunctionInPod => ({ address, resource, pod: `${namespace}/${pod}`, id }));
  });
}

function byAddress(id: string): readonly Address[] {
  const whole = parseAddress(id);
  return whole === null ? addressesIn(id) : [whole];
}

function idsOf(
  { allocatable, pods }: { readonly allocatable: readonly Pick<PodDevices, "resource" | "ids">[]; readonly pods: readonly PodDevices[] },
  resource: string,
) {
  return [...allocatable, ...pods]
    .filter((one) => one.resource === resource && !("claim" in one && one.claim !== undefined))
    .flatMap(({ ids }) => ids);
}

/**
 * How the resource numbers functions. `vfio3` can mean nothing but a vfio node, whatever became of the resource's others. A bare number may mean anything:
 * it is a group only where each of the others is the group of a function on vfio, too.
 */
function numberScheme(ids: readonly string[], onVfio: readonly PciFunction[]): (id: string) => readonly Address[] {
  const nodeOf = (id: string): string | undefined => /^(?:\/dev\/vfio\/devices\/)?(vfio\d+)$/.exec(id)?.[1];
  const byNode = (id: string): readonly Address[] => onVfio.filter((fn) => fn.vfioCdev?.endsWith(`/${nodeOf(id)}`)).map((fn) => fn.address);
  const groupOf = (id: string): string | undefined => /^(?:\/dev\/vfio\/)?(\d+)$/.exec(id)?.[1];
  const byGroup = (id: string): readonly Address[] =>
    onVfio.filter((fn) => fn.iommuGroup !== null && fn.iommuGroup === groupOf(id)).map((fn) => fn.address);
  if (ids.every((id) => nodeOf(id) !== undefined)) return byNode;
  return ids.every((id) => byGroup(id).length > 0) ? byGroup : () => [];
}
