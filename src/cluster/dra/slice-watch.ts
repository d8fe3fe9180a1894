// SPDX-License-Identifier: Apache-2.0
import type { Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { RunAgain } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { SerialQueue } from "../../runtime/serial.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { createReflector } from "../watch/reflector.ts";
import { DRA_API_VERSION, listFailureHandler, SLICES_PATH } from "./api.ts";
import type { ForeignDevice } from "./port.ts";
import type { SeenSlices } from "./seen-slices.ts";
import { type KeptSlice, keptSlice, ourSlice } from "./slice-object.ts";

export interface SliceWatchOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told of our slices. */
  readonly seen: SeenSlices;
  /** No request about a slice is under way while a list is (seen-slices.ts). */
  readonly turns: SerialQueue;
  /** After each list and each event, and when lists begin to fail. */
  readonly onChange: (what: "Listed" | "Event" | "Unreadable") => void;
}

export type WatchedState = { readonly kind: "Unknown" | "Read" } | { readonly kind: "Unreadable"; readonly why: string };

export interface SliceWatch {
  /** One list or one watch, to its end (reflector.ts). */
  step(signal: AbortSignal): Promise<RunAgain>;
  /** `Unknown`: not listed yet. */
  state(): WatchedState;
  foreign(): readonly ForeignDevice[];
}

/** Slices of this node, ours and those of other drivers. */
export function createSliceWatch({ client, node, clock, random, log, seen, turns, onChange }: SliceWatchOptions): SliceWatch {
  let state: WatchedState = { kind: "Unknown" };
  let all: ReadonlyMap<string, KeptSlice> = new Map();
  let isListing = false;

  const reflector = createReflector<KeptSlice>({
    client,
    watched: { path: SLICES_PATH, apiVersion: DRA_API_VERSION, query: { fieldSelector: `spec.nodeName=${node}` } },
    clock,
    random,
    log,
    select: (object) => keptSlice(object, node),
    onChange(kept, keys) {
      all = kept;
      state = { kind: "Read" };
      if (isListing) seen.listed([...kept.values()].map(ourSlice).filter((slice) => slice !== null));
      else for (const key of keys) seen.shown(key, ourSlice(kept.get(key)));
      onChange(isListing ? "Listed" : "Event");
    },
    onListFailure: listFailureHandler({
      what: "slices",
      random,
      log,
      shown: () => (state.kind === "Unreadable" ? state.why : null),
      show(why) {
        state = { kind: "Unreadable", why };
        onChange("Unreadable");
      },
    }),
    aroundList: (list) =>
      turns.run(async () => {
        isListing = true;
        try {
          return await list();
        } finally {
          isListing = false;
        }
      }),
  });

  return {
    step: (signal) => reflector.step(signal),
    state: () => state,
    foreign: () => [...all.values()].flatMap((one) => (one.kind === "Foreign" ? one.devices : [])),
  };
}
