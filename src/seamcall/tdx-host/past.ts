// SPDX-License-Identifier: Apache-2.0

/** What must be known over time to tell a line of the present load from one of a load that is over: the log keeps both. Pure. */
import type { WatchedLoad } from "./watched-load.ts";

/** Which load of the driver is there, and which registration of its TSM: each directory in sysfs has a number that no other one gets in this boot. */
export interface Registration {
  /** Of `/sys/devices/faux/tdx_host`; null when it is not there. */
  readonly load: bigint | null;
  readonly tsm: bigint | null;
}

/** One look at log and driver, as the next one has to know it. */
export interface Past {
  readonly registration: Registration;
  /** The newest record that had been read while that was there; null: the log could not be read. */
  readonly newest: number | null;
  /** Records up to this one are of loads that are over; null while that is not known, and then none proves anything. */
  readonly over: number | null;
  /** What was there before this load was seen, by this process or an earlier one: all that was logged after `over` is this load's. */
  readonly isWatched: boolean;
  /** Loads that began since something else was seen; null when that is not known. */
  readonly arrived: number | null;
}

/** One look: what is there, the newest record that was read, and how many loads began since the look before. */
export interface Look extends Registration {
  readonly newest: number | null;
  readonly arrived: number | null;
}

const BEFORE_ALL = -1;

/**
 * The driver logs a load's SETUPs while its device is there and before its TSM is. So when another load or another TSM is seen, or none, whatever had
 * been read before is of one that is over. A device without a TSM may be one in the middle of its SETUPs: their lines count as soon as it has one.
 */
export function remember(past: Past | null, look: Look): Past {
  const { newest, arrived, ...registration } = look;
  // At the first look the lines may be of any load.
  const known = past === null ? { over: BEFORE_ALL, isWatched: false, arrived } : since(past, look);
  return { ...known, registration, newest, over: known.over ?? newest };
}

/** More than one load may have come and gone between two looks, when the agent was stopped for a while: then their lines cannot be parted. */
function since(past: Past, look: Look): Pick<Past, "over" | "isWatched" | "arrived"> {
  if (!isContinued(past.registration, look)) {
    // One that was seen without its TSM may have logged more since.
    const wasSettingUp = past.registration.load !== null && past.registration.tsm === null && look.load !== past.registration.load;
    return { over: past.newest, arrived: look.arrived, isWatched: isOne(look.arrived) && !(wasSettingUp && look.load !== null) };
  }
  // With its TSM there, nothing that came before it is still to be told.
  if (past.registration.tsm !== null) return past;
  const arrived = sumOf(past.arrived, look.arrived);
  return { over: past.over, arrived, isWatched: past.isWatched && isOne(arrived) };
}

/** None: the same load again, with another TSM. */
function isOne(arrived: number | null): boolean {
  return arrived !== null && arrived <= 1;
}

export function sumOf(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

/** What is known when an earlier process of this boot had watched these loads: of the load that is there, more than this one has seen. */
export function believe(past: Past, watched: readonly WatchedLoad[]): Past {
  const { load, tsm } = past.registration;
  const known = past.isWatched ? undefined : watched.find((one) => one.load === load && one.tsm === tsm);
  return known ? { ...past, over: known.over, isWatched: true } : past;
}

/** The load that is there, when it was watched from its start and has its TSM: what the next process may rely on. */
export function watchedLoad(past: Past | null): WatchedLoad | null {
  if (past === null || !past.isWatched || past.over === null) return null;
  const { load, tsm } = past.registration;
  return load === null || tsm === null ? null : { load, tsm, over: past.over };
}

function isContinued(before: Registration, now: Registration): boolean {
  return before.load !== null && before.load === now.load && (before.tsm === null || before.tsm === now.tsm);
}
