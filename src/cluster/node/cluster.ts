// SPDX-License-Identifier: Apache-2.0

/**
 * The API server as the agent sees it: its one TrustedIommu, its status, its node's pods; with DRA also its node's slices and claims.
 *
 *   reflector ──► held ──► IntentPort      ApiClient ◄── status · events · pods · slices · claims
 */
import { API_VERSION, GROUP, TRUSTED_IOMMU, VERSION } from "../../api/names.ts";
import type { BackoffPolicy, Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { createJobs, type Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Rate } from "../../runtime/token-bucket.ts";
import { createClaims } from "../dra/claims.ts";
import { nodeOwner } from "../dra/node-owner.ts";
import type { ClaimsPort, SlicesPort } from "../dra/port.ts";
import { createSlices } from "../dra/slices.ts";
import type { IntentPort, NodePodsPort, StatusPort } from "../port.ts";
import { createApiClient } from "../transport/api-client.ts";
import type { ApiAccess } from "../transport/credentials.ts";
import { createReflector, STEP_BOUND_MS } from "../watch/reflector.ts";
import { createEventQueue } from "./events.ts";
import { type Held, hold, saysTheSame } from "./held-object.ts";
import { createNodePods } from "./node-pods.ts";
import { createNodeStatus } from "./node-status.ts";

export interface ClusterOptions {
  readonly access: ApiAccess;
  /** Name of the node and of its TrustedIommu. */
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Slices and claims are wanted. Without it nothing of resource.k8s.io is asked for. */
  readonly dra?: boolean;
  /** A bug in this program: the process should end. */
  readonly onFatal: (thrown: unknown) => void;
}

export interface Cluster {
  readonly intent: IntentPort;
  readonly status: StatusPort;
  readonly pods: NodePodsPort;
  /** Null without DRA. */
  readonly slices: SlicesPort | null;
  /** Null without DRA. */
  readonly claims: ClaimsPort | null;
  /** Background work, for health. */
  readonly jobs: Jobs;
  /** Starts watching; returns at once. `status.readLast`, `pods` and the questions of `claims` work without it. */
  start(): void;
  /** Ends the watches, and the writing of slices. `status.write` works on, so that a stopping agent can say so; to be called after it. */
  stop(): Promise<void>;
}

const PATH = `/apis/${GROUP}/${VERSION}/${TRUSTED_IOMMU.plural}`;
const BACKOFF: BackoffPolicy = { minMs: 1000, maxMs: 30_000, jitter: 0.5 };
const SEND_BOUND_MS = 600_000;
/** A status of a large node is a megabyte, and thousands of nodes write theirs. */
const STATUS_RATE: Rate = { burst: 3, everyMs: 5_000 };

/** Connects nothing by itself: the first request is made by `start`, or by the first question. */
export function createCluster(options: ClusterOptions): Cluster {
  const { node, clock, random, log } = options;
  const client = createApiClient(options.access, clock);
  const jobs = createJobs({ owner: "cluster", clock, log, metrics: options.metrics, random, onFatal: options.onFatal });
  const listeners = new Set<() => void>();
  let held: Held | null = null;
  let wakeEvents = (): void => undefined;
  let wakeStatus = (): void => undefined;

  const status = createNodeStatus({ client, path: `${PATH}/${node}`, node, held: () => held });
  const events = createEventQueue({ client, node, clock, random, log, uid: () => held?.uid ?? null, wake: () => wakeEvents() });
  const wantsDra = options.dra ?? false;
  const slices = wantsDra ? createSlices({ client, node, clock, random, log, owner: () => nodeOwner(client, node) }) : null;
  const claims = wantsDra ? createClaims({ client, node, clock, random, log }) : null;

  const onObject = (object: unknown): void => {
    const before = held;
    held = hold(before, object);
    if (saysTheSame(before, held)) return;
    if (held.view.problem !== "") log.warn({ problem: held.view.problem }, "intent refused");
    if (before !== null && before.uid !== held.uid) wakeStatus();
    for (const listener of listeners) listener();
  };
  const reflector = createReflector({
    client,
    watched: { path: PATH, apiVersion: API_VERSION, query: { fieldSelector: `metadata.name=${node}` } },
    clock,
    random,
    log,
    select: (object) => object,
    onChange: (objects) => onObject(objects.get(node) ?? null),
  });

  return {
    intent: {
      current: () => held?.view ?? null,
      onChange(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    status: { rate: STATUS_RATE, readLast: () => status.readLast(), write: (value) => status.write(value), event: (event) => events.add(event) },
    pods: createNodePods(client, node, clock),
    slices: slices?.port ?? null,
    claims: claims?.port ?? null,
    jobs,
    start() {
      const loop = { minIntervalMs: 0, everyMs: null, backoff: BACKOFF };
      jobs.loop("watch", { ...loop, startAwake: true, boundMs: STEP_BOUND_MS }, (signal) => reflector.step(signal));
      const sending = jobs.loop("events", { ...loop, startAwake: true, boundMs: SEND_BOUND_MS }, () => events.send());
      const rewriting = jobs.loop("status-again", { ...loop, startAwake: false, boundMs: SEND_BOUND_MS }, () => status.rewrite());
      slices?.start(jobs);
      claims?.start(jobs);
      wakeEvents = () => sending.wake();
      wakeStatus = () => rewriting.wake();
    },
    async stop() {
      await jobs.stop();
      client.close();
    },
  };
}
