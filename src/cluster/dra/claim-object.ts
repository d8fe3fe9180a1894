// SPDX-License-Identifier: Apache-2.0

/** resource.k8s.io/v1 ResourceClaim, as much of it as gives devices of one node away. Pure. */
import { isDeepStrictEqual } from "node:util";
import * as z from "zod";
import type { ClaimCondition, ClaimDevice, NodeClaim } from "../../domain/dra/claim.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import { asPlain } from "../watch/objects.ts";
import { read } from "./api.ts";

const strings = z.array(z.string()).nullish();
const result = z.object({
  request: z.string(),
  pool: z.string(),
  device: z.string(),
  adminAccess: z.boolean().nullish(),
  bindingConditions: strings,
  bindingFailureConditions: strings,
});
const condition = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().nullish(),
  message: z.string().nullish(),
  lastTransitionTime: z.string().nullish(),
});
const deviceStatus = z.object({ pool: z.string(), device: z.string(), conditions: z.array(condition).nullish() });
const user = z.object({ resource: z.string(), name: z.string(), uid: z.string() });
const claimSchema = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  status: z.object({ reservedFor: z.array(user).nullish() }).nullish(),
});

/** By the scheduler, on the claim that it makes for a pod's extended resources. KEP-5004. */
const FOR_EXTENDED_RESOURCES = "resource.kubernetes.io/extended-resource-claim";
/** By the claim controller. k8s.io/api v0.37.2, resource/v1 `PodResourceClaimAnnotation`. */
const POD_CLAIM_NAME = "resource.kubernetes.io/pod-claim-name";

/** The claim, when it gives devices of ours on `node` away; null when it does not. @throws API_UNREACHABLE, garbled, on one of ours that is no ResourceClaim */
export function claimFrom(object: unknown, node: string): NodeClaim | null {
  return resultsOf(object, node).length === 0 ? null : wholeClaimFrom(object, node);
}

/** The claim, whatever it gives away. @throws API_UNREACHABLE, garbled, on anything that is no ResourceClaim */
export function wholeClaimFrom(object: unknown, node: string): NodeClaim {
  const { metadata, status } = read(claimSchema, object);
  const conditions = conditionsOf(object);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    isForExtendedResources: metadata.annotations?.[FOR_EXTENDED_RESOURCES] === "true",
    podClaimName: podClaimNameOf(metadata.annotations?.[POD_CLAIM_NAME]),
    reservedFor: (status?.reservedFor ?? []).map(({ resource, name, uid }) => ({ resource, name, uid })),
    devices: resultsOf(object, node).map((one) => deviceFrom(read(result, one), conditions)),
    parameters: parametersOf(object),
  };
}

/** Anyone who makes a claim can write the annotation, and it becomes part of a path in his container: what cannot be the name of a pod's claim is none. */
function podClaimNameOf(annotation: string | undefined): string | null {
  return annotation !== undefined && annotation.length <= 63 && DNS_LABEL.test(annotation) ? annotation : null;
}

const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** Another driver's part of a claim is not looked at: whatever is in it is no reason to fail. */
function resultsOf(object: unknown, node: string): readonly unknown[] {
  const isOurs = (one: unknown): boolean => {
    const { driver, pool } = asPlain(one);
    return driver === DRA_DRIVER && typeof pool === "string" && pool.startsWith(`${node}/`);
  };
  return listAt(object, "status", "allocation", "devices", "results").filter(isOurs);
}

function deviceFrom(one: z.output<typeof result>, conditions: ReadonlyMap<string, readonly ClaimCondition[]>): ClaimDevice {
  return {
    request: one.request,
    pool: one.pool,
    device: one.device,
    adminAccess: one.adminAccess === true,
    bindingConditions: one.bindingConditions ?? [],
    bindingFailureConditions: one.bindingFailureConditions ?? [],
    conditions: conditions.get(`${one.pool}/${one.device}`) ?? [],
  };
}

/** Of `status.devices`, by `pool/device` of our driver. */
function conditionsOf(object: unknown): ReadonlyMap<string, readonly ClaimCondition[]> {
  const ours = listAt(object, "status", "devices").filter((one) => asPlain(one)["driver"] === DRA_DRIVER);
  return new Map(
    ours
      .map((one) => read(deviceStatus, one))
      .map(({ pool, device, conditions }) => [
        `${pool}/${device}`,
        (conditions ?? []).map(({ type, status, ...rest }) => ({
          type,
          status,
          reason: rest.reason ?? "",
          message: rest.message ?? "",
          lastTransitionTime: rest.lastTransitionTime ?? "",
        })),
      ]),
  );
}

/**
 * Where configuration for our driver stands, as its author finds it. The allocation copies what applies from the claim, in its order and possibly not
 * all of it, and from the classes.
 */
function parametersOf(object: unknown): readonly string[] {
  const own = listAt(object, "spec", "devices", "config").map(essenceOf);
  let next = 0;
  const pathOf = (entry: unknown, index: number): string => {
    if (asPlain(entry)["source"] !== "FromClaim") return classOf(entry);
    const found = own.findIndex((one, i) => i >= next && isDeepStrictEqual(one, essenceOf(entry)));
    next = Math.max(next, found + 1);
    return found < 0 ? `status.allocation.devices.config[${index}]` : `spec.devices.config[${found}]`;
  };
  const all = listAt(object, "status", "allocation", "devices", "config");
  return all.flatMap((entry, index) => (isForUs(entry) ? [pathOf(entry, index)] : []));
}

function isForUs(entry: unknown): boolean {
  return asPlain(asPlain(entry)["opaque"])["driver"] === DRA_DRIVER;
}

function essenceOf(entry: unknown): unknown {
  const { requests, opaque } = asPlain(entry);
  return { requests: requests ?? [], opaque };
}

/** The allocation names the requests of a class and not the class. */
function classOf(entry: unknown): string {
  const names = listAt(entry, "requests").map((name) => `"${String(name)}"`);
  if (names.length === 0) return "the class of every request";
  return `the class of ${names.length === 1 ? "request" : "requests"} ${names.join(", ")}`;
}

/** The list at a path; empty where there is none. */
function listAt(object: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = path.reduce((at: unknown, member) => asPlain(at)[member], object);
  return Array.isArray(found) ? found : [];
}
