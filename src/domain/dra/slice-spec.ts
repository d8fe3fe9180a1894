// SPDX-License-Identifier: Apache-2.0

/** Specs of ResourceSlices (resource.k8s.io/v1 `ResourceSliceSpec`, k8s.io/api v0.37.2), as far as this program writes them, and their names. Pure. */
import { DRA_DRIVER, draDeviceName, LINK_FAILED, LINK_SECURED } from "./names.ts";
import type { DeviceAttributes, DeviceTaint, Pool, PoolDevice } from "./pool.ts";

/** A counter set of each pool that counts streams, in a slice of its own, and the one counter in it. Both are DNS labels. */
export const COUNTER_SET = "ide";
export const STREAMS_COUNTER = "ide-streams";

/** `{value}`: a quantity, always whole here. */
export type Counters = Readonly<Record<string, { readonly value: string }>>;

export type AttributeValue = { readonly string: string } | { readonly int: number } | { readonly bool: boolean };

export interface DeviceSpec {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly consumesCounters?: readonly { readonly counterSet: string; readonly counters: Counters }[];
  readonly taints?: readonly DeviceTaintSpec[];
  readonly bindingConditions?: readonly string[];
  readonly bindingFailureConditions?: readonly string[];
}

interface DeviceTaintSpec extends Omit<DeviceTaint, "value"> {
  readonly value?: string;
}

/** What a slice has of its own. The API server refuses one with both. */
export type SliceContent =
  | { readonly devices: readonly DeviceSpec[] }
  | { readonly sharedCounters: readonly { readonly name: string; readonly counters: Counters }[] };

export type SliceSpec = SliceContent & {
  readonly driver: string;
  readonly nodeName: string;
  readonly pool: { readonly name: string; readonly generation: number; readonly resourceSliceCount: number };
};

/** Fields that an API server drops where their feature is off. */
export const OPTIONAL_FIELDS = ["taints", "consumesCounters", "sharedCounters", "bindingConditions", "bindingFailureConditions"] as const;

/** What goes together is left out together: a device that names a counter which is not there makes its whole pool unusable. */
const TOGETHER = [
  ["consumesCounters", "sharedCounters"],
  ["bindingConditions", "bindingFailureConditions"],
] as const;

/** `dropped`, with the fields that mean nothing without them. */
export function leftOut(dropped: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...dropped, ...TOGETHER.filter((fields) => fields.some((field) => dropped.has(field))).flat()]);
}

/** RFC 3339 in whole seconds, as the API server keeps times. */
export function wholeSecond(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function counterContent(streams: number): SliceContent {
  return { sharedCounters: [{ name: COUNTER_SET, counters: streamsOf(streams) }] };
}

export function streamsOf(value: number): Counters {
  return { [STREAMS_COUNTER]: { value: String(value) } };
}

/** `out`: fields to leave out. */
export function deviceSpec(device: PoolDevice, out: ReadonlySet<string>): DeviceSpec {
  const spec: DeviceSpec = {
    name: draDeviceName(device.address),
    attributes: attributeValues(device.attributes),
    ...(device.streams > 0 ? { consumesCounters: [{ counterSet: COUNTER_SET, counters: streamsOf(device.streams) }] } : {}),
    ...(device.taints.length > 0 ? { taints: device.taints.map(taintSpec) } : {}),
    ...(device.bindsWhenSecured ? { bindingConditions: [LINK_SECURED], bindingFailureConditions: [LINK_FAILED] } : {}),
  };
  return { ...Object.fromEntries(Object.entries(spec).filter(([field]) => !out.has(field))), name: spec.name };
}

export function attributeValues(attributes: DeviceAttributes): Readonly<Record<string, AttributeValue>> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, attributeValue(value)]));
}

function attributeValue(value: string | number | boolean): AttributeValue {
  if (typeof value === "string") return { string: value };
  return typeof value === "number" ? { int: value } : { bool: value };
}

function taintSpec({ key, value, effect, timeAdded }: DeviceTaint): DeviceTaintSpec {
  return { key, ...(value === "" ? {} : { value }), effect, timeAdded: wholeSecond(timeAdded) };
}

/** All of a slice's spec; the generation is that of the whole pool. */
export function sliceSpec(node: string, { name }: Pick<Pool, "name">, of: { generation: number; count: number }, content: SliceContent): SliceSpec {
  return { driver: DRA_DRIVER, nodeName: node, pool: { name, generation: of.generation, resourceSliceCount: of.count }, ...content };
}
