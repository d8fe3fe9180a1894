// SPDX-License-Identifier: Apache-2.0

/** IDE streams of a simulated host: one for each slot that is secured, between block 0 of its function 0 and a block of the root port that is its own. */
import { requesterIdOf } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import type { RidRange } from "../../domain/slot.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";

/** What of a host's state its streams follow from: see `HostState`. */
interface Secured {
  readonly streaming: readonly Address[];
  readonly connected: readonly Address[];
  readonly lastRids: Readonly<Record<Address, number>>;
}

interface SecuredHost {
  readonly host: HostDescription;
  readonly state: Secured;
}

/** A register block that is on, and the requester IDs of the partner. */
export interface StreamBlock {
  readonly block: number;
  readonly rids: RidRange;
}

/** Blocks of the function that are on. A reset turns off those of the endpoint; nothing tells the root port. */
export function blocksOf({ host, state }: SecuredHost, one: FunctionDescription): readonly StreamBlock[] {
  const partner = rootPortOf(host, one) ?? one;
  if (state.streaming.includes(one.address)) return [{ block: 0, rids: only(requesterIdOf(partner.address)) }];
  return endpointsBelow(host, one.address).flatMap((endpoint, block) => {
    const isOn = state.streaming.includes(endpoint.address) || state.connected.includes(endpoint.address);
    return isOn
      ? [{ block, rids: { first: requesterIdOf(endpoint.address), last: state.lastRids[endpoint.address] ?? requesterIdOf(endpoint.address) } }]
      : [];
  });
}

/** As the kernel names the stream of a connected function 0 at its host bridge; null while it has none. */
export function streamNameOf({ host, state }: SecuredHost, one: FunctionDescription): string | null {
  const port = rootPortOf(host, one);
  if (port === null || !state.connected.includes(one.address)) return null;
  const bridges = [...new Set(host.functions.map(({ hostBridge }) => hostBridge))].sort();
  const block = endpointsBelow(host, port.address).findIndex(({ address }) => address === one.address);
  return `stream${bridges.indexOf(one.hostBridge)}.${block}.0`;
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
export function rootPortOf(host: HostDescription, one: FunctionDescription): FunctionDescription | null {
  const above = host.functions.find(({ address }) => address === one.bridge);
  return above === undefined ? null : (rootPortOf(host, above) ?? above);
}

/** Function 0 of each device below a root port, in the order of the description: the numbers of their blocks. */
function endpointsBelow(host: HostDescription, port: Address): readonly FunctionDescription[] {
  const isEndpoint = (one: FunctionDescription): boolean =>
    one.physicalFunction === null && one.address.endsWith(".0") && !one.class.startsWith("0604");
  return host.functions.filter((one) => isEndpoint(one) && rootPortOf(host, one)?.address === port);
}

function only(id: number): RidRange {
  return { first: id, last: id };
}
