// SPDX-License-Identifier: Apache-2.0

/**
 * Metadata of a prepared claim, for whoever reads it in the container (KubeVirt's launcher does): a file for each request, with the devices that were
 * allocated for it. KEP-5304; k8s.io/dynamic-resource-allocation v0.37.2, api/metadata. Pure.
 */
import { baseRequest, baseRequestsOf } from "../../domain/dra/claim.ts";
import type { ClaimFile, PreparedDevice } from "../../domain/dra/claim-file.ts";
import { DRA_DRIVER, draDeviceName } from "../../domain/dra/names.ts";
import { attributeValues } from "../../domain/dra/slice-spec.ts";

export interface RequestMetadata {
  /** Place of the request in the allocation; `metadataCdiDevice` is named by it. */
  readonly place: number;
  /** Where a container that refers to the request finds it. */
  readonly containerPath: string;
  /** One JSON object for each version of the format, the newest first. */
  readonly content: string;
}

/** Under `api/metadata` these two differ in nothing but their name. */
const VERSIONS = ["metadata.resource.k8s.io/v1beta1", "metadata.resource.k8s.io/v1alpha1"] as const;
const CONTAINER_DIR = "/var/run/kubernetes.io/dra-device-attributes";

type Described = Pick<ClaimFile, "namespace" | "name" | "uid" | "podClaimName" | "devices">;

/** The same claim gives the same bytes. */
export function metadataOf(file: Described): readonly RequestMetadata[] {
  return baseRequestsOf(file.devices).map((request, place) => ({
    place,
    containerPath: containerPath(file, request),
    content: contentOf(
      file,
      file.devices.filter((device) => baseRequest(device.request) === request),
    ),
  }));
}

/** A claim made from a template has a name that its pod's author cannot know: its place is named as the pod names it. */
function containerPath({ name, podClaimName }: Described, request: string): string {
  const claim = podClaimName === null ? `resourceclaims/${name}` : `resourceclaimtemplates/${podClaimName}`;
  return `${CONTAINER_DIR}/${claim}/${request}/${DRA_DRIVER}-metadata.json`;
}

function contentOf({ namespace, name, uid, podClaimName }: Described, devices: readonly PreparedDevice[]): string {
  const what = {
    metadata: { name, namespace, uid, generation: 1 },
    ...(podClaimName === null ? {} : { podClaimName }),
    // By subrequest, of which the scheduler has chosen one.
    requests: [...Map.groupBy(devices, ({ request }) => request)].map(([request, of]) => ({ name: request, devices: of.map(described) })),
  };
  return VERSIONS.map((apiVersion) => `${JSON.stringify({ kind: "DeviceMetadata", apiVersion, ...what })}\n`).join("");
}

function described({ address, pool, attributes }: PreparedDevice): object {
  return { driver: DRA_DRIVER, pool, name: draDeviceName(address), attributes: attributeValues(attributes) };
}
