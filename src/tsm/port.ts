// SPDX-License-Identifier: Apache-2.0

/** The one writer of links: `tsm/connect` and `tsm/disconnect` of a slot's function 0. */
import type { Address } from "../domain/device.ts";
import type { LinkWriteEnd } from "../domain/links/error.ts";
import type { LinkWriteKind } from "../domain/links/work.ts";

export interface LinkWrite {
  readonly kind: LinkWriteKind;
  /** Function 0 of the slot. */
  readonly owner: Address;
  /** The TSM to connect to, or that is connected: `tsm0`. */
  readonly tsm: string;
  /** The link is wanted: the device must not sleep, because waking resets some devices and nothing saves their IDE registers. */
  readonly isWanted: boolean;
}

export interface LinkPort {
  /**
   * Writes, and resolves when the kernel has answered, which takes as long as SPDM and IDE set-up do. What has begun in the kernel goes on when `signal`
   * is aborted, or when this process ends: then the answer is `Unanswered`, and the link is to be observed. Never rejects.
   */
  write(write: LinkWrite, signal: AbortSignal): Promise<LinkWriteEnd>;
}
