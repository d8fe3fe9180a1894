// SPDX-License-Identifier: Apache-2.0

/** core/v1 Pod, as much of it as decides whether a device of ours may be in use. */
import * as z from "zod";
import { domainOf } from "../../domain/resource-name.ts";
import type { ContainerRole, NodePod, PodContainer } from "../../domain/view.ts";
import { wholeQuantity } from "./quantity.ts";

/** Amounts are read one by one, and only ours: what a pod asks of another domain is no reason to fail. */
const amounts = z.record(z.string(), z.unknown()).nullish();
const container = z.object({
  name: z.string(),
  resources: z.object({ requests: amounts, limits: amounts }).nullish(),
  restartPolicy: z.string().nullish(),
});
const statuses = z
  .array(z.object({ name: z.string(), state: z.object({ running: z.unknown(), terminated: z.unknown() }).partial().nullish() }))
  .nullish();
const extendedClaim = z.object({
  resourceClaimName: z.string(),
  requestMappings: z.array(z.object({ containerName: z.string(), resourceName: z.string() })).nullish(),
});

const podSchema = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string(), uid: z.string(), deletionTimestamp: z.string().nullish() }),
  spec: z.object({ containers: z.array(container), initContainers: z.array(container).nullish() }),
  status: z
    .object({
      phase: z.string().nullish(),
      containerStatuses: statuses,
      initContainerStatuses: statuses,
      ephemeralContainerStatuses: statuses,
      extendedResourceClaimStatus: extendedClaim.nullish(),
    })
    .nullish(),
});

type Container = z.output<typeof container>;
type Status = z.output<typeof podSchema>["status"];
type State = PodContainer["state"];

/**
 * The pod, with the containers that ask for an extended resource in one of `domains`; null when none does.
 * @throws ZodError on anything that is not a pod
 */
export function podFrom(value: unknown, domains: ReadonlySet<string>): NodePod | null {
  const { metadata, spec, status } = podSchema.parse(value);
  const states = statesOf(status);
  const project = (one: Container, role: ContainerRole): PodContainer => ({
    name: one.name,
    role,
    state: states.get(one.name) ?? "Waiting",
    asks: asksOf(one, domains),
    claims: claimsOf(one, status),
  });
  const all = [
    ...(spec.initContainers ?? []).map((one) => project(one, one.restartPolicy === "Always" ? "Sidecar" : "Init")),
    ...spec.containers.map((one) => project(one, "Main")),
  ];
  const containers = all.filter(({ asks }) => Object.keys(asks).length > 0);
  if (containers.length === 0) return null;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    phase: status?.phase ?? "Unknown",
    terminating: (metadata.deletionTimestamp ?? null) !== null,
    hasRunning: [...states.values()].includes("Running"),
    containers,
  };
}

/** Names are unique over all kinds of containers of a pod. */
function statesOf(status: Status): ReadonlyMap<string, State> {
  const lists = [status?.initContainerStatuses, status?.containerStatuses, status?.ephemeralContainerStatuses];
  return new Map(lists.flatMap((list) => list ?? []).map(({ name, state }) => [name, stateOf(state)]));
}

function stateOf(state: { readonly running?: unknown; readonly terminated?: unknown } | null | undefined): State {
  if (state?.running != null) return "Running";
  return state?.terminated == null ? "Waiting" : "Ended";
}

/** The API server copies limits of extended resources to requests; limits alone are read for safety's sake. An amount of 0 asks for nothing. */
function asksOf({ resources }: Container, domains: ReadonlySet<string>): PodContainer["asks"] {
  const all = { ...resources?.limits, ...resources?.requests };
  const ours = Object.keys(all).filter((name) => name.includes("/") && domains.has(domainOf(name)));
  return Object.fromEntries(ours.map((name) => [name, wholeQuantity(all[name])]).filter(([, count]) => count !== 0));
}

/** KEP-5004: the scheduler makes one claim for all extended resources of a pod that DRA serves, and says which container asked for which. */
function claimsOf({ name }: Container, status: Status): PodContainer["claims"] {
  const claim = status?.extendedResourceClaimStatus;
  const mapped = (claim?.requestMappings ?? []).filter(({ containerName }) => containerName === name);
  return Object.fromEntries(mapped.map(({ resourceName }) => [resourceName, claim?.resourceClaimName ?? ""]));
}
