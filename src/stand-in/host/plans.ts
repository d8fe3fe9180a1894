// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import { AppError } from "../../runtime/errors.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";
import { type HostState, initialState, isVfioDriver } from "./host-state.ts";
import { rootPortOf } from "./ide-streams.ts";
import { slotSpeaker } from "./render-function.ts";

/** A state of the host, and the functions that look different in it. */
export interface StateChange {
  readonly after: HostState;
  readonly functions: readonly Address[];
}

/** The function, its virtual functions, and what is below it; then those whose links name them. Takes along only what is still there. */
export function planUnplug(host: HostDescription, now: HostState, one: FunctionDescription): StateChange {
  const taken = host.functions
    .filter((other) => !(other.address in now.unplugged) && dependsOn(host, other, one.address))
    .map((other) => other.address);
  const unplugged = { ...now.unplugged, ...Object.fromEntries(taken.map((address) => [address, one.address])) };
  // What is gone has no session any more; the driver's and the TDX module's own view of that is theirs.
  const after = { ...now, unplugged, streaming: minus(now.streaming, taken), connected: minus(now.connected, taken), bound: minus(now.bound, taken) };
  return {
    after,
    functions: [...taken, ...slotOf(host, one), ...portsOf(host, taken), ...(one.physicalFunction === null ? [] : [one.physicalFunction])],
  };
}

/** Root ports above: their register blocks are the other end of a link. */
export function portsOf(host: HostDescription, addresses: readonly Address[]): readonly Address[] {
  const byAddress = new Map(host.functions.map((one) => [one.address, one]));
  return addresses.flatMap((address) => {
    const one = byAddress.get(address);
    return one === undefined ? [] : (rootPortOf(byAddress, one)?.address ?? []);
  });
}

/** Brings back a function and what its removal took along, bound to the drivers of the description, as a hot-plugged one would be. */
export function planReplug(host: HostDescription, now: HostState, one: FunctionDescription): StateChange {
  const above = [one.bridge, one.physicalFunction].find((address) => address !== null && address in now.unplugged);
  if (above !== undefined) throw invalid(`${one.address} depends on ${above}, which is unplugged; replug that first`);
  const back = Object.entries(now.unplugged).flatMap(([address, cause]) => (address === one.address || cause === one.address ? [address] : []));
  const drivers = Object.fromEntries(host.functions.filter((other) => back.includes(other.address)).map((other) => [other.address, other.driver]));
  const after = { ...now, unplugged: omit(now.unplugged, back), drivers: { ...now.drivers, ...drivers } };
  return { after, functions: [...back, ...slotOf(host, one), ...(one.physicalFunction === null ? [] : [one.physicalFunction])] };
}

function dependsOn(host: HostDescription, one: FunctionDescription, address: Address): boolean {
  if (one.address === address || one.physicalFunction === address) return true;
  const above = one.bridge === null ? undefined : host.functions.find((other) => other.address === one.bridge);
  return above !== undefined && dependsOn(host, above, address);
}

/** Functions of the slot, virtual ones included: their `tsm/` groups depend on function 0. */
export function slotOf(host: HostDescription, one: FunctionDescription): Address[] {
  const speaker = slotSpeaker(one);
  return host.functions.filter((other) => slotSpeaker(other) === speaker).map((other) => other.address);
}

/**
 * Binds another driver, or none. A vfio driver gives the function a number that it keeps. Taking the driver from a function that is held open shows
 * what a kernel shows while the unbind waits for the holder; another driver is bound only after that.
 */
export function planBind(now: HostState, one: FunctionDescription, driver: string | null): StateChange {
  refuseAbsent(now, one.address);
  const holder = now.holders.find((held) => held.address === one.address);
  if (holder !== undefined && driver !== null && now.drivers[one.address] !== driver) {
    throw invalid(`${one.address} is held open by process ${holder.pid}; unhold it first`);
  }
  const known = now.vfioNumbers[one.address] !== undefined || !isVfioDriver(driver);
  const next = Math.max(-1, ...Object.values(now.vfioNumbers)) + 1;
  const vfioNumbers = known ? now.vfioNumbers : { ...now.vfioNumbers, [one.address]: next };
  return { after: { ...now, drivers: { ...now.drivers, [one.address]: driver }, vfioNumbers }, functions: [one.address] };
}

/**
 * What the writes of `driver_override`, `unbind` and `drivers_probe` come to. While somebody has the function open, an unbind from vfio waits: then the
 * function has no driver, and `isDone` is false.
 */
export function planDriver(now: HostState, one: FunctionDescription, isVfio: boolean): StateChange & { readonly isDone: boolean } {
  refuseAbsent(now, one.address);
  const overrides = { ...omit(now.overrides, [one.address]), ...(isVfio ? { [one.address]: "vfio-pci" } : {}) };
  const native = isVfioDriver(one.driver) ? null : one.driver;
  const isHeld = now.holders.some((held) => held.address === one.address) && !isVfio;
  const { after, functions } = planBind(now, one, isHeld ? null : isVfio ? "vfio-pci" : native);
  return { after: { ...after, overrides }, functions, isDone: !isHeld };
}

/** Everything that lives in memory is as at the start, links insecure; what was unplugged or lost stays so. */
export function planReboot(host: HostDescription, now: HostState, bootId: string): StateChange {
  const fresh = initialState(host, { bootId, deviceNodes: now.deviceNodes });
  const { unplugged, vfioNumbers, lostUnits, streamPools } = now;
  const after = { ...fresh, unplugged, vfioNumbers, lostUnits, streamPools, streaming: [], connected: [], lastRids: {}, blocks: {}, bound: [] };
  const touched = new Set([...now.streaming, ...now.connected, ...now.bound]);
  const changed = (one: FunctionDescription): boolean => touched.has(slotSpeaker(one)) || now.drivers[one.address] !== after.drivers[one.address];
  return { after, functions: [...host.functions.filter(changed).map((one) => one.address), ...portsOf(host, [...touched])] };
}

/** @throws SIMULATION_INVALID when the function is unplugged. */
export function refuseAbsent(now: HostState, address: Address): void {
  if (address in now.unplugged) throw invalid(`${address} is unplugged; replug it first`);
}

/** @throws SIMULATION_INVALID when the host has no such function. */
export function functionAt(host: HostDescription, address: Address): FunctionDescription {
  const found = host.functions.find((one) => one.address === address);
  if (found === undefined) throw invalid(`no function ${address} on this simulated host`);
  return found;
}

export function minus(list: readonly Address[], taken: readonly Address[]): Address[] {
  return list.filter((address) => !taken.includes(address));
}

export function omit<T>(record: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

export function invalid(problem: string): AppError {
  return new AppError("SIMULATION_INVALID", problem);
}
