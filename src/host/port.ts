// SPDX-License-Identifier: Apache-2.0

/**
 * What the host's own files say: units, functions, capabilities, links, holders. One reader for real and simulated hosts: a simulated host is a
 * tree of files. Shaped so that it can sit behind a socket (hostd) without a change above it: plain values, no handles.
 */
import type { Address, HostView, PciFunction } from "../domain/device.ts";

export interface HostPort {
  /**
   * Reads the whole tree. Single files that are missing, unreadable or vanish while read become Unknown, null or absent functions.
   * @throws HOST_UNREADABLE when the tree as a whole cannot be listed (an absent `/sys/class/iommu` is an empty list of units, not an error).
   */
  observe(): Promise<HostView>;
  /**
   * Reads one function again, now; null when it is gone. Cheap: called for every Allocate. Only `holders` are those that the last `observe`
   * found (Unreadable before the first): a walk through /proc takes too long here.
   */
  observeFunction(address: Address): Promise<PciFunction | null>;
  /** Calls `listener` when something may have changed (uevent, file watch). Lossy; the agent's timer bounds what is missed. Returns the way to stop. */
  onChange(listener: () => void): () => void;
}
