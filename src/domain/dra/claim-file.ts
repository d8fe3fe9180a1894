// SPDX-License-Identifier: Apache-2.0

/**
 * What a prepared claim was given, as its one file on the node says: a CDI specification `trusted-iommu-claim_<uid>.json`, by which a container runtime
 * resolves the names that kubelet was answered. After a loss of trust it is renamed, so that nothing resolves and the fact survives.
 */
import type { Address } from "../device.ts";
import type { ClaimRef } from "./claim.ts";
import type { DeviceAttributes } from "./pool.ts";

export interface ClaimFile extends ClaimRef {
  /** Of the boot in which it was prepared: in another one it is void. */
  readonly bootId: string;
  /** As `NodeClaim` has it. */
  readonly podClaimName: string | null;
  /** In the order of the allocation. */
  readonly devices: readonly PreparedDevice[];
  /** SEAMCALLs were answered by a simulator when it was prepared: said in every container that is given it. */
  readonly simulated: boolean;
  /** It no longer resolves. */
  readonly isVoid: boolean;
}

export interface PreparedDevice {
  readonly address: Address;
  readonly request: string;
  readonly pool: string;
  /** The vfio device node that was given; null on a host that has none to give. */
  readonly node: string | null;
  /** Epoch (ground.ts) of the unit when it was given. */
  readonly epoch: string;
  /** As its slice had them when it was given. */
  readonly attributes: DeviceAttributes;
}

export interface ClaimFilesView {
  /** In order of UID. */
  readonly files: readonly ClaimFile[];
  /** Claim files that cannot be read, by path and why: each may give any device. */
  readonly unreadable: readonly string[];
}
