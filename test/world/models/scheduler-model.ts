// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../../src/runtime/clock.ts";
import type { Dice } from "../life/dice.ts";
import type { ClaimPod } from "./claim-pod.ts";
import type { DraApi } from "./dra-api.ts";
import { deviceKey, isOurs, type StoredClaim, type StoredPool } from "./dra-objects.ts";
import type { Watch } from "./dra-stored.ts";
import { type PickView, pickDevices } from "./scheduler-picks.ts";
import { isTimedOut, readinessOf } from "./scheduler-readiness.ts";
import { Reservations } from "./scheduler-reservations.ts";
import { WORLD } from "./world-time.ts";

export interface SchedulerShape {
  /** How far its caches are behind. */
  readonly lagMs: number;
  readonly bindingTimeoutMs: number;
  /** Another node where any pod fits that does not fit here. */
  readonly hasElsewhere: boolean;
}

export const PLAIN_SCHEDULER: SchedulerShape = { lagMs: 0, bindingTimeoutMs: 600_000, hasElsewhere: false };
export const ELSEWHERE = "node-2";

/** From a pod's creation to its first cycle, and from a change that may help it to the next. */
const FIRST_CYCLE_MS = 250;
const NEXT_CYCLE_MS = 33;
/** After a binding failure; after a claim was freed for another try. */
const BACKOFF_MS = 1_400;
const EXTENDED_BACKOFF_MS = 1_500;
const AFTER_FREEING_MS = 80;
const POLL_MS = 5_000;

interface Entry {
  readonly pod: ClaimPod;
  timer: Timer | null;
  /** It has been allocated, and waits for its conditions. */
  isWaiting: boolean;
  notBeforeMs: number;
}

/** kube-scheduler, as version 1.37 treats pods with claims: one node of ours, and at most another one without end. */
export class SchedulerModel {
  readonly #api: DraApi;
  readonly #dice: Dice;
  readonly #shape: SchedulerShape;
  readonly pools: Watch<StoredPool>;
  readonly claims: Watch<StoredClaim>;
  readonly #entries = new Map<string, Entry>();
  readonly #reservations: Reservations;

  constructor(api: DraApi, dice: Dice, shape: SchedulerShape = PLAIN_SCHEDULER) {
    this.#api = api;
    this.#dice = dice;
    this.#shape = shape;
    this.pools = api.pools.watch(WORLD, shape.lagMs);
    this.claims = api.claims.watch(WORLD, shape.lagMs);
    this.#reservations = new Reservations(api, this.claims);
    this.pools.onChange(() => this.#wakeAll());
    this.claims.onChange(() => this.#wakeAll());
    api.onPods(() => this.#take());
    this.#take();
  }

  /** Pods that have been allocated and wait for their conditions. */
  get waiting(): readonly ClaimPod[] {
    return [...this.#entries.values()].filter(({ isWaiting }) => isWaiting).map(({ pod }) => pod);
  }

  /** What it has not written down is gone; the allocations of waiting pods stay, and with them their clocks. */
  restart(): void {
    for (const { timer } of this.#entries.values()) timer?.stop();
    this.#entries.clear();
    this.#reservations.forgetAll();
    this.#take();
  }

  #take(): void {
    for (const pod of this.#api.pods) {
      if (this.#entries.has(pod.uid) || pod.node !== null || !this.#isWanted(pod)) continue;
      const entry: Entry = { pod, timer: null, isWaiting: false, notBeforeMs: 0 };
      this.#entries.set(pod.uid, entry);
      this.#in(entry, FIRST_CYCLE_MS, () => this.#cycle(entry));
    }
  }

  #isWanted({ isUsing, isTerminating }: ClaimPod): boolean {
    return isUsing && !isTerminating;
  }

  #in(entry: Entry, ms: number, then: () => void): void {
    entry.timer?.stop();
    entry.timer = this.#api.time.after(WORLD, ms, () => {
      entry.timer = null;
      then();
    });
  }

  /** Something changed that may help those who do not fit. */
  #wakeAll(): void {
    const { nowMs } = this.#api.time;
    for (const entry of this.#entries.values()) {
      if (!entry.isWaiting && entry.timer === null) this.#in(entry, Math.max(NEXT_CYCLE_MS, entry.notBeforeMs - nowMs), () => this.#cycle(entry));
    }
  }

  /** Filter, then Reserve and PreBind, or PostFilter. */
  #cycle(entry: Entry): void {
    const { pod } = entry;
    const cache = this.claims.get();
    // Somebody has deleted it: another one is made.
    if (pod.extendedClaim !== null && cache?.has(pod.extendedClaim) === false) pod.extendedClaim = null;
    const claims = pod.claimUids.map((uid) => cache?.get(uid)?.value);
    if (!this.#isWanted(pod)) this.#entries.delete(pod.uid);
    else if (cache !== null && claims.every((claim) => claim !== undefined && !claim.isDeleting)) this.#place(entry, claims as StoredClaim[]);
  }

  #place(entry: Entry, claims: readonly StoredClaim[]): void {
    const { pod } = entry;
    const elsewhere = claims.some(({ allocation }) => allocation !== null && allocation.node !== this.#api.node);
    const isBlocked = claims.some((claim) => claim.allocation === null && this.#reservations.isInFlight(claim.uid));
    const fits = !elsewhere && !isBlocked && !claims.some((claim) => this.#isUnavailable(claim)) && this.#reserve(entry, claims);
    if (fits) {
      entry.isWaiting = true;
      this.#poll(entry);
      return;
    }
    const isPinned = claims.some(({ allocation }) => allocation?.node === this.#api.node);
    const mayMove = this.#shape.hasElsewhere && !isBlocked && this.#api.isReachable.value;
    if (!isPinned && (elsewhere || mayMove)) {
      this.#reservations.elsewhere(pod, claims, ELSEWHERE);
      this.#bind(entry, ELSEWHERE);
    } else this.#postFilter(entry, claims);
  }

  /** One that failed, took too long, or has fallen back while somebody uses it: "resourceclaim not available on the node". */
  #isUnavailable(claim: StoredClaim): boolean {
    if (claim.allocation === null) return false;
    const readiness = readinessOf(claim);
    const isStale = readiness === "Waiting" && isTimedOut(claim, this.#api.time.nowMs, this.#shape.bindingTimeoutMs);
    const isUsed = claim.reservedFor.some(({ uid }) => this.#api.pods.some((pod) => pod.uid === uid && pod.node !== null));
    return readiness === "Failed" || isStale || (readiness === "Waiting" && isUsed);
  }

  #reserve({ pod }: Entry, claims: readonly StoredClaim[]): boolean {
    if (!this.#api.isReachable.value) return false;
    const free = claims.filter(({ allocation }) => allocation === null);
    const { extended, extendedClaim } = pod;
    const extendedAsks = extended === null || extendedClaim !== null ? [] : [{ request: "container-0-request-0", ...extended }];
    const asks = [...free.flatMap((claim) => claim.asks), ...extendedAsks];
    const picked = pickDevices(this.#pickView(), asks);
    return (
      picked !== null && this.#reservations.make(pod, { claims, extendedAsks, picked, suffix: String(this.#dice.below(100_000)).padStart(5, "0") })
    );
  }

  #pickView(): PickView {
    const pools = [...(this.pools.get()?.values() ?? [])].map(({ value }) => value).filter(isOurs);
    const written = [...(this.claims.get()?.values() ?? [])].flatMap(({ value }) => value.allocation?.devices ?? []);
    const allocated = written.filter(({ adminAccess }) => !adminAccess).map(deviceKey);
    return { pools, allocated: new Set([...allocated, ...this.#reservations.devices()]) };
  }

  /** At once, and every 5 s after: on its cache. */
  #poll(entry: Entry): void {
    const { pod } = entry;
    const cache = this.claims.get();
    if (!this.#isWanted(pod)) {
      this.#reservations.release(pod, this.#shape.bindingTimeoutMs);
      this.#entries.delete(pod.uid);
      this.#wakeAll();
      return;
    }
    const claims = pod.claimUids.map((uid) => cache?.get(uid)?.value ?? null);
    const states = claims.map((claim) => (claim === null || claim.allocation === null ? "Failed" : readinessOf(claim)));
    const { nowMs } = this.#api.time;
    const isLate = claims.some((claim) => claim !== null && isTimedOut(claim, nowMs, this.#shape.bindingTimeoutMs));
    if (states.every((state) => state === "Ready")) this.#bind(entry, this.#api.node);
    else if (states.includes("Failed") || isLate) this.#fail(entry);
    else this.#in(entry, POLL_MS, () => this.#poll(entry));
  }

  /** The allocation of a claim that it did not make stays: a later cycle frees it. */
  #fail(entry: Entry): void {
    const { pod } = entry;
    const isExtended = pod.extendedClaim !== null;
    const backoffMs = isExtended ? EXTENDED_BACKOFF_MS : BACKOFF_MS;
    entry.isWaiting = false;
    entry.notBeforeMs = this.#api.time.nowMs + backoffMs;
    this.#in(entry, backoffMs, () => this.#cycle(entry));
    pod.refusals.push("binding conditions failed");
    this.#reservations.unreserve(pod);
  }

  /** Frees one claim, at random, that nobody else has reserved. */
  #postFilter(entry: Entry, claims: readonly StoredClaim[]): void {
    const { pod } = entry;
    const free = claims.filter(({ allocation, reservedFor }) => allocation !== null && reservedFor.every(({ uid }) => uid === pod.uid));
    if (free.length === 0 || !this.#api.isReachable.value) return;
    entry.notBeforeMs = this.#api.time.nowMs + AFTER_FREEING_MS;
    this.#in(entry, AFTER_FREEING_MS, () => this.#cycle(entry));
    this.#reservations.deallocate(pod, this.#dice.pick(free));
  }

  #bind(entry: Entry, node: string): void {
    const { pod } = entry;
    this.#entries.delete(pod.uid);
    this.#reservations.bound(pod);
    pod.node = node;
    pod.boundMs = this.#api.time.nowMs;
    this.#api.podsChanged();
  }
}
