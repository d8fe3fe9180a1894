// SPDX-License-Identifier: Apache-2.0

/** What the API server keeps of DRA, as the agent of one node sees it: ResourceSlices that it writes, and ResourceClaims that it reads and answers. */
import type { ClaimRef, NodeClaim } from "../../domain/dra/claim.ts";
import type { DeviceConditions } from "../../domain/dra/conditions.ts";
import type { Pool } from "../../domain/dra/pool.ts";
import type { SlicesView } from "../../domain/dra/view.ts";
import type { Reading } from "../../domain/view.ts";

export type { ForeignDevice, ListedDevice, SlicesView } from "../../domain/dra/view.ts";

export interface SlicesPort {
  /** Makes this node's slices those of `pools`, and keeps them so whoever changes or deletes them; returns at once. Null: leave them as they are. */
  publish(pools: readonly Pool[] | null): void;
  /** As the API server last showed or answered them; null before it has. */
  current(): Reading<SlicesView> | null;
  onChange(listener: () => void): () => void;
}

export type { DeviceConditions } from "../../domain/dra/conditions.ts";

/** `Over`: the claim, or this allocation of it, is not there any more (404, 409, 422). */
export type ApplyOutcome = "Applied" | "Over";

export interface ClaimsPort {
  /** From the watch; null before its first list. In order of namespace and name. */
  current(): Reading<readonly NodeClaim[]> | null;
  onChange(listener: () => void): () => void;
  /** Read afresh from etcd; null: there is none of that name and UID. @throws API_UNREACHABLE · API_REFUSED */
  get(claim: ClaimRef): Promise<NodeClaim | null>;
  /** Every claim with devices of this node, by a quorum read. Never rejects. */
  list(): Promise<Reading<readonly NodeClaim[]>>;
  /** Server-side apply of the conditions of all our devices, by UID and resource version of `claim`. @throws API_UNREACHABLE · API_REFUSED */
  apply(claim: NodeClaim, devices: readonly DeviceConditions[]): Promise<ApplyOutcome>;
}
