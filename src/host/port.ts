// SPDX-License-Identifier: Apache-2.0

/**
 * What the host's own files say: units, functions, capabilities, links, holders. One reader for real and simulated hosts: a simulated host is a
 * tree of files. Shaped so that it can sit behind a socket (hostd) without a change above it: plain values, no handles.
 */
import type { Address, PciFunction } from "../domain/device.ts";
import type { HostView } from "../domain/host.ts";
import type { FunctionInSlot } from "../domain/slot.ts";

/** A function before it was found out who holds or uses it. */
export type UnsearchedFunction = Omit<PciFunction, "holders" | "binding">;

/** What an observation must find out about holders: looking through all processes is its dearest part. */
export interface HostLook {
  /** Whether a decision hangs on the holders of this function. Where one does on none, no holder is looked for, and every holder is Unreadable. */
  readonly wantsHolders: (fn: UnsearchedFunction) => boolean;
  /** Whether the driver of this function is to be changed: only then it is found out who uses it through another driver. */
  readonly wantsBinding: (fn: UnsearchedFunction) => boolean;
  /** `Fresh`: the search begins after the call, as CLEAR needs it. `Recent`: it may have begun up to a second earlier, where searching is dear. */
  readonly age: "Fresh" | "Recent";
}

export interface HostPort {
  /**
   * Reads the whole tree. Without `look` holders are looked for afresh. Single files that are missing, unreadable or vanish while read become Unknown, null or absent functions.
   * @throws HOST_UNREADABLE when the tree as a whole cannot be listed (an absent `/sys/class/iommu` is an empty list of units, not an error).
   */
  observe(look?: HostLook): Promise<HostView>;
  /**
   * Reads one function and its slot again, now; null when it is gone. Cheap: called for every Allocate. `holders` are from a search that began at
   * most a second ago; Unreadable when none is finished within a second.
   */
  observeFunction(address: Address): Promise<FunctionInSlot | null>;
  /**
   * `LinkRead.registers` of a slot, now; null when they cannot be read or the slot is gone. Blocks on nothing, and reads nothing of `tsm/`: no kernel tells
   * of a reset that ends a stream.
   */
  linkRegisters(owner: Address): Promise<string | null>;
  /**
   * Runs `work`, which writes the link of the slot of `owner`, while nothing of `tsm/` is read: links that are read meanwhile are Blocked. A reading of that
   * slot that `work` overlaps in time, if only for a moment, is `Writing`.
   */
  withoutTsm<T>(owner: Address, work: () => Promise<T>): Promise<T>;
  /** `/proc/sys/kernel/random/boot_id`; null when it cannot be read. */
  bootId(): Promise<string | null>;
  /** Calls `listener` when something may have changed (uevent, file watch). Lossy; the agent's timer bounds what is missed. Returns the way to stop. */
  onChange(listener: () => void): () => void;
}
