// SPDX-License-Identifier: Apache-2.0

/** What must be known over time to tell a line of the present load from one of a load that is over: the log keeps both. Pure. */

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
}

const BEFORE_ALL = -1;

/**
 * The driver logs a load's SETUPs while its device is there and before its TSM is. So when another load or another TSM is seen, or none, whatever had
 * been read before is of one that is over. A device without a TSM may be one in the middle of its SETUPs: their lines count as soon as it has one.
 */
export function remember(past: Past | null, registration: Registration, newest: number | null): Past {
  const over = past === null ? BEFORE_ALL : isContinued(past.registration, registration) ? past.over : past.newest;
  return { registration, newest, over: over ?? newest };
}

function isContinued(before: Registration, now: Registration): boolean {
  return before.load !== null && before.load === now.load && (before.tsm === null || before.tsm === now.tsm);
}
