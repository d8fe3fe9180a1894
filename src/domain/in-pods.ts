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
 * An address is understood in every writing. A vfio device node (`vfio3`) and an IOMMU group (`42`) are understood only where every id that the
 * resource lists or a pod of it has is such a node, or group, of a function on vfio: numbers that count containers (kvm, fuse, shared GPUs) are none.
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

/** How the resource numbers functions; nothing when one of its ids is no number of a function on vfio. */
function numberScheme(ids: readonly string[], onVfio: readonly PciFunction[]): (id: string) => readonly Address[] {
  const byNode = (id: string): readonly Address[] => {
    const node = /^(?:\/dev\/vfio\/devices\/)?(vfio\d+)$/.exec(id)?.[1];
    return node === undefined ? [] : onVfio.filter((fn) => fn.vfioCdev?.endsWith(`/${node}`)).map((fn) => fn.address);
  };
  const byGroup = (id: string): readonly Address[] => {
    const group = /^(?:\/dev\/vfio\/)?(\d+)$/.exec(id)?.[1];
    return group === undefined ? [] : onVfio.filter((fn) => fn.iommuGroup === group).map((fn) => fn.address);
  };
  const scheme = [byNode, byGroup].find((one) => ids.every((id) => one(id).length > 0));
  return scheme ?? (() => []);
}
