// SPDX-License-Identifier: Apache-2.0

/** DRA as one look at the node shows it. */
import type { Address } from "../device.ts";
import type { Reading } from "../reading.ts";
import type { NodeClaim } from "./claim.ts";
import type { ClaimFilesView } from "./claim-file.ts";
import type { DeviceTaint } from "./pool.ts";

export interface DraView {
  /** Claims that are allocated devices of this node. */
  readonly claims: Reading<readonly NodeClaim[]>;
  /** They were read from etcd for this look; else they are as the watch had them, which may lag behind and frees nothing. */
  readonly areFresh: boolean;
  readonly files: ClaimFilesView;
  readonly slices: Reading<SlicesView>;
  readonly plugin: DraPublication;
}

/** A device as a slice of the API server has it. */
export interface ListedDevice {
  readonly address: Address;
  readonly pool: string;
  readonly taints: readonly DeviceTaint[];
  /** IDE streams that it takes from the counter of its pool. */
  readonly streams: number;
}

/** A device that another driver lists on this node with the PCI address of a function. */
export interface ForeignDevice {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
  readonly address: Address;
}

export interface SlicesView {
  /** Of our driver, in every slice of this node, of whatever generation: what a scheduler may still give away. */
  readonly listed: readonly ListedDevice[];
  /** Devices that slices may list at any moment, although none is seen to: of the pools that were last asked for, and of a write without an answer. */
  readonly asked: readonly Address[];
  readonly foreign: readonly ForeignDevice[];
  /** Fields that the API server did not keep: `taints`, `consumesCounters`, `bindingConditions`. */
  readonly dropped: readonly string[];
  /** The slices are those that were last asked for. */
  readonly asPublished: boolean;
  /** Which of the pools that were last asked for are withdrawn, why, and what to do (slices.ts `poolsProblem`); empty when none. */
  readonly withdrawn: string;
  /** Why the last write failed; empty when it did not. */
  readonly problem: string;
}

/** What our DRA plugin is to kubelet. */
export interface DraPublication {
  /**
   * Kubelet has asked for the plugin's info and told it that it is registered, and the registration socket has been there since. It stays so while
   * kubelet is away, which nothing tells.
   */
  readonly registered: boolean;
  /** Claims whose preparation or its end is being answered, or still worked on after the answer. UIDs, in order. */
  readonly inCalls: readonly string[];
  /** Why a socket is not there, or kubelet refused the registration last; empty when neither. */
  readonly problem: string;
}
