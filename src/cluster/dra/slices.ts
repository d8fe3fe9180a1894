// SPDX-License-Identifier: Apache-2.0

/**
 * This node's ResourceSlices: kept as they are to be, whoever changes or deletes them. Kubelet deletes them all at its start, late, and again.
 *
 *   watch ──► seen ──► planSlices(wanted) ──► writer: one write at a time
 *                  ▲                                  │
 *                  └────────── its answer ◄───────────┘
 */
import type { Address } from "../../domain/device.ts";
import { droppedText } from "../../domain/dra/dropped-text.ts";
import type { Pool } from "../../domain/dra/pool.ts";
import { listedIn, planSlices, poolsProblem, type SliceWrite } from "../../domain/dra/slices.ts";
import type { Reading } from "../../domain/view.ts";
import type { BackoffPolicy, Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Jobs, LoopJob } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import { createSerialQueue } from "../../runtime/serial.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { STEP_BOUND_MS } from "../watch/reflector.ts";
import { afterAnswer } from "./dropped.ts";
import type { SlicesPort, SlicesView } from "./port.ts";
import { createSeenSlices } from "./seen-slices.ts";
import { createSliceRequests, type Owner } from "./slice-requests.ts";
import { createSliceWatch } from "./slice-watch.ts";
import { createSliceWriter } from "./slice-writer.ts";

export interface SlicesOptions {
  readonly client: ApiClient;
  readonly node: string;
  /** The Node object, asked before a slice is made; null: not to be had, and slices then have no owner. */
  readonly owner: () => Promise<Owner | null>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Slices {
  readonly port: SlicesPort;
  /** Begins to watch and to write. Both end with `jobs`. */
  start(jobs: Jobs): void;
}

const BACKOFF: BackoffPolicy = { minMs: 1000, maxMs: 30_000, jitter: 0.5 };
/** Two who write against each other do not keep the API server busy. */
const WRITE_EVERY_MS = 100;
const WRITE_BOUND_MS = 600_000;

export function createSlices({ client, node, owner, clock, random, log }: SlicesOptions): Slices {
  const listeners = new Set<() => void>();
  const seen = createSeenSlices();
  const turns = createSerialQueue();
  let wanted: readonly Pool[] | null = null;
  /** Of what is wanted. */
  let withdrawn = "";
  /** Devices of earlier pools of which a write may be without an answer. */
  let before: ReadonlySet<Address> = new Set();
  let dropped: ReadonlySet<string> = new Set();
  /** The same, as the log has it: not forgotten with a list. */
  let said: ReadonlySet<string> = new Set();
  /** Made when it is asked for; null after each change. */
  let view: Reading<SlicesView> | null = null;
  let writing: LoopJob | null = null;

  const changed = (): void => {
    view = null;
    for (const listener of listeners) listener();
  };

  const onChange = (what: "Listed" | "Event" | "Unreadable"): void => {
    // A server that was upgraded meanwhile may keep them: they are tried once more.
    if (what === "Listed") dropped = new Set();
    changed();
    writing?.wake();
  };
  const watch = createSliceWatch({ client, node, clock, random, log, seen, turns, onChange });

  const plan = (): readonly SliceWrite[] => (wanted === null || watch.state().kind !== "Read" ? [] : planSlices(node, wanted, seen.all(), dropped));

  const onWritten = (sent: object, kept: unknown): void => {
    dropped = afterAnswer(dropped, sent, kept);
    const news = [...afterAnswer(said, sent, kept)].filter((field) => !said.has(field));
    if (news.length > 0) log.warn({ fields: news }, droppedText(news));
    said = afterAnswer(said, sent, kept);
  };
  const requests = createSliceRequests(client, node, owner);
  const writer = createSliceWriter({ requests, seen, turns, log, wanted: () => wanted, plan, onWritten, changed });

  const viewNow = (): SlicesView => ({
    listed: listedIn(seen.all()),
    asked: [...new Set([...addressesOf(wanted), ...(writer.isSettled() ? [] : before)])].toSorted(),
    foreign: watch.foreign(),
    dropped: [...dropped].toSorted(),
    asPublished: wanted !== null && writer.isSettled() && plan().length === 0,
    withdrawn,
    problem: writer.problem(),
  });

  const port: SlicesPort = {
    publish(pools) {
      if (JSON.stringify(pools) === JSON.stringify(wanted)) return;
      before = new Set(writer.isSettled() ? [] : [...before, ...addressesOf(wanted)]);
      wanted = pools;
      const problem = poolsProblem(pools ?? []);
      if (problem !== "" && problem !== withdrawn) log.warn({ why: problem }, "pools withdrawn");
      withdrawn = problem;
      changed();
      writing?.wakeNow();
    },
    current() {
      const state = watch.state();
      if (state.kind === "Unreadable") return state;
      if (state.kind === "Unknown") return null;
      view ??= { kind: "Read", value: viewNow() };
      return view;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };

  return {
    port,
    start(jobs) {
      const loop = { everyMs: null, backoff: BACKOFF };
      const writes = { ...loop, minIntervalMs: WRITE_EVERY_MS, startAwake: false, boundMs: WRITE_BOUND_MS };
      const watches = { ...loop, minIntervalMs: 0, startAwake: true, boundMs: STEP_BOUND_MS };
      writing = jobs.loop("slices", writes, (signal) => writer.run(signal));
      jobs.loop("slices-watch", watches, (signal) => watch.step(signal));
    },
  };
}

function addressesOf(pools: readonly Pool[] | null): readonly Address[] {
  return (pools ?? []).flatMap(({ devices }) => devices.map(({ address }) => address));
}
