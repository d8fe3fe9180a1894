// SPDX-License-Identifier: Apache-2.0

/**
 * Whether podresources can be believed when it shows a device free. A kubelet that cannot reach its API server answers success and empty for as long
 * as that lasts, so it is believed only while it accounts for every live pod of this node that asks for one of our names.
 */
import type { NodeClaim } from "./dra/claim.ts";
import type { Ground } from "./ground.ts";
import { domainOf, domainsOf } from "./resource-name.ts";
import type { NodePod, NodePodsView, PodContainer, PodDevices, PodResourcesView } from "./view.ts";

/** Live pods whose devices podresources does not all show: each may hold any device. */
export type Accounting =
  | { readonly kind: "Accounted" }
  | { readonly kind: "Unaccounted"; readonly pods: readonly NodePod[] }
  /** Kubelet's checkpoint has given devices that podresources does not show; `given` says what to whom. */
  | { readonly kind: "Behind"; readonly given: readonly string[] }
  /** Kubelet without an API server has forgotten pods, by UID, and their containers are still ending. */
  | { readonly kind: "Ending"; readonly podUids: readonly string[] }
  | { readonly kind: "NotAsked" }
  | { readonly kind: "Unreadable"; readonly why: string };

/**
 * Compares podresources with the pods of the API that ask for a name in the domain of one of `resources`. A pod that was just bound is unaccounted
 * until kubelet has admitted it (and shows it) or rejected it (and it is over): kubelet does either at once, whatever is offered to it. One that DRA
 * serves may wait for as long as its claim cannot be prepared, and podresources shows nothing of it: its claim says which devices it may have.
 */
export function accountingOf({ view: { pods, podResources, dra } }: Ground, resources: Iterable<string>): Accounting {
  if (pods.kind === "None") return { kind: "Accounted" };
  if (pods.kind === "NotAsked" || pods.kind === "Unreadable") return pods;
  const domains = domainsOf(resources);
  if (!domains.isSubsetOf(pods.domains)) return { kind: "NotAsked" };
  if (pods.kind === "Checkpoint") return agreement(pods, podResources);
  const shown = podResources.kind === "Read" ? podResources.pods : [];
  const claims = dra?.areFresh === true && dra.claims.kind === "Read" ? dra.claims.value : [];
  const missing = pods.pods.filter((pod) => {
    if (isOver(pod)) return false;
    const own = shown.filter((entry) => entry.namespace === pod.namespace && entry.pod === pod.name);
    const asked = new Set(pod.containers.flatMap(({ asks }) => Object.keys(asks)).filter((resource) => domains.has(domainOf(resource))));
    return [...asked].some((resource) => !isAccounted(pod, resource, { own, claims }));
  });
  return missing.length === 0 ? { kind: "Accounted" } : { kind: "Unaccounted", pods: missing };
}

/**
 * Podresources knows no UID: a device that it shows under that name is in a pod's hands anyhow. Without an API server kubelet forgets a pod as soon as
 * its manifest is gone, in podresources and in what it writes next (HandlePodRemoves, UpdateAllocatedDevices), however long its containers take to end.
 */
function agreement({ given, forgotten }: NodePodsView & { readonly kind: "Checkpoint" }, podResources: PodResourcesView): Accounting {
  const shown = new Set(podResources.kind === "Read" ? podResources.pods.flatMap(({ resource, ids }) => ids.map((id) => `${resource}=${id}`)) : []);
  const missing = given.flatMap(({ podUid, resource, ids }) =>
    ids.filter((id) => !shown.has(`${resource}=${id}`)).map((id) => `${resource} ${id} of the pod with UID ${podUid}`),
  );
  if (missing.length > 0) return { kind: "Behind", given: missing };
  return forgotten.length === 0 ? { kind: "Accounted" } : { kind: "Ending", podUids: forgotten };
}

/** Kubelet frees the devices of a pod whose phase is final. The phase can be set from outside, while its containers run. */
function isOver({ phase, hasRunning }: NodePod): boolean {
  return (phase === "Succeeded" || phase === "Failed") && !hasRunning;
}

interface Shown {
  /** What podresources shows of the pod. */
  readonly own: readonly PodDevices[];
  /** Claims that are allocated devices of this node. */
  readonly claims: readonly NodeClaim[];
}

/** A container that DRA serves by a claim has devices of that claim instead of the plugin's. */
function isAccounted(pod: NodePod, resource: string, { own, claims }: Shown): boolean {
  const { containers } = pod;
  const count = (entries: readonly PodDevices[]): number => entries.reduce((sum, { ids }) => sum + ids.length, 0);
  const byPlugin = neededOf(containers, (one) => (one.claims[resource] === undefined ? one.asks[resource] : 0));
  if (count(own.filter((entry) => entry.claim === undefined && entry.resource === resource)) < byPlugin) return false;
  const named = new Set(containers.flatMap((one) => one.claims[resource] ?? []));
  return [...named].every((claim) => {
    const byClaim = neededOf(containers, (one) => (one.claims[resource] === claim ? one.asks[resource] : 0));
    return count(own.filter((entry) => entry.claim === claim)) >= byClaim || allocatedTo(pod, claim, claims) >= byClaim;
  });
}

/** How many devices the pod's claim of that name is allocated. */
function allocatedTo(pod: NodePod, name: string, claims: readonly NodeClaim[]): number {
  const isIts = (claim: NodeClaim): boolean =>
    claim.namespace === pod.namespace && claim.name === name && claim.reservedFor.some(({ resource, uid }) => resource === "pods" && uid === pod.uid);
  return claims.find(isIts)?.devices.length ?? 0;
}

/**
 * How many devices kubelet has given to the containers (component-helpers resource.PodRequests): containers together with sidecars, or one init
 * container with the sidecars before it, whichever is more. An init container that has ended has passed its devices on.
 */
function neededOf(containers: readonly PodContainer[], asked: (container: PodContainer) => number | null | undefined): number {
  let together = 0;
  let starting = 0;
  for (const container of containers) {
    const answer = asked(container);
    const count = answer === null ? Number.POSITIVE_INFINITY : (answer ?? 0);
    if (container.role !== "Init") together += count;
    else if (container.state !== "Ended") starting = Math.max(starting, together + count);
  }
  return Math.max(together, starting);
}
