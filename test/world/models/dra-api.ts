// SPDX-License-Identifier: Apache-2.0
import { AppError } from "../../../src/runtime/errors.ts";
import type { Point, Turnstile } from "../life/turnstile.ts";
import type { ClaimPod } from "./claim-pod.ts";
import type { Ask, Droppable, StoredClaim, StoredPool } from "./dra-objects.ts";
import { Stored, type Watch } from "./dra-stored.ts";
import type { Fact } from "./fact.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

export interface DraApiShape {
  readonly node: string;
  /** What a request takes, there and back. */
  readonly latencyMs: number;
  /** How far the agent's watches are behind. */
  readonly slicesLagMs: number;
  readonly claimsLagMs: number;
  readonly drops: readonly Droppable[];
}

export const PLAIN_DRA: DraApiShape = { node: "node-1", latencyMs: 0, slicesLagMs: 0, claimsLagMs: 0, drops: [] };

/** The API server of the world, as far as DRA is concerned: slices of one node, claims and the pods that use them. */
export class DraApi {
  readonly time: WorldTime;
  readonly isReachable: Fact<boolean>;
  readonly node: string;
  readonly pools: Stored<StoredPool>;
  readonly claims: Stored<StoredClaim>;
  readonly pods: ClaimPod[] = [];
  /** Failures that claims were told of before the slices said so. */
  readonly early: string[] = [];
  /** Processes whose look at the node waits for a quorum read of the claims: what else the look has read grows old meanwhile. */
  readonly lookedFrom = new Set<number>();
  readonly drops: Set<Droppable>;
  latencyMs: number;
  slicesLagMs: number;
  claimsLagMs: number;
  /** The agent's token has not the right to write slices, or the status of claims. */
  isRefusing = false;
  /** Names of devices of this node that some claim was ever allocated. */
  readonly everAllocated = new Set<string>();
  /** Of the agent that runs, each by itself. */
  watches: { readonly slices: Watch<StoredPool>; readonly claims: Watch<StoredClaim> } | null = null;
  readonly #podListeners = new Set<() => void>();
  #claimsMade = 0;

  constructor(time: WorldTime, shape: DraApiShape, isReachable: Fact<boolean>) {
    this.time = time;
    this.isReachable = isReachable;
    this.node = shape.node;
    this.latencyMs = shape.latencyMs;
    this.slicesLagMs = shape.slicesLagMs;
    this.claimsLagMs = shape.claimsLagMs;
    this.drops = new Set(shape.drops);
    this.pools = new Stored(time, isReachable);
    this.claims = new Stored(time, isReachable);
  }

  /** To be called after `isReachable` has changed: watches break, or are made again. */
  reachChanged(): void {
    this.pools.reachChanged();
    this.claims.reachChanged();
  }

  /** To be called after `drops` has changed: another version of the API server runs, and is listed anew. */
  dropsChanged(): void {
    this.reachChanged();
  }

  /** Some watch of the agent's shows nothing new. */
  get isHeld(): boolean {
    return this.watches !== null && (this.watches.slices.isHeld || this.watches.claims.isHeld);
  }

  /** False: there is no agent. */
  holdWatch(name: "slices" | "claims", isHeld: boolean): boolean {
    this.watches?.[name].hold(isHeld);
    return this.watches !== null;
  }

  forget(process: number): void {
    this.lookedFrom.delete(process);
    this.pools.forget(process);
    this.claims.forget(process);
    if (this.watches?.slices.owner === process) this.watches = null;
  }

  /** A claim for `asks`; of a pod, when it is named as its owner. */
  addClaim(asks: readonly Ask[], about: Partial<StoredClaim> = {}): StoredClaim {
    this.#claimsMade += 1;
    const name = about.name ?? `claim-${this.#claimsMade}`;
    const claim: StoredClaim = {
      namespace: "default",
      name,
      uid: `claim-uid-${this.#claimsMade}`,
      isForExtendedResources: false,
      owner: null,
      asks,
      parameters: [],
      hasFinalizer: false,
      isDeleting: false,
      allocation: null,
      reservedFor: [],
      conditions: [],
      ...about,
    };
    this.claims.put(claim.uid, claim);
    return claim;
  }

  /** Null: it is gone. One that is being deleted goes with its finalizer. */
  changeClaim(uid: string, change: Partial<StoredClaim>): StoredClaim | null {
    const kept = this.claims.get(uid);
    if (kept === null) return null;
    const next = { ...kept.value, ...change };
    this.#noteAllocation(next);
    if (next.isDeleting && !next.hasFinalizer) this.claims.delete(uid);
    else this.claims.put(uid, next);
    return next;
  }

  #noteAllocation({ allocation }: StoredClaim): void {
    if (allocation?.node === this.node) for (const { device } of allocation.devices) this.everAllocated.add(device);
  }

  deleteClaim(uid: string): void {
    this.changeClaim(uid, { isDeleting: true });
  }

  addPod(pod: ClaimPod): ClaimPod {
    this.pods.push(pod);
    this.podsChanged();
    return pod;
  }

  onPods(listener: () => void): void {
    this.#podListeners.add(listener);
  }

  podsChanged(): void {
    this.time.tick += 1;
    for (const listener of [...this.#podListeners]) listener();
  }

  /** Kubelet deletes this node's slices: of one driver, or of all. False: the API server cannot be reached. */
  wipe(driver: string | null): boolean {
    if (!this.isReachable.value) return false;
    for (const [key, { value }] of this.pools.state.items)
      if (value.node === this.node && (driver ?? value.driver) === value.driver) this.pools.delete(key);
    return true;
  }

  /**
   * A request of a process: it is let through at `point`, arrives half the latency later whatever has become of the process by then, and is answered
   * after the other half.
   */
  request<T>(from: { readonly process: number; readonly turnstile: Turnstile }, point: Point, answer: Point, act: () => T): Promise<T> {
    const { process, turnstile } = from;
    const reached = (): T => {
      if (!this.isReachable.value) throw new AppError("API_UNREACHABLE", "connection refused");
      return act();
    };
    return new Promise((resolve, reject) => {
      const back = (outcome: () => T): void => void turnstile.pass(process, answer, outcome).then(resolve, reject);
      const arrive = (): void => {
        const outcome = outcomeOf(reached);
        if (this.latencyMs === 0) back(outcome);
        else this.time.after(WORLD, this.latencyMs / 2, () => back(outcome));
      };
      void turnstile.pass(process, point, () => {
        if (this.latencyMs === 0) arrive();
        else this.time.after(WORLD, this.latencyMs / 2, arrive);
      });
    });
  }
}

/** What `act` came to, to be told later. */
function outcomeOf<T>(act: () => T): () => T {
  try {
    const value = act();
    return () => value;
  } catch (thrown) {
    return () => {
      throw thrown;
    };
  }
}
