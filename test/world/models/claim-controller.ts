// SPDX-License-Identifier: Apache-2.0
import type { DraApi } from "./dra-api.ts";
import type { StoredClaim } from "./dra-objects.ts";
import { WORLD } from "./world-time.ts";

/** The controller manager's part: takes ended pods out of `reservedFor`, deallocates what nobody uses, deletes what was made for a pod. */
export class ClaimController {
  readonly #api: DraApi;
  readonly #lagMs: number;
  #isDue = false;

  /** `lagMs`: from a change to what it does about it. */
  constructor(api: DraApi, lagMs: number) {
    this.#api = api;
    this.#lagMs = lagMs;
    api.onPods(() => this.#soon());
    api.claims.watch(WORLD, 0).onChange(() => this.#soon());
  }

  #soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#api.time.after(WORLD, this.#lagMs, () => {
      this.#isDue = false;
      if (this.#api.isReachable.value) for (const { value } of [...this.#api.claims.state.items.values()]) this.#sync(value);
    });
  }

  #sync(claim: StoredClaim): void {
    const users = claim.reservedFor.filter(({ uid }) => this.#isUsing(uid));
    // A claim that a scheduler has given up for itself is the scheduler's to free: nobody was taken out of it here.
    if (users.length < claim.reservedFor.length) {
      const freed = users.length === 0 ? { allocation: null, conditions: [], hasFinalizer: false } : {};
      this.#api.changeClaim(claim.uid, { reservedFor: users, ...freed });
    } else if (claim.isDeleting && users.length === 0) this.#api.changeClaim(claim.uid, { allocation: null, conditions: [], hasFinalizer: false });
    if (claim.owner !== null && !claim.isDeleting && !this.#isUsing(claim.owner)) this.#api.deleteClaim(claim.uid);
  }

  #isUsing(podUid: string): boolean {
    return this.#api.pods.some(({ uid, isUsing }) => uid === podUid && isUsing);
  }
}
