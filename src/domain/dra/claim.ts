// SPDX-License-Identifier: Apache-2.0

/** A ResourceClaim (resource.k8s.io/v1), as far as it gives devices of one node away. */
export interface ClaimRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface NodeClaim extends ClaimRef {
  readonly resourceVersion: string;
  /** Made by the scheduler for the extended resources of a pod (annotation `resource.kubernetes.io/extended-resource-claim`). */
  readonly isForExtendedResources: boolean;
  /** Its name in the pod that it was made for from a template (annotation `resource.kubernetes.io/pod-claim-name`); null: it is a claim of its own. */
  readonly podClaimName: string | null;
  /** `status.reservedFor`: who may use it now. Empty also while a pod that waited has failed and the allocation is about to go. */
  readonly reservedFor: readonly ClaimUser[];
  /** Results of `status.allocation` that are of our driver and of a pool of this node, in their order. Empty: it is not, or no longer, allocated here. */
  readonly devices: readonly ClaimDevice[];
  /** Paths of configuration for our driver, which takes none: `spec.devices.config[0]`, or `the class of request "gpu"`. */
  readonly parameters: readonly string[];
}

export interface ClaimUser {
  /** `pods` for a pod. */
  readonly resource: string;
  readonly name: string;
  readonly uid: string;
}

export interface ClaimDevice {
  readonly request: string;
  readonly pool: string;
  /** Name of the device in its slice. */
  readonly device: string;
  readonly adminAccess: boolean;
  /** As the allocation copied them from the slice. */
  readonly bindingConditions: readonly string[];
  readonly bindingFailureConditions: readonly string[];
  /** Of `status.devices`. */
  readonly conditions: readonly ClaimCondition[];
}

export interface ClaimCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** The request that a claim's author has named, of `<request>/<subrequest>` (firstAvailable) the first part. */
export function baseRequest(request: string): string {
  return request.split("/")[0] ?? request;
}

/** Each once, in the order of the allocation. */
export function baseRequestsOf(devices: readonly { readonly request: string }[]): readonly string[] {
  return [...new Set(devices.map(({ request }) => baseRequest(request)))];
}
