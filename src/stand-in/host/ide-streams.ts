// SPDX-License-Identifier: Apache-2.0

/**
 * IDE streams of a simulated host: one for each slot that is secured, between block 0 of its function 0 and a block of the root port that is its own.
 */
import { requesterIdOf } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import { isBridge, type RidRange } from "../../domain/slot.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";

/** What of a host's state its streams follow from: see `HostState`. */
interface Secured {
  readonly streaming: readonly Address[];
  readonly connected: readonly Address[];
  readonly lastRids: Readonly<Record<Address, number>>;
  readonly blocks: Readonly<Record<Address, number>>;
}

type Taken = Pick<Secured, "streaming" | "connected" | "blocks">;

type ByAddress = ReadonlyMap<Address, FunctionDescription>;

interface SecuredHost {
  readonly host: HostDescription;
  readonly state: Secured;
  readonly byAddress: ByAddress;
}

/** A register block that is on, and the requester IDs of the partner. */
export interface StreamBlock {
  readonly block: number;
  readonly rids: RidRange;
}

/** Blocks of the function that are on. A reset turns off those of the endpoint; nothing tells the root port. */
export function blocksOf(hostIn: SecuredHost, one: FunctionDescription): readonly StreamBlock[] {
  const { streaming, lastRids } = hostIn.state;
  if (streaming.includes(one.address)) {
    const partner = requesterIdOf((rootPortOf(hostIn.byAddress, one) ?? one).address);
    return [{ block: 0, rids: { first: partner, last: partner } }];
  }
  if (!isBridge(one)) return [];
  return streamsOf(hostIn.state).flatMap((address) => {
    const endpoint = hostIn.byAddress.get(address);
    if (endpoint === undefined || rootPortOf(hostIn.byAddress, endpoint) !== one) return [];
    const first = requesterIdOf(address);
    return [{ block: blockAt(hostIn, endpoint), rids: { first, last: lastRids[address] ?? first } }];
  });
}

/** As the kernel names the stream of a connected function 0 at its host bridge; null while it has none. */
export function streamNameOf(hostIn: SecuredHost, one: FunctionDescription): string | null {
  if (!hostIn.state.connected.includes(one.address)) return null;
  if (rootPortOf(hostIn.byAddress, one) === null) return null;
  const bridges = [...new Set(hostIn.host.functions.map(({ hostBridge }) => hostBridge))].sort();
  return `stream${bridges.indexOf(one.hostBridge)}.${blockAt(hostIn, one)}.0`;
}

/** Requester ID of the last function that a stream made now covers: function 0, or its last virtual function on the bus. */
export function lastRidOf(
  host: HostDescription,
  state: { readonly unplugged: Readonly<Record<Address, Address>> },
  one: FunctionDescription,
): number {
  const virtual = host.functions.filter((other) => other.physicalFunction === one.address && !(other.address in state.unplugged));
  return Math.max(requesterIdOf(one.address), ...virtual.map(({ address }) => requesterIdOf(address)));
}

/** Null: it is on the root bus. */
export function rootPortOf(byAddress: ByAddress, one: FunctionDescription): FunctionDescription | null {
  const above = one.bridge === null ? undefined : byAddress.get(one.bridge);
  return above === undefined ? null : (rootPortOf(byAddress, above) ?? above);
}

/** The block of the root port that a device's stream has. */
function blockAt({ state }: SecuredHost, endpoint: FunctionDescription): number {
  return state.blocks[endpoint.address] ?? 0;
}

/** The first block of the root port above that no stream has; null when all have one. A root port without IDE has no blocks to run out of. */
export function freeBlockOf(host: HostDescription, state: Taken, one: FunctionDescription): number | null {
  const byAddress = new Map(host.functions.map((other) => [other.address, other]));
  const port = rootPortOf(byAddress, one);
  if (port === null || port.image !== null || port.ideStreams === 0) return 0;
  const isBeside = (address: Address): boolean => {
    const other = byAddress.get(address);
    return other !== undefined && other !== one && rootPortOf(byAddress, other) === port;
  };
  const taken = new Set(
    streamsOf(state)
      .filter(isBeside)
      .map((address) => state.blocks[address] ?? 0),
  );
  const free = Array.from({ length: port.ideStreams }, (_, block) => block).find((block) => !taken.has(block));
  return free ?? null;
}

/** Function 0 of each slot that has a stream, lost or not. */
function streamsOf({ streaming, connected }: Pick<Secured, "streaming" | "connected">): readonly Address[] {
  return [...new Set([...streaming, ...connected])];
}

export function streamsUsedAt(host: HostDescription, state: Taken, hostBridge: string): number {
  const taken = new Set(streamsOf(state));
  return host.functions.filter((one) => one.hostBridge === hostBridge && taken.has(one.address)).length;
}

/** `available_secure_streams` of a host bridge; null: it does not say. */
export function streamsLeftAt(
  host: HostDescription,
  state: Taken & { readonly streamPools: Readonly<Record<string, number>> },
  hostBridge: string,
): number | null {
  const all = state.streamPools[hostBridge];
  return all === undefined ? null : Math.max(0, all - streamsUsedAt(host, state, hostBridge));
}
