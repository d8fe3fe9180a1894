// SPDX-License-Identifier: Apache-2.0
import type { Addon } from "../../native/addon.ts";
import { DEVICE } from "./device.ts";

/** How often the kernel's driver came: a look sees only the last of several loads. */
export interface Arrivals {
  /** Since the last time, or since the opening; null when that is not known, and then no load counts as watched. */
  take(): number | null;
}

/** Counts by the kernel's news, from now on. A process that may not hear them knows nothing. */
export function openArrivals(addon: Pick<Addon, "openArrivals" | "takeArrivals">): Arrivals {
  const fd = orNull(() => addon.openArrivals(DEVICE.replace(/^sys/, "")));
  return {
    take() {
      const count = fd === null ? null : orNull(() => addon.takeArrivals(fd));
      return count === null || count < 0 ? null : count;
    },
  };
}

/** Whatever failed, the answer is the same: not known. */
function orNull(ask: () => number): number | null {
  try {
    return ask();
  } catch {
    return null;
  }
}
