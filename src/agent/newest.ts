// SPDX-License-Identifier: Apache-2.0

/**
 * The newest readings of the table and of the host, in one place: several jobs read them side by side, and whatever lists or judges does so by these.
 * Newer is what began later: a slow reading that began before another one ended must not take its place.
 */
import type { HostView } from "../domain/host.ts";
import type { DriverView, Reading } from "../domain/view.ts";
import type { HostLook } from "../host/port.ts";

export interface Newest {
  /** Reads the table, and notes it unless a reading that began later is there. @returns what this call read */
  readDriver(): Promise<Reading<DriverView>>;
  /** Without `look`: as for SETUP, links and no holders. */
  readHost(look?: HostLook): Promise<Reading<HostView>>;
  /** Null before the first reading. */
  driver(): Reading<DriverView> | null;
  host(): Reading<HostView> | null;
}

export interface NewestOptions {
  readonly readDriver: () => Promise<Reading<DriverView>>;
  readonly readHost: (look?: HostLook) => Promise<Reading<HostView>>;
}

export function createNewest({ readDriver, readHost }: NewestOptions): Newest {
  const driver = newestOf(readDriver);
  const host = newestOf(readHost);
  return { readDriver: driver.read, readHost: host.read, driver: driver.value, host: host.value };
}

function newestOf<A extends readonly unknown[], T>(
  read: (...args: A) => Promise<T>,
): { readonly read: (...args: A) => Promise<T>; readonly value: () => T | null } {
  let begun = 0;
  let newest: { readonly begun: number; readonly value: T } | null = null;
  return {
    async read(...args: A) {
      begun += 1;
      const mine = begun;
      const value = await read(...args);
      if (newest === null || newest.begun < mine) newest = { begun: mine, value };
      return value;
    },
    value: () => newest?.value ?? null,
  };
}
