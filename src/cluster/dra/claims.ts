// SPDX-License-Identifier: Apache-2.0

/** ResourceClaims that give devices of this node away. They cannot be watched by node: all are looked at, and of each only what matters is kept. */
import type { NodeClaim } from "../../domain/dra/claim.ts";
import type { Reading } from "../../domain/view.ts";
import type { Random } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import { runWithDeadline } from "../../runtime/deadline.ts";
import type { Jobs } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { garbled } from "../watch/objects.ts";
import { againWhenGone, pagesOf } from "../watch/pages.ts";
import { createReflector, STEP_BOUND_MS } from "../watch/reflector.ts";
import { CLAIMS_PATH, DRA_API_VERSION, isAbsence, listFailureHandler, whyUnread } from "./api.ts";
import { claimFrom, wholeClaimFrom } from "./claim-object.ts";
import { claimPath, createClaimStatus } from "./claim-status.ts";
import type { ClaimsPort } from "./port.ts";

export interface ClaimsOptions {
  readonly client: ApiClient;
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Claims {
  readonly port: ClaimsPort;
  /** Begins to watch; ends with `jobs`. The port's questions work without it. */
  start(jobs: Jobs): void;
}

/** A step never fails: it says itself when the next is due. */
const LOOP = { minIntervalMs: 0, everyMs: null, startAwake: true, backoff: { minMs: 1000, maxMs: 30_000, jitter: 0.5 } } as const;
const DEADLINE_MS = 10_000;
/** All pages together: thousands of claims. */
const LIST_DEADLINE_MS = 30_000;

export function createClaims({ client, node, clock, random, log }: ClaimsOptions): Claims {
  const listeners = new Set<() => void>();
  /** What was told, as JSON by `namespace/name`: most events are about claims of other nodes. */
  const told = new Map<string, string>();
  let view: Reading<readonly NodeClaim[]> | null = null;
  const apply = createClaimStatus(client, log);

  const show = (next: Reading<readonly NodeClaim[]>): void => {
    view = next;
    for (const listener of listeners) listener();
  };

  const onChange = (claims: ReadonlyMap<string, NodeClaim>, keys: readonly string[]): void => {
    const changed = keys.filter((key) => noteChange(told, key, claims.get(key)));
    if (view?.kind === "Read" && changed.length === 0) return;
    show({ kind: "Read", value: inOrder([...claims.values()]) });
  };

  const onListFailure = listFailureHandler({
    what: "claims",
    random,
    log,
    shown: () => (view?.kind === "Unreadable" ? view.why : null),
    show: (why) => show({ kind: "Unreadable", why }),
  });

  const watched = { path: CLAIMS_PATH, apiVersion: DRA_API_VERSION, query: {} };
  const select = (object: unknown): NodeClaim | null => claimFrom(object, node);
  const reflector = createReflector<NodeClaim>({ client, watched, clock, random, log, select, onChange, onListFailure });

  const listOnce = async (signal: AbortSignal): Promise<readonly NodeClaim[]> => {
    const claims: NodeClaim[] = [];
    for await (const { items, apiVersion } of pagesOf(client, { path: CLAIMS_PATH, query: {}, deadlineMs: DEADLINE_MS, signal })) {
      if (apiVersion !== DRA_API_VERSION) throw garbled(`the answer to a list is not of ${DRA_API_VERSION}`);
      claims.push(...items.map(select).filter((claim) => claim !== null));
    }
    return inOrder(claims);
  };

  const port: ClaimsPort = {
    current: () => view,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async get(claim) {
      try {
        const found = wholeClaimFrom(await client.call({ method: "GET", path: claimPath(claim), deadlineMs: DEADLINE_MS }), node);
        return found.uid === claim.uid ? found : null;
      } catch (thrown) {
        if (isAbsence(thrown)) return null;
        throw thrown;
      }
    },
    async list(): Promise<Reading<readonly NodeClaim[]>> {
      const work = (signal: AbortSignal): Promise<readonly NodeClaim[]> => againWhenGone(() => listOnce(signal));
      try {
        return { kind: "Read", value: await runWithDeadline(work, { clock, ms: LIST_DEADLINE_MS, what: "listing the claims" }) };
      } catch (thrown) {
        return { kind: "Unreadable", why: whyUnread(thrown) };
      }
    },
    apply,
  };
  return {
    port,
    start: (jobs) => void jobs.loop("claims", { ...LOOP, boundMs: STEP_BOUND_MS }, (signal) => reflector.step(signal)),
  };
}

/** True when it differs from what was told of it. */
function noteChange(told: Map<string, string>, key: string, claim: NodeClaim | undefined): boolean {
  const text = claim === undefined ? undefined : JSON.stringify(claim);
  if (told.get(key) === text) return false;
  if (text === undefined) told.delete(key);
  else told.set(key, text);
  return true;
}

function inOrder(claims: readonly NodeClaim[]): readonly NodeClaim[] {
  return claims.toSorted((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
