// SPDX-License-Identifier: Apache-2.0

/**
 * Slices of ours as the watch shows them, and ahead of it as the API server answered our own writes. Plain values, no effects.
 *
 *   watch ──► shown ─┐
 *                    ├─► all
 *   answers ► ahead ─┘
 *
 * Resource versions are compared for equality only, which every Kubernetes allows. That is enough, because a watch shows each state of an object in
 * turn: what it shows before the state that we were answered is older than that, and what comes after is newer. A list does not show each state. So no
 * request may be under way during one: then a list is newer than every answer before it.
 */
import type { SeenSlice } from "../../domain/dra/slices.ts";

export interface SeenSlices {
  /** All that a list showed. */
  listed(slices: readonly SeenSlice[]): void;
  /** An event of the watch; null: it is deleted. */
  shown(name: string, slice: SeenSlice | null): void;
  /** A request about it begins, one at a time. To be called before it is sent. */
  asked(name: string): void;
  /** How the API server has it now; null: it has none of that name. To be called after `asked`. */
  answered(name: string, slice: SeenSlice | null): void;
  /** As far as it is known, in order of name. */
  all(): readonly SeenSlice[];
}

/** `uid`: of the object that is gone, when `slice` is null. */
interface Ahead {
  readonly slice: SeenSlice | null;
  readonly uid: string;
}

/** What the watch has shown of an object since a request about it began: its answer may come after the event that it caused. */
interface Trail {
  readonly name: string;
  /** Of the object that was known then; null: none was. */
  readonly uid: string | null;
  readonly versions: Set<string>;
  readonly gone: Set<string>;
}

export function createSeenSlices(): SeenSlices {
  const shown = new Map<string, SeenSlice>();
  const ahead = new Map<string, Ahead>();
  let trail: Trail | null = null;

  return {
    listed(slices) {
      shown.clear();
      ahead.clear();
      trail = null;
      for (const slice of slices) shown.set(slice.name, slice);
    },

    shown(name, slice) {
      const before = shown.get(name);
      if (slice === null) shown.delete(name);
      else shown.set(name, slice);
      const goneUid = slice === null ? (before?.uid ?? null) : null;
      if (trail?.name === name) {
        if (slice !== null) trail.versions.add(slice.resourceVersion);
        if (goneUid !== null) trail.gone.add(goneUid);
      }
      const waiting = ahead.get(name);
      if (waiting === undefined) return;
      const isReached = waiting.slice === null ? goneUid === waiting.uid : slice?.resourceVersion === waiting.slice.resourceVersion;
      if (isReached) ahead.delete(name);
    },

    asked(name) {
      const now = shown.get(name);
      const uid = (ahead.get(name) ?? now)?.uid ?? null;
      trail = { name, uid, versions: new Set(now === undefined ? [] : [now.resourceVersion]), gone: new Set() };
    },

    answered(name, slice) {
      const since = trail?.name === name ? trail : null;
      trail = null;
      if (slice !== null) {
        // A write that changes nothing is answered with the version that was there before.
        if (since?.versions.has(slice.resourceVersion)) ahead.delete(name);
        else ahead.set(name, { slice, uid: slice.uid });
        return;
      }
      // An object that has come into view only since then may be newer than the answer.
      const uid = since?.uid ?? null;
      if (uid === null || since?.gone.has(uid)) ahead.delete(name);
      else ahead.set(name, { slice, uid });
    },

    all() {
      const whole = new Map<string, SeenSlice | null>(shown);
      for (const [name, { slice }] of ahead) whole.set(name, slice);
      return [...whole.values()].filter((slice) => slice !== null).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
  };
}
