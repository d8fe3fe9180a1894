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
}

/** One look: what is there, and the newest record that was read. */
export interface Look extends Registration {
  readonly newest: number | null;
}

const BEFORE_ALL = -1;

/**
 * The driver logs a load's SETUPs while its device is there and before its TSM is. So when another load or another TSM is seen, or none, whatever had
 * been read before is of one that is over. A device without a TSM may be one in the middle of its SETUPs: their lines count as soon as it has one.
 */
export function remember(past: Past | null, { newest, ...registration }: Look): Past {
  // At the first look the lines may be of any load.
  const { over, isWatched } = past === null ? { over: BEFORE_ALL, isWatched: false } : since(past, registration);
  return { registration, newest, over: over ?? newest, isWatched };
}

function since(past: Past, registration: Registration): Pick<Past, "over" | "isWatched"> {
  return isContinued(past.registration, registration) ? past : { over: past.newest, isWatched: true };
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
