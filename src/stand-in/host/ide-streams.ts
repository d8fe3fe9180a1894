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
}

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
  const { streaming, connected, lastRids } = hostIn.state;
  if (streaming.includes(one.address)) {
    const partner = requesterIdOf((rootPortOf(hostIn.byAddress, one) ?? one).address);
    return [{ block: 0, rids: { first: partner, last: partner } }];
  }
  if (!isBridge(one)) return [];
  return [...new Set([...streaming, ...connected])].flatMap((address) => {
    const endpoint = hostIn.byAddress.get(address);
    if (endpoint === undefined || rootPortOf(hostIn.byAddress, endpoint) !== one) return [];
    const first = requesterIdOf(address);
    return [{ block: blockAt(hostIn, one, endpoint), rids: { first, last: lastRids[address] ?? first } }];
  });
}

/** As the kernel names the stream of a connected function 0 at its host bridge; null while it has none. */
export function streamNameOf(hostIn: SecuredHost, one: FunctionDescription): string | null {
  if (!hostIn.state.connected.includes(one.address)) return null;
  const port = rootPortOf(hostIn.byAddress, one);
  if (port === null) return null;
  const bridges = [...new Set(hostIn.host.functions.map(({ hostBridge }) => hostBridge))].sort();
  return `stream${bridges.indexOf(one.hostBridge)}.${blockAt(hostIn, port, one)}.0`;
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

/** The block of a root port that is a device's: one for function 0 of each below it, in the order of the description. */
function blockAt({ host, byAddress }: SecuredHost, port: FunctionDescription, endpoint: FunctionDescription): number {
  const isEndpoint = (one: FunctionDescription): boolean => one.physicalFunction === null && one.address.endsWith(".0") && !isBridge(one);
  return host.functions.filter((one) => isEndpoint(one) && rootPortOf(byAddress, one) === port).indexOf(endpoint);
}
