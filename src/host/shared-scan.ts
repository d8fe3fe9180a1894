// SPDX-License-Identifier: Apache-2.0

/**
 * One scan of all processes for everything that asks at about the same time. On a host with 300,000 open files one takes most of a second of CPU, so
 * what is known is used again: for as long as a multiple of what it took, and never longer than a second.
 */
import type { Clock } from "../runtime/clock.ts";
import type { HolderScan } from "./holders.ts";

export interface SharedScan {
  /** A scan that began after this call. */
  fresh(): Promise<HolderScan>;
  /** The same, unless scanning is dear: then one that began at most a second ago. */
  thrifty(): Promise<HolderScan>;
  /** A whole scan that began at most a second ago, if there is one within `waitMs`; else Unreadable. The search goes on for the next caller. */
  recent(waitMs: number): Promise<HolderScan>;
}

const MOST_AGE_MS = 1_000;
/** Scanning takes about a twentieth of the time at most. */
const AGE_PER_COST = 20;

interface Search {
  readonly beganMs: number;
  readonly scan: Promise<HolderScan>;
}

interface Done {
  readonly beganMs: number;
  readonly tookMs: number;
  readonly scan: HolderScan;
}

export function createSharedScan(clock: Clock, search: () => Promise<HolderScan>): SharedScan {
  let running: Search | null = null;
  let next: Promise<HolderScan> | null = null;
  let last: Done | null = null;

  const start = (): Promise<HolderScan> => {
    const beganMs = clock.nowMs();
    const scan = search().then((done) => {
      last = { beganMs, tookMs: clock.nowMs() - beganMs, scan: done };
      running = null;
      return done;
    });
    running = { beganMs, scan };
    return scan;
  };

  /** At most one runs and one waits. */
  const fresh = (): Promise<HolderScan> => {
    if (running === null) return start();
    next ??= running.scan.then(() => {
      next = null;
      return start();
    });
    return next;
  };

  /** The last one, if it is whole and no older than this. */
  const known = (mostMs: number): HolderScan | null => {
    if (last === null || last.scan.kind !== "Known") return null;
    return clock.nowMs() - last.beganMs <= mostMs ? last.scan : null;
  };

  const young = (): Promise<HolderScan> => {
    const isYoung = running !== null && clock.nowMs() - running.beganMs <= MOST_AGE_MS;
    return isYoung && running !== null ? running.scan : fresh();
  };

  return {
    fresh,
    thrifty: async () => known(Math.min(MOST_AGE_MS, (last?.tookMs ?? 0) * AGE_PER_COST)) ?? (await fresh()),
    recent: async (waitMs) => known(MOST_AGE_MS) ?? (await within(clock, waitMs, young())),
  };
}

function within(clock: Clock, waitMs: number, scan: Promise<HolderScan>): Promise<HolderScan> {
  return new Promise((resolve) => {
    const why = `the open files of all processes could not be read within ${waitMs} ms`;
    const timer = clock.after(waitMs, () => resolve({ kind: "Unreadable", why }));
    void scan.then((value) => {
      timer.stop();
      resolve(value);
    });
  });
}
