// SPDX-License-Identifier: Apache-2.0
import type { ClaimPod } from "./claim-pod.ts";
import type { DraApi } from "./dra-api.ts";
import { type Ask, deviceKey, type StoredAllocation, type StoredClaim } from "./dra-objects.ts";
import type { Watch } from "./dra-stored.ts";

type Results = StoredAllocation["devices"];

export interface Made {
  /** All claims that the pod names; those without an allocation get one. */
  readonly claims: readonly StoredClaim[];
  /** What a claim is made for that the pod does not name. */
  readonly extendedAsks: readonly Ask[];
  /** Devices for the claims without an allocation, in their order, and then for `extendedAsks`. */
  readonly picked: Results;
  /** Of the new claim's name. */
  readonly suffix: string;
}

/** What the scheduler writes into claims, and the allocations that it assumes until they are done with. */
export class Reservations {
  readonly #api: DraApi;
  readonly #watch: Watch<StoredClaim>;
  /** By claim. `untilMs`: null while its pod waits. */
  readonly #inFlight = new Map<string, { readonly devices: Results; readonly atMs: number; readonly untilMs: number | null }>();

  constructor(api: DraApi, watch: Watch<StoredClaim>) {
    this.#api = api;
    this.#watch = watch;
  }

  isInFlight(uid: string): boolean {
    this.#dropOld();
    return this.#inFlight.has(uid);
  }

  /** Keys of the devices that are assumed to be allocated. */
  devices(): readonly string[] {
    this.#dropOld();
    return [...this.#inFlight.values()].flatMap(({ devices }) => devices.filter(({ adminAccess }) => !adminAccess).map(deviceKey));
  }

  forgetAll(): void {
    this.#inFlight.clear();
  }

  /** The finalizer in one update, then allocation, `reservedFor` and time in one update of the status. False: a claim is not what the cache has. */
  make(pod: ClaimPod, { claims, extendedAsks, picked, suffix }: Made): boolean {
    const isStale = (claim: StoredClaim): boolean => JSON.stringify(this.#api.claims.get(claim.uid)?.value) !== JSON.stringify(claim);
    if (claims.some(isStale)) return false;
    const left = [...picked];
    for (const claim of claims) {
      const count = claim.asks.reduce((sum, ask) => sum + ask.count, 0);
      this.#write(pod, claim, claim.allocation?.devices ?? left.splice(0, count));
    }
    if (extendedAsks.length > 0) {
      const name = `${pod.name}-extended-resources-${suffix}`;
      const made = this.#api.addClaim(extendedAsks, { name, isForExtendedResources: true, owner: pod.uid });
      this.#write(pod, made, left);
      pod.extendedClaim = made.uid;
    }
    return true;
  }

  #write(pod: ClaimPod, claim: StoredClaim, devices: Results): void {
    const { uid } = claim;
    if (!claim.hasFinalizer) this.#api.changeClaim(uid, { hasFinalizer: true });
    const isReserved = claim.reservedFor.some((user) => user.uid === pod.uid);
    const reservedFor = isReserved ? claim.reservedFor : [...claim.reservedFor, pod.asUser()];
    const atMs = Math.floor(this.#api.time.nowMs / 1_000) * 1_000;
    const allocation = claim.allocation ?? { node: this.#api.node, atMs, devices };
    this.#api.changeClaim(uid, { allocation, reservedFor });
    this.#answered(uid);
    this.#inFlight.set(uid, { devices, atMs: allocation.atMs, untilMs: null });
  }

  /** The pod goes to another node, and its claims with it: what they get there is none of this world's. */
  elsewhere(pod: ClaimPod, claims: readonly StoredClaim[], node: string): void {
    for (const { uid, allocation, reservedFor } of claims) {
      const there = allocation ?? { node, atMs: this.#api.time.nowMs, devices: [] };
      this.#api.changeClaim(uid, { hasFinalizer: true, allocation: there, reservedFor: [...reservedFor, pod.asUser()] });
      this.#answered(uid);
    }
  }

  bound(pod: ClaimPod): void {
    for (const uid of pod.claimUids) this.#inFlight.delete(uid);
  }

  /** The pod was deleted while it waited: a claim that a user made stays assumed until its timeout. */
  release(pod: ClaimPod, timeoutMs: number): void {
    for (const uid of pod.claimUids) {
      const isUsers = this.#api.claims.get(uid)?.value.owner === null;
      const assumed = this.#inFlight.get(uid);
      if (!isUsers) this.#inFlight.delete(uid);
      else if (assumed) this.#inFlight.set(uid, { ...assumed, untilMs: assumed.atMs + timeoutMs });
    }
  }

  /** After a failure: the pod's reservation goes, the allocation stays. A claim of its own making goes as a whole. */
  unreserve(pod: ClaimPod): void {
    for (const uid of pod.claimUids) {
      const claim = this.#api.claims.get(uid)?.value;
      this.#inFlight.delete(uid);
      if (claim === undefined) continue;
      if (claim.isForExtendedResources) this.#api.changeClaim(uid, { hasFinalizer: false, isDeleting: true });
      else this.#api.changeClaim(uid, { reservedFor: claim.reservedFor.filter((user) => user.uid !== pod.uid) });
      this.#answered(uid);
    }
    pod.extendedClaim = null;
  }

  /** Allocation and conditions go in one update, unless it has changed meanwhile. A claim of its own making goes as a whole. */
  deallocate(pod: ClaimPod, claim: StoredClaim): void {
    if (JSON.stringify(this.#api.claims.get(claim.uid)?.value) !== JSON.stringify(claim)) return;
    const deleted = claim.isForExtendedResources ? { hasFinalizer: false, isDeleting: true } : {};
    this.#api.changeClaim(claim.uid, { allocation: null, conditions: [], reservedFor: [], ...deleted });
    if (claim.isForExtendedResources) pod.extendedClaim = null;
    this.#answered(claim.uid);
  }

  /** Its cache has its own writes at once. */
  #answered(uid: string): void {
    this.#watch.answered(uid, this.#api.claims.get(uid), this.#api.claims.state.revision);
  }

  #dropOld(): void {
    const { nowMs } = this.#api.time;
    for (const [uid, { untilMs }] of this.#inFlight) if (untilMs !== null && untilMs <= nowMs) this.#inFlight.delete(uid);
  }
}
