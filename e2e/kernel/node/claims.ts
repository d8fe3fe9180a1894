// SPDX-License-Identifier: Apache-2.0
// The one claim of the machine: made from a template for a pod, and what the API server says of it.
import { z } from "zod";
import { AGENT_FIELD_MANAGER } from "../../../src/api/names.ts";
import type { Address } from "../../../src/domain/device.ts";
import { addressOfDraDevice, LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { claimantOf } from "./pods.ts";

/** Emulated, beside a whole cluster. */
const LIMITS = { deadlineMs: 420_000, everyMs: 300 };
/** Of the request, and of the claim in the pod. */
const NAME = "nvme";

/** A pod with a device by claim, and the template that its claim is made from. */
export function podByClaim(name: string, script: string): readonly object[] {
  const template = { name: `${name}-${NAME}`, namespace: "default" };
  const devices = { requests: [{ name: NAME, exactly: { deviceClassName: "teeio.dev" } }] };
  return [
    { apiVersion: "resource.k8s.io/v1", kind: "ResourceClaimTemplate", metadata: template, spec: { spec: { devices } } },
    claimantOf(name, script, { [NAME]: template.name }),
  ];
}

const CONDITION = z.object({ type: z.string(), status: z.string() });
const CLAIMS = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ managedFields: z.array(z.object({ manager: z.string(), time: z.string() })) }),
      status: z
        .object({
          allocation: z.object({ devices: z.object({ results: z.array(z.object({ device: z.string() })) }) }).optional(),
          devices: z.array(z.object({ conditions: z.array(CONDITION).default([]) })).default([]),
        })
        .default({ devices: [] }),
    }),
  ),
});

export interface Claim {
  /** Null: the agent has not said that the link of its device is secured. */
  readonly secured: Secured | null;
}

export interface Secured {
  readonly address: Address;
  /** When the API server was told, by its clock, in seconds. */
  readonly at: string;
}

/** Null: there is none. */
export async function readClaim(cluster: Cluster): Promise<Claim | null> {
  const [claim] = (await cluster.kubectlJson(["get", "resourceclaims", "--show-managed-fields"], CLAIMS)).items;
  if (claim === undefined) return null;
  const { metadata, status } = claim;
  const isSaid = status.devices.some(({ conditions }) => conditions.some((one) => one.type === LINK_SECURED && one.status === "True"));
  const address = addressOfDraDevice(status.allocation?.devices.results[0]?.device ?? "");
  const at = metadata.managedFields.find(({ manager }) => manager === AGENT_FIELD_MANAGER)?.time;
  return { secured: isSaid && address !== null && at !== undefined ? { address, at } : null };
}

/** Looks at the claim until there is what is wanted of it. @throws with the last sight */
export function untilClaim<T>(cluster: Cluster, what: string, wanted: (claim: Claim | null) => T | null): Promise<T> {
  const look = async () => {
    const claim = await readClaim(cluster);
    const found = wanted(claim);
    return found === null ? notYet<T>(JSON.stringify(claim)) : met(found);
  };
  return waitUntil(`the claim: ${what}`, look, LIMITS);
}

const SLICES = z.object({
  items: z.array(z.object({ spec: z.object({ devices: z.array(z.object({ name: z.string() })).default([]) }) })),
});

/** Waits until the slices list just these devices. */
export async function untilSliced(cluster: Cluster, addresses: readonly Address[]): Promise<void> {
  const look = async () => {
    const { items } = await cluster.kubectlJson(["get", "resourceslices"], SLICES);
    const listed = items.flatMap(({ spec }) => spec.devices.map(({ name }) => addressOfDraDevice(name))).sort();
    return listed.join(" ") === addresses.join(" ") ? met(true) : notYet<boolean>(listed.join(" "));
  };
  await waitUntil(`slices with ${addresses.join(" ") || "nothing"}`, look, LIMITS);
}
