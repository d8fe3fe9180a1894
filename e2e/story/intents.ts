// SPDX-License-Identifier: Apache-2.0
// The story's TrustedIommus: what they ask for, and what the agents report.
import { z } from "zod";
import { API_VERSION, TRUSTED_IOMMU } from "../../src/api/names.ts";
import { statusSchema } from "../../src/api/status.ts";
import type { Ledger, LinkEnable } from "../../src/domain/intent.ts";
import type { ConditionType } from "../../src/domain/reason.ts";
import type { Condition, DeviceStatus, NodeStatus, UnitStatus } from "../../src/domain/status.ts";
import { until } from "./looking.ts";
import type { NodeName, Stage } from "./stage.ts";

/** The story's resources. The adapter of the third is held by its own driver, so it is never offered. */
export const GPU = "teeio.dev/gpu";
export const ACCELERATOR = "teeio.dev/accelerator";
const RESOURCES = [
  { name: GPU, match: { vendors: ["10de"] } },
  { name: ACCELERATOR, match: { vendors: ["8086"], devices: ["4944", "4945"] } },
  { name: "teeio.dev/nic", match: { vendors: ["15b3"] } },
];

/** What the host of n1 has to give: three GPUs, one of them with a second function, and an accelerator with four virtual functions. */
export const ALL_OFFERED = { [GPU]: "4", [ACCELERATOR]: "5" } as const;
export const UNITS = 21;

/** Says what the units of a node should be, as an admin does. */
export async function setIntent(
  stage: Stage,
  node: NodeName,
  state: "Trusted" | "Cleared",
  { gpus = "DevicePlugin", links = "Never" }: { readonly gpus?: Ledger; readonly links?: LinkEnable } = {},
): Promise<void> {
  const resources = RESOURCES.map((one) => (one.name === GPU ? { ...one, ledger: gpus } : one));
  const spec = { state, units: { all: true }, resources, link: { enable: links } };
  await stage.cluster.apply({ apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name: node }, spec });
  stage.tell(`the admin applies ${node}: ${state}`);
}

const OBJECT = z.object({ metadata: z.object({ generation: z.number() }), status: z.unknown().optional() });

/** What the agent of a node reports; null before its first report. @throws when the status is not what this version writes */
export async function readStatus(stage: Stage, node: NodeName): Promise<NodeStatus | null> {
  const object = await stage.api.get(`/apis/${API_VERSION}/${TRUSTED_IOMMU.plural}/${node}`, OBJECT);
  if (object?.status === undefined) return null;
  const status = statusSchema.parse(object.status);
  // A report on an older spec says nothing of this one.
  return status.observedGeneration === object.metadata.generation ? status : null;
}

/** The first report on the newest spec for which `holds` is true. */
export async function untilStatus(
  stage: Stage,
  node: NodeName,
  { what, holds }: { readonly what: string; holds(status: NodeStatus): boolean },
): Promise<NodeStatus> {
  const status = await until({
    what: `${node}: ${what}`,
    read: () => readStatus(stage, node),
    holds: (seen) => seen !== null && holds(seen),
    describe: (seen) => (seen === null ? "no report on the newest spec" : summaryOf(seen)),
  });
  if (status === null) throw new Error("unreachable: null never holds");
  return status;
}

/** @throws when the report has no such condition */
export function condition(status: NodeStatus, type: ConditionType): Condition {
  const found = status.conditions.find((each) => each.type === type);
  if (found === undefined) throw new Error(`no condition ${type}`);
  return found;
}

/** @throws when the report has no such unit */
export function unitIn(status: NodeStatus, regBase: string): UnitStatus {
  const found = status.units.find((each) => each.regBase === regBase);
  if (found === undefined) throw new Error(`no unit ${regBase} in the status`);
  return found;
}

/** @throws when the report has no such device */
export function deviceIn(status: NodeStatus, address: string): DeviceStatus {
  const found = status.devices.find((each) => each.address === address);
  if (found === undefined) throw new Error(`no device ${address} in the status`);
  return found;
}

/** The device that a pod of the namespace `default` holds; null when none says so. */
export function deviceOf(status: NodeStatus, pod: string): DeviceStatus | null {
  return status.devices.find((device) => device.usedBy?.pod === `default/${pod}`) ?? null;
}

function summaryOf(status: NodeStatus): string {
  const conditions = status.conditions.map((each) => `${each.type}=${each.status} ${each.reason} (${each.message})`);
  const used = status.devices.filter((device) => device.usedBy !== null).map((device) => `${device.address} ${device.reason} ${device.usedBy?.pod}`);
  return `${status.counts.unitsTrusted} trusted, ${status.counts.devicesOffered} offered; ${[...conditions, ...used].join("; ")}`;
}
