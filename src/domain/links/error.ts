// SPDX-License-Identifier: Apache-2.0

/**
 * What the kernel's answer to a write of `tsm/connect` or `tsm/disconnect` means. The core gives what the TSM gave (Linux drivers/pci/tsm.c
 * `connect_store`), so that only some errors mean the same with every TSM. Pure.
 */

/**
 * Observe: the link is no longer what it was planned on. Retry: an interruption or a time-out. Authentication: the device did not prove what it is.
 * Gone: no such TSM, or it takes no such device. Other: anything else, the helper's own failures included.
 */
export type LinkErrorKind = "Observe" | "Retry" | "Authentication" | "Gone" | "Other";

const BY_ERRNO: Readonly<Record<string, LinkErrorKind>> = {
  EBUSY: "Observe",
  EINTR: "Retry",
  EIO: "Retry",
  ETIMEDOUT: "Retry",
  EKEYREJECTED: "Authentication",
  EACCES: "Authentication",
  EBADMSG: "Authentication",
  ENXIO: "Gone",
};

/** How a write ended. `open`: the file could not even be opened, so the TSM was not asked. */
export type LinkWriteEnd =
  | { readonly kind: "Written" }
  | { readonly kind: "Refused"; readonly at: "open" | "write"; readonly errno: string }
  /** The helper ended without an answer: the link may be either, and is observed. */
  | { readonly kind: "Unanswered"; readonly why: string };

export function kindOf(end: Exclude<LinkWriteEnd, { readonly kind: "Written" }>): LinkErrorKind {
  return end.kind === "Refused" && end.at === "write" ? (BY_ERRNO[end.errno] ?? "Other") : "Other";
}

/** For people, the same for the same cause. */
export function textOf(end: Exclude<LinkWriteEnd, { readonly kind: "Written" }>): string {
  if (end.kind === "Unanswered") return end.why;
  if (end.at === "write") return end.errno;
  const hint = end.errno === "EROFS" || end.errno === "EACCES" || end.errno === "EPERM" ? ", /sys must be writable for the agent" : "";
  return `${end.errno} when opening it${hint}`;
}

/** Writes that failed, one after the other, for one slot. */
export interface LinkFailure {
  readonly kind: LinkErrorKind;
  /** Of the newest. */
  readonly problem: string;
  readonly count: number;
  readonly lastMs: number;
}

const MOST_ATTEMPTS = 3;
const SLOW_MS = 300_000;
const MOST_RETRY_MS = 30_000;

/** The link counts as failed: its device is withheld from new pods, and unhealthy. What a device does not prove once it does not prove twice. */
export function isFailed(failure: LinkFailure | undefined): failure is LinkFailure {
  return failure !== undefined && (failure.kind === "Authentication" || failure.count >= MOST_ATTEMPTS);
}

/** When the next attempt may be made (monotonic ms). */
export function nextAttemptMs(failure: LinkFailure): number {
  const quick = Math.min(1_000 * 2 ** Math.min(failure.count - 1, 10), MOST_RETRY_MS);
  return failure.lastMs + (failure.kind === "Retry" || !isFailed(failure) ? quick : SLOW_MS);
}

/** From then on a failure of a link that nobody wants says nothing any more: the next pod may try. */
export function isForgotten(failure: LinkFailure, nowMs: number): boolean {
  return nowMs - failure.lastMs >= SLOW_MS;
}
