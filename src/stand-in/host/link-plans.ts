// SPDX-License-Identifier: Apache-2.0

/** What happens to links of a simulated host, and to what they depend on: resets, virtual functions, streams. Pure. */
import type { Address } from "../../domain/device.ts";
import { isBridge } from "../../domain/slot.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";
import type { HostState } from "./host-state.ts";
import { freeBlockOf, lastRidOf, streamsLeftAt, streamsUsedAt } from "./ide-streams.ts";
import { invalid, minus, omit, portsOf, refuseAbsent, type StateChange, slotOf } from "./plans.ts";
import { slotSpeaker } from "./render-function.ts";

/** Registers and TSM together; a host without a TSM has registers only. */
export function planLink(host: HostDescription, now: HostState, one: FunctionDescription, secured: boolean): StateChange {
  refuseAbsent(now, one.address);
  if (!hasLink(one)) throw invalid(`${one.address} has no link of its own; name a function 0 with ideStreams or an image`);
  const set = (list: readonly Address[]): Address[] => [...minus(list, [one.address]), ...(secured ? [one.address] : [])];
  const slot = slotOf(host, one);
  const connected = host.tsm === null ? now.connected : set(now.connected);
  // Disconnecting unbinds the slot's TDIs first.
  const bound = secured ? now.bound : minus(now.bound, slot);
  const lastRids = { ...omit(now.lastRids, [one.address]), ...(secured ? { [one.address]: lastRidOf(host, now, one) } : {}) };
  const blocks = { ...omit(now.blocks, [one.address]), ...(secured ? { [one.address]: blockFor(host, now, one) } : {}) };
  const after = { ...now, streaming: set(now.streaming), connected, lastRids, blocks, bound };
  return { after, functions: [...slot, ...portsOf(host, [one.address])] };
}

function hasLink(one: FunctionDescription): boolean {
  return one.physicalFunction === null && one.address.endsWith(".0") && (one.ideStreams > 0 || one.image !== null);
}

/** What secures a link that is secured keeps its block. @throws SIMULATION_INVALID when no stream is left */
function blockFor(host: HostDescription, now: HostState, one: FunctionDescription): number {
  const known = now.blocks[one.address];
  const isSecured = now.streaming.includes(one.address) || now.connected.includes(one.address);
  if (isSecured && known !== undefined) return known;
  const block = freeBlockOf(host, now, one);
  if (block === null) throw invalid(`no IDE stream is left at the root port above ${one.address}; release another link below it first`);
  if (streamsLeftAt(host, now, one.hostBridge) === 0)
    throw invalid(`no IDE stream is left at ${one.hostBridge}; release another link below it, or script more with simulate fault --streams`);
  return block;
}

/** The reset clears the stream registers of function 0; nothing tells the TSM. */
export function planReset(now: HostState, one: FunctionDescription): StateChange {
  refuseAbsent(now, one.address);
  return { after: { ...now, streaming: minus(now.streaming, [slotSpeaker(one)]) }, functions: [slotSpeaker(one)] };
}

/**
 * A function-level reset. It clears the registers of that function alone: the stream's near end when it is function 0, and nothing of a link when it is
 * another one. The root port's half stays on, and the TSM connected.
 */
export function planFlr(now: HostState, one: FunctionDescription): StateChange {
  if (isBridge(one)) throw invalid(`${one.address} is a bridge, which has no function-level reset; name a function below it`);
  refuseAbsent(now, one.address);
  return slotSpeaker(one) === one.address ? planReset(now, one) : { after: now, functions: [one.address] };
}

/** Binds a TDI of a connected slot, or unbinds it. */
export function planBound(now: HostState, one: FunctionDescription, bound: boolean): StateChange {
  refuseAbsent(now, one.address);
  if (bound && !now.connected.includes(slotSpeaker(one)))
    throw invalid(`${one.address}: no TSM is connected to ${slotSpeaker(one)}; secure its link first`);
  return { after: { ...now, bound: [...minus(now.bound, [one.address]), ...(bound ? [one.address] : [])] }, functions: [one.address] };
}

/**
 * Writes `sriov_numvfs`: 0 and then the count, as a kernel demands, so that all of them are made anew. No link follows: what a stream covers was fixed
 * when it was secured.
 */
export function planVirtual(host: HostDescription, now: HostState, one: FunctionDescription, count: number): StateChange {
  refuseAbsent(now, one.address);
  const { virtualFunctions: all } = one;
  if (all.length === 0) throw invalid(`${one.address} has no virtual functions; name a physical function whose description has vfs`);
  if (count > all.length) throw invalid(`--count is ${count}: ${one.address} has ${all.length} virtual functions at most`);
  const present = all.filter((address) => !(address in now.unplugged));
  if (count === present.length && present.every((address, index) => address === all[index])) return { after: now, functions: [] };
  const holder = now.holders.find(({ address }) => all.includes(address));
  if (holder !== undefined) throw invalid(`${holder.address} is held open by process ${holder.pid}; unhold it first`);
  const gone = Object.fromEntries(all.slice(count).map((address) => [address, address]));
  const drivers = Object.fromEntries(host.functions.filter(({ address }) => all.includes(address)).map(({ address, driver }) => [address, driver]));
  const after = {
    ...now,
    unplugged: { ...omit(now.unplugged, all), ...gone },
    drivers: { ...now.drivers, ...drivers },
    overrides: omit(now.overrides, all),
    bound: minus(now.bound, all),
  };
  return { after, functions: [...all, one.address] };
}

/** How many streams a host bridge has left from now on. `name`: null where the host has but one with links. */
export function planStreams(host: HostDescription, now: HostState, name: string | null, left: number): StateChange {
  if (host.tsm === null) throw invalid("this simulated host has no TSM, so that no link takes a stream");
  const owners = host.functions.filter((one) => hasLink(one) && !isBridge(one));
  const names = [...new Set(owners.map(({ hostBridge }) => hostBridge))].sort();
  const hostBridge = name ?? (names.length === 1 ? names[0] : undefined);
  if (hostBridge === undefined) throw invalid(`--host-bridge is (missing): this host has several, write one of ${names.join(", ")}`);
  if (!names.includes(hostBridge)) throw invalid(`--host-bridge is "${hostBridge}": write one of ${names.join(", ")}`);
  const streamPools = { ...now.streamPools, [hostBridge]: streamsUsedAt(host, now, hostBridge) + left };
  const affected = owners.filter((one) => one.hostBridge === hostBridge && !(one.address in now.unplugged));
  return { after: { ...now, streamPools }, functions: affected.map(({ address }) => address) };
}
