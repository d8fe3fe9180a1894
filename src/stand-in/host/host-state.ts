// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";
import { freeBlockOf, lastRidOf } from "./ide-streams.ts";

/** Device nodes as empty files, or as character devices (of /dev/null; needs root), which a container runtime insists on. */
export type DeviceNodes = "Files" | "Characters";

/** A scripted answer of the TSM to `tsm/connect` or `tsm/disconnect`. */
export interface LinkFault {
  readonly address: Address;
  /** Null: only the delay, then the TSM's own answer. */
  readonly errno: string | null;
  readonly delayMs: number;
  /** How many writes it answers; null: all. */
  readonly times: number | null;
}

/** What has happened to a simulated host since it was described. Plain JSON. */
export interface HostState {
  readonly bootId: string;
  readonly deviceNodes: DeviceNodes;
  /** Functions that are off the bus, each with the one whose removal took it along (itself, its bridge, its physical function). */
  readonly unplugged: Readonly<Record<Address, Address>>;
  readonly drivers: Readonly<Record<Address, string | null>>;
  /** `driver_override` of functions that have one. */
  readonly overrides: Readonly<Record<Address, string>>;
  /** `N` of `vfioN`, kept for ever, as a function that comes back is recognised by it. */
  readonly vfioNumbers: Readonly<Record<Address, number>>;
  /** Functions 0 whose IDE stream registers are on, and those a TSM has connected. They differ after a reset. */
  readonly streaming: readonly Address[];
  readonly connected: readonly Address[];
  /** Requester ID of the last function that the stream of each function 0 covers, fixed when it is secured. */
  readonly lastRids: Readonly<Record<Address, number>>;
  /** Register block of the root port that the stream of each function 0 has, fixed when it is secured. */
  readonly blocks: Readonly<Record<Address, number>>;
  /** How many streams host bridges have in all, by kernel name; one that is not here does not say. */
  readonly streamPools: Readonly<Record<string, number>>;
  /** What the TSM answers to the next writes of a function's link, in order. */
  readonly linkFaults: readonly LinkFault[];
  /** Functions with a bound TDI. */
  readonly bound: readonly Address[];
  readonly lostUnits: readonly string[];
  readonly holders: readonly { readonly pid: number; readonly address: Address }[];
}

/** The state in which a described host starts (again): drivers bound and links secured as described. */
export function initialState(host: HostDescription, given: { bootId: string; deviceNodes: DeviceNodes }): HostState {
  const drivers = Object.fromEntries(host.functions.map((one) => [one.address, one.driver]));
  const slots = host.functions.filter((one) => one.secured);
  const secured = slots.map((one) => one.address);
  const vfio = host.functions.filter((one) => isVfioDriver(one.driver)).map((one, index) => [one.address, index]);
  return {
    ...given,
    unplugged: {},
    drivers,
    overrides: {},
    vfioNumbers: Object.fromEntries(vfio),
    streaming: secured,
    connected: host.tsm === null ? [] : secured,
    lastRids: Object.fromEntries(slots.map((one) => [one.address, lastRidOf(host, { unplugged: {} }, one)])),
    blocks: firstBlocks(host, slots),
    streamPools: {},
    linkFaults: [],
    bound: [],
    lostUnits: [],
    holders: [],
  };
}

/** Of links that are secured from the start, in order of the description. */
function firstBlocks(host: HostDescription, slots: readonly FunctionDescription[]): Readonly<Record<Address, number>> {
  const blocks: Record<Address, number> = {};
  for (const one of slots) blocks[one.address] = freeBlockOf(host, { streaming: Object.keys(blocks), connected: [], blocks }, one) ?? 0;
  return blocks;
}

/** True for vfio-pci and its variants. */
export function isVfioDriver(driver: string | null | undefined): boolean {
  return driver?.includes("vfio") ?? false;
}

/** `vfioN` of a function that a vfio driver holds, else null. */
export function vfioNameOf(state: HostState, address: Address): string | null {
  const number = state.vfioNumbers[address];
  return isVfioDriver(state.drivers[address]) && number !== undefined ? `vfio${number}` : null;
}
