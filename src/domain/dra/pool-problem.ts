// SPDX-License-Identifier: Apache-2.0

/**
 * Why a pool cannot be published: what the API server would refuse, or a scheduler would throw the whole pool away for. Limits are those of
 * k8s.io/kubernetes v1.37.2 pkg/apis/resource/validation. Pure.
 */
import { addressOfDraDevice, draDeviceName } from "./names.ts";
import type { DeviceTaint, Pool, PoolDevice } from "./pool.ts";

const MOST_ATTRIBUTES = 32;
const MOST_TAINTS = 16;
/** Bytes of an attribute that is a string. */
export const LONGEST_STRING = 64;
const LONGEST_LABEL = 63;
const LONGEST_NAME = 253;

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
/** An optional domain, and a C identifier of at most 32 characters. */
const ATTRIBUTE = new RegExp(`^(${LABEL}(\\.${LABEL})*/)?[A-Za-z_][A-Za-z0-9_]{0,31}$`);
const TAINT_KEY = new RegExp(`^(${LABEL}(\\.${LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`);
const TAINT_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** For people; empty when the pool can be published. */
export function poolProblem({ name, devices, streams }: Pool): string {
  if (!isPoolName(name)) return `"${name}" is no name of a pool: at most ${LONGEST_NAME} characters, DNS subdomains with slashes in between`;
  if (streams !== null && !isCount(streams)) return `pool ${name}: ${streams} is no number of IDE streams`;
  if (new Set(devices.map(({ address }) => address)).size < devices.length) return `pool ${name}: a device is in it twice`;
  for (const device of devices) {
    const problem = deviceProblem(device) || (device.streams > 0 && streams === null ? "it takes of a counter that is not there" : "");
    if (problem !== "") return `pool ${name}: device ${device.address}: ${problem}`;
  }
  return "";
}

function isPoolName(name: string): boolean {
  return name.length <= LONGEST_NAME && name.split("/").every((part) => SUBDOMAIN.test(part));
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function deviceProblem({ address, attributes, taints }: PoolDevice): string {
  const name = draDeviceName(address);
  if (addressOfDraDevice(name) !== address || name.length > LONGEST_LABEL) return `"${name}" is no name of a device`;
  const all = Object.entries(attributes);
  if (all.length > MOST_ATTRIBUTES) return `${all.length} attributes, at most ${MOST_ATTRIBUTES} can be`;
  if (taints.length > MOST_TAINTS) return `${taints.length} taints, at most ${MOST_TAINTS} can be`;
  const wrong = all.find(([key, value]) => !ATTRIBUTE.test(key) || !isAttributeValue(value));
  if (wrong !== undefined) return attributeProblem(...wrong);
  const taint = taints.find((one) => !isTaint(one));
  return taint === undefined ? "" : `taint ${taint.key}=${taint.value} since ${taint.timeAdded} cannot be`;
}

function attributeProblem(key: string, value: string | number | boolean): string {
  if (!ATTRIBUTE.test(key)) return `attribute "${key}" has no name of an attribute: an optional domain, and a C identifier of at most 32 characters`;
  if (typeof value !== "string") return `attribute ${key} is ${value}: only whole numbers can be`;
  return `attribute ${key} is "${value}", ${byteLength(value)} bytes: at most ${LONGEST_STRING} can be`;
}

function isAttributeValue(value: string | number | boolean): boolean {
  return typeof value === "string" ? byteLength(value) <= LONGEST_STRING : typeof value === "boolean" || Number.isSafeInteger(value);
}

function isTaint({ key, value, timeAdded }: DeviceTaint): boolean {
  return TAINT_KEY.test(key) && TAINT_VALUE.test(value) && !Number.isNaN(Date.parse(timeAdded));
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
