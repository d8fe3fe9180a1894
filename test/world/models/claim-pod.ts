// SPDX-License-Identifier: Apache-2.0
import type { ClaimUser } from "../../../src/domain/dra/claim.ts";
import type { PreparedDevice } from "../../../src/domain/dra/claim-file.ts";
import type { NodePod } from "../../../src/domain/view.ts";

/** What a pod asks of an extended resource that DRA serves. */
export interface ExtendedAsk {
  readonly resource: string;
  readonly count: number;
}

/** Where kubelet is with it. `Over`: it has ended, or is gone. */
export type ClaimPodStage = "Pending" | "Prepared" | "Running" | "Over";

/** One pod that uses devices by claims, on all sides: as the API shows it, as the scheduler binds it, and as kubelet runs it. */
export class ClaimPod {
  readonly name: string;
  readonly uid: string;
  /** UIDs of claims that it names, or that were made for it from templates. */
  readonly claims: readonly string[];
  readonly extended: ExtendedAsk | null;
  /** UID of the claim that the scheduler made for its extended resource. */
  extendedClaim: string | null = null;
  isInApi = true;
  isTerminating = false;
  phase: NodePod["phase"] = "Pending";
  /** `spec.nodeName` */
  node: string | null = null;
  boundMs: number | null = null;
  stage: ClaimPodStage = "Pending";
  /** Its VM does not end with its container. */
  isVmStuck = false;
  /** What its container was made with. */
  devices: readonly PreparedDevice[] = [];
  /** Why it did not get on, each time. */
  readonly refusals: string[] = [];

  constructor(name: string, asks: { readonly claims?: readonly string[]; readonly extended?: ExtendedAsk }) {
    this.name = name;
    this.uid = `uid-of-${name}`;
    this.claims = asks.claims ?? [];
    this.extended = asks.extended ?? null;
  }

  /** All its claims, as far as they are known. */
  get claimUids(): readonly string[] {
    return this.extendedClaim === null ? this.claims : [...this.claims, this.extendedClaim];
  }

  /** It may use a claim: it is there, and has not ended. */
  get isUsing(): boolean {
    return this.isInApi && this.stage !== "Over";
  }

  asUser(): ClaimUser {
    return { resource: "pods", name: this.name, uid: this.uid };
  }

  /** As a read of this node's pods shows it; null: it asks for no extended resource, or is not of this node. `claimName`: of its extended claim. */
  asSeen(node: string, claimName: string | null): NodePod | null {
    if (this.extended === null || this.node !== node || !this.isInApi) return null;
    const { resource, count } = this.extended;
    const isRunning = this.stage === "Running";
    const claims = claimName === null ? {} : { [resource]: claimName };
    const container = { name: "main", role: "Main", state: isRunning ? "Running" : "Waiting", asks: { [resource]: count }, claims } as const;
    const about = { namespace: "default", name: this.name, uid: this.uid, phase: this.phase, terminating: this.isTerminating };
    return { ...about, hasRunning: isRunning, containers: [container] };
  }
}
