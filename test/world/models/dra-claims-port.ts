// SPDX-License-Identifier: Apache-2.0
import type { ApplyOutcome, ClaimsPort, DeviceConditions } from "../../../src/cluster/dra/port.ts";
import type { ClaimRef, NodeClaim } from "../../../src/domain/dra/claim.ts";
import { addressOfDraDevice, LINK_FAILED } from "../../../src/domain/dra/names.ts";
import type { Reading } from "../../../src/domain/view.ts";
import { AppError, isAppError, messageOf } from "../../../src/runtime/errors.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { DraApi } from "./dra-api.ts";
import { asNodeClaim, deviceKey, isOurs, type StoredClaim } from "./dra-objects.ts";
import type { Kept, Watch } from "./dra-stored.ts";

/** The claims of the node as one agent process has them: a watch that is behind, quorum reads, and conditions that it applies. */
export class NodeClaims implements ClaimsPort {
  readonly #api: DraApi;
  readonly #from: { readonly process: number; readonly turnstile: Turnstile };
  readonly watch: Watch<StoredClaim>;
  readonly #listeners = new Set<() => void>();
  /** As it was last told, as JSON: most events are about claims of other nodes. */
  #told = "";

  constructor(api: DraApi, process: number, turnstile: Turnstile) {
    this.#api = api;
    this.#from = { process, turnstile };
    this.watch = api.claims.watch(process, api.claimsLagMs);
    this.watch.onChange(() => {
      const now = JSON.stringify(this.current());
      if (now === this.#told) return;
      this.#told = now;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  current(): Reading<readonly NodeClaim[]> | null {
    if (this.watch.problem !== "") return { kind: "Unreadable", why: this.watch.problem };
    const seen = this.watch.get();
    return seen && { kind: "Read", value: this.#ofNode(seen) };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get(claim: ClaimRef): Promise<NodeClaim | null> {
    return this.#api.request(this.#from, "claims.get", "claims.get", () => {
      const kept = this.#api.claims.get(claim.uid);
      const isSame = kept?.value.namespace === claim.namespace && kept.value.name === claim.name;
      return kept !== null && isSame ? asNodeClaim(kept, this.#api.node) : null;
    });
  }

  async list(): Promise<Reading<readonly NodeClaim[]>> {
    this.#api.lookedFrom.add(this.#from.process);
    try {
      const read = () => this.#ofNode(this.#api.claims.state.items);
      return { kind: "Read", value: await this.#api.request(this.#from, "claims.list", "claims.list", read) };
    } catch (thrown) {
      if (!isAppError(thrown)) throw thrown;
      return { kind: "Unreadable", why: messageOf(thrown) };
    } finally {
      this.#api.lookedFrom.delete(this.#from.process);
    }
  }

  apply(claim: NodeClaim, devices: readonly DeviceConditions[]): Promise<ApplyOutcome> {
    this.#noteEarly(claim, devices);
    return this.#api.request(this.#from, "claim.status.write", "claim.status.write.answer", () => this.#store(claim, devices));
  }

  /** A failure that is said while every function of the claim is free of taints: the scheduler would give away the one that failed again. */
  #noteEarly({ uid, name, resourceVersion }: NodeClaim, devices: readonly DeviceConditions[]): void {
    const { claims, pools, time, latencyMs, drops } = this.#api;
    const failed = failedOf(devices);
    // A write for an older claim than there is says nothing: it is refused.
    if (String(claims.get(uid)?.revision) !== resourceVersion) return;
    // What was said before stays.
    if (failed.length === 0 || failedOf(claims.get(uid)?.value.conditions ?? []).length > 0 || drops.has("taints")) return;
    const kept = [...pools.state.items.values()].filter(({ value }) => isOurs(value));
    // What is being written may be answered already.
    if (kept.some(({ sinceMs }) => time.nowMs - sinceMs <= latencyMs)) return;
    const listed = kept.flatMap(({ value }) => value.pool.devices);
    const free = failed.filter(({ device }) => listed.some(({ address, taints }) => address === addressOfDraDevice(device) && taints.length === 0));
    if (free.length === failed.length) this.#api.early.push(`${name} is told that its link failed, and none of its devices has a taint`);
  }

  /** Gone, or another one of that name: 404, 422. Another resource version: 409. Not, or no longer, allocated: 422. */
  #store({ uid, resourceVersion }: NodeClaim, conditions: readonly DeviceConditions[]): ApplyOutcome {
    if (this.#api.isRefusing) throw new AppError("API_REFUSED", "associated-node:patch is not allowed");
    const now = this.#api.claims.get(uid);
    if (now === null || String(now.revision) !== resourceVersion) return "Over";
    const allocated = new Set((now.value.allocation?.devices ?? []).map(deviceKey));
    if (!conditions.every((one) => allocated.has(deviceKey(one)))) return "Over";
    const isSame = JSON.stringify(now.value.conditions) === JSON.stringify(conditions);
    // An apply that changes nothing leaves the resource version as it is.
    if (!isSame) this.#api.changeClaim(uid, { conditions });
    return "Applied";
  }

  #ofNode(claims: ReadonlyMap<string, Kept<StoredClaim>>): readonly NodeClaim[] {
    return [...claims.values()]
      .map((kept) => asNodeClaim(kept, this.#api.node))
      .filter(({ devices }) => devices.length > 0)
      .sort((a, b) => compare(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`));
  }
}

function failedOf(devices: readonly DeviceConditions[]): readonly DeviceConditions[] {
  return devices.filter(({ conditions }) => conditions.some(({ type, status }) => type === LINK_FAILED && status === "True"));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
