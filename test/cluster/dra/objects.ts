// SPDX-License-Identifier: Apache-2.0

/** ResourceClaims and ResourceSlices as the API server of 1.37.2 shows them. */

/** A claim from a template, for two devices of ours and one of another driver, that a scheduler has just given to a pod that waits. */
export function claimObject(metadata: object = {}, status: object = {}, spec: object = {}): Record<string, unknown> {
  return {
    apiVersion: "resource.k8s.io/v1",
    kind: "ResourceClaim",
    metadata: {
      name: "vm-gpus-x7k2p",
      generateName: "vm-gpus-",
      namespace: "tenant",
      uid: "c-1",
      resourceVersion: "700",
      creationTimestamp: "2026-01-01T00:00:00Z",
      annotations: { "resource.kubernetes.io/pod-claim-name": "gpus" },
      finalizers: ["resource.kubernetes.io/delete-protection"],
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "vm", uid: "p-1", controller: true, blockOwnerDeletion: true }],
      ...metadata,
    },
    spec: {
      devices: {
        requests: [
          { name: "gpu", exactly: { deviceClassName: "teeio.dev", allocationMode: "ExactCount", count: 2 } },
          { name: "disk", exactly: { deviceClassName: "disks", allocationMode: "ExactCount", count: 1 } },
        ],
        ...spec,
      },
    },
    status: {
      allocation: allocation(),
      reservedFor: [{ resource: "pods", name: "vm", uid: "p-1" }],
      ...status,
    },
  };
}

export function allocation(devices: object = {}): object {
  return {
    devices: { results: [result("0000-17-00-0"), result("0000-17-00-1"), result("nvme0", { driver: "disks.example", pool: "n1" })], ...devices },
    nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }] },
    allocationTimestamp: "2026-01-01T00:00:01Z",
  };
}

export function result(device: string, more: object = {}): object {
  return {
    request: "gpu",
    driver: "teeio.dev",
    pool: "n1/pci0000-16",
    device,
    bindingConditions: ["teeio.dev/LinkSecured"],
    bindingFailureConditions: ["teeio.dev/LinkFailed"],
    ...more,
  };
}

export const SECURED = { type: "teeio.dev/LinkSecured", status: "True", reason: "Secured", message: "", lastTransitionTime: "2026-01-01T00:00:04Z" };
