// SPDX-License-Identifier: Apache-2.0
// DRA in the story: claims, slices and claim files.
import { z } from "zod";
import { BUSYBOX_IMAGE } from "../image/busybox-image.ts";
import { until } from "./looking.ts";
import type { NodeName, Stage } from "./stage.ts";

const RESOURCE_API = "/apis/resource.k8s.io/v1";
const TAINT = z.object({ key: z.string(), value: z.string().optional(), effect: z.string() });
const SLICES = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), uid: z.string() }),
      spec: z.object({
        nodeName: z.string().optional(),
        driver: z.string(),
        pool: z.object({ name: z.string() }),
        devices: z
          .array(z.object({ name: z.string(), taints: z.array(TAINT).default([]), bindingConditions: z.array(z.string()).default([]) }))
          .default([]),
      }),
    }),
  ),
});

export interface SlicedDevice {
  readonly name: string;
  readonly pool: string;
  /** `key=value:effect` */
  readonly taints: readonly string[];
  /** Its pod is bound when its link is secured. */
  readonly waits: boolean;
  /** UID of its slice. */
  readonly slice: string;
}

/** Devices of our driver in the slices of a node, in order of name. */
export async function slicedDevices(stage: Stage, node: NodeName): Promise<readonly SlicedDevice[]> {
  const list = await stage.api.get(`${RESOURCE_API}/resourceslices`, SLICES);
  const own = (list?.items ?? []).filter(({ spec }) => spec.nodeName === node && spec.driver === "teeio.dev");
  const devices = own.flatMap(({ metadata, spec }) =>
    spec.devices.map(({ name, taints, bindingConditions }) => ({
      name,
      pool: spec.pool.name,
      taints: taints.map(({ key, value = "", effect }) => `${key}=${value}:${effect}`),
      waits: bindingConditions.length > 0,
      slice: metadata.uid,
    })),
  );
  return devices.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function untilSliced(stage: Stage, node: NodeName, what: string, holds: (devices: readonly SlicedDevice[]) => boolean) {
  return await until({
    what: `slices of ${node}: ${what}`,
    read: () => slicedDevices(stage, node),
    holds,
    describe: (devices) => devices.map(({ name, taints }) => [name, ...taints].join(" ")).join(", ") || "none",
  });
}

const CLAIM = z.object({
  metadata: z.object({ name: z.string(), uid: z.string() }),
  status: z
    .object({
      devices: z
        .array(
          z.object({ device: z.string(), conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string() })).default([]) }),
        )
        .optional(),
      allocation: z.object({ devices: z.object({ results: z.array(z.object({ device: z.string(), pool: z.string() })) }) }).optional(),
    })
    .optional(),
});
export type Claim = z.output<typeof CLAIM>;

/** Null: there is none. */
export function readClaim(stage: Stage, name: string): Promise<Claim | null> {
  return stage.api.get(`${RESOURCE_API}/namespaces/default/resourceclaims/${name}`, CLAIM);
}

/** A claim of one device of our driver. */
export function claimOf(name: string, devices: object = {}): object {
  const requests = [{ name: "gpu", exactly: { deviceClassName: "teeio.dev" } }];
  return {
    apiVersion: "resource.k8s.io/v1",
    kind: "ResourceClaim",
    metadata: { name, namespace: "default" },
    spec: { devices: { requests, ...devices } },
  };
}

/** Where a container finds what it was given (KEP-5304). */
const METADATA = "/var/run/kubernetes.io/dra-device-attributes/resourceclaims/*/gpu/teeio.dev-metadata.json";

/** A pod that has the claim, prints its environment and the metadata of its devices, and goes on. */
export function podOf(name: string, claim: string): object {
  const container = {
    name: "main",
    image: BUSYBOX_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", `env | sort; cat ${METADATA}; exec sleep inf`],
    resources: { claims: [{ name: "gpu" }] },
  };
  const spec = {
    terminationGracePeriodSeconds: 0,
    automountServiceAccountToken: false,
    containers: [container],
    resourceClaims: [{ name: "gpu", resourceClaimName: claim }],
  };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec };
}

export async function untilNoClaimFile(stage: Stage, node: NodeName): Promise<void> {
  await until({
    what: "no claim file",
    read: () => claimFiles(stage, node),
    holds: (files) => files.length === 0,
    describe: (files) => files.join(" "),
  });
}

/** Names of the claim files of a node. */
export async function claimFiles(stage: Stage, node: NodeName): Promise<readonly string[]> {
  const { stdout } = await stage.cluster.node(node).exec(["sh", "-c", "ls /var/run/cdi"]);
  return stdout.split("\n").filter((name) => name.startsWith("trusted-iommu-claim_"));
}
