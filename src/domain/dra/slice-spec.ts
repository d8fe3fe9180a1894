// SPDX-License-Identifier: Apache-2.0

/** What a pool's ResourceSlices say (resource.k8s.io/v1 ResourceSlice.spec), without their generation. Pure. */
import { DRA_DRIVER, draDeviceName, LINK_FAILED, LINK_SECURED } from "./names.ts";
import type { Pool, PoolDevice } from "./pool.ts";

/** One slice to be. */
export interface SliceBody {
  /** Of the object; the same for the same pool and place, whoever makes it. */
  readonly name: string;
  /** The spec but for `pool.generation` and `pool.resourceSliceCount`. */
  readonly spec: Readonly<Record<string, unknown>>;
}

/** k8s.io/api resource/v1: at most 64 devices where one has taints or consumes counters. */
const MOST_DEVICES = 64;
/** The counter set of a pool, and the counter in it. DNS labels. */
const COUNTER_SET = "ide";
const STREAMS = "streams";

/** The fields that an API server may be without: those of beta or switchable features. */
export const DROPPABLE = ["taints", "consumesCounters", "sharedCounters", "bindingConditions", "bindingFailureConditions"] as const;

/** The slices of a pool, in order; none for a pool without devices. */
export function bodiesOf(node: string, pool: Pool): readonly SliceBody[] {
  if (pool.devices.length === 0) return [];
  // Devices that name a counter that is not there make the whole pool unusable: both are said, or neither.
  const isCounted = pool.streams !== null;
  const body = (place: number, spec: object): SliceBody => ({
    name: sliceName(node, pool.name, place),
    spec: { driver: DRA_DRIVER, nodeName: node, pool: { name: pool.name }, ...spec },
  });
  const devices = chunks(pool.devices).map((part, index) => body(index + 1, { devices: part.map((one) => deviceOf(one, isCounted)) }));
  if (!isCounted) return devices;
  // The API server takes counters and devices in one slice for an error.
  return [body(0, { sharedCounters: [{ name: COUNTER_SET, counters: { [STREAMS]: { value: String(pool.streams) } } }] }), ...devices];
}

function deviceOf({ address, attributes, streams, taints, bindsWhenSecured }: PoolDevice, isCounted: boolean): object {
  const consumesCounters = isCounted && streams > 0 ? [{ counterSet: COUNTER_SET, counters: { [STREAMS]: { value: String(streams) } } }] : [];
  return {
    name: draDeviceName(address),
    attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
    ...(consumesCounters.length > 0 && { consumesCounters }),
    ...(taints.length > 0 && { taints }),
    // The API server refuses the one list without the other.
    ...(bindsWhenSecured && { bindingConditions: [LINK_SECURED], bindingFailureConditions: [LINK_FAILED] }),
  };
}

function attributeOf(value: string | number | boolean): object {
  return typeof value === "string" ? { string: value } : typeof value === "number" ? { int: value } : { bool: value };
}

/** All functions of a slot in one slice, so that a stream that goes from one to another is one write. */
function chunks(devices: readonly PoolDevice[]): readonly (readonly PoolDevice[])[] {
  const parts: PoolDevice[][] = [];
  for (const slot of Map.groupBy(devices, ({ owner }) => owner).values()) {
    const last = parts.at(-1);
    if (last !== undefined && last.length + slot.length <= MOST_DEVICES) last.push(...slot);
    // A slot with more virtual functions than a slice takes is parted.
    else for (let at = 0; at < slot.length; at += MOST_DEVICES) parts.push(slot.slice(at, at + MOST_DEVICES));
  }
  return parts;
}

const LONGEST_NAME = 253;

/** A DNS subdomain. Names of nodes may be as long as that themselves: what does not fit is told apart by a checksum. */
function sliceName(node: string, pool: string, place: number): string {
  const tail = `-${pool.slice(node.length + 1)}-${place}.${DRA_DRIVER}`;
  if (node.length + tail.length <= LONGEST_NAME) return `${node}${tail}`;
  const sum = checksum(node);
  return `${node.slice(0, LONGEST_NAME - tail.length - sum.length - 1).replace(/[-.]+$/, "")}-${sum}${tail}`;
}

/** FNV-1a, 32 bits: no secret hangs on it, and nodes are few. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

/** Taken out of an answer of the API server: what its devices' fields say, without counting on any. */
export function devicesIn(spec: unknown): readonly Readonly<Record<string, unknown>>[] {
  const devices: unknown = typeof spec === "object" && spec !== null ? Reflect.get(spec, "devices") : [];
  return Array.isArray(devices) ? devices.filter((one) => typeof one === "object" && one !== null) : [];
}
