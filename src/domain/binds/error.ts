// SPDX-License-Identifier: Apache-2.0

/** How an attempt to change the driver of a function ended, and when the next one is due. Pure. */

/**
 * `at`: the file whose write the kernel refused (`driver_override`, the driver's `unbind`, the bus's `drivers_probe`), `driver` when all were written
 * and vfio-pci has not taken the function, or `disk` when the host uses a disk of it (EBUSY), or that cannot be told: then none was written. `Unanswered`: the helper ended without an answer; what came of it is observed.
 */
export type BindEnd =
  | { readonly kind: "Changed" }
  | { readonly kind: "Refused"; readonly at: BindFile; readonly errno: string }
  | { readonly kind: "Unanswered"; readonly why: string };

export const BIND_FILES = ["disk", "driver_override", "unbind", "drivers_probe", "driver"] as const;
export type BindFile = (typeof BIND_FILES)[number];

/** For people, the same for the same cause. */
export function bindText(end: Exclude<BindEnd, { readonly kind: "Changed" }>): string {
  if (end.kind === "Unanswered") return end.why;
  if (end.at === "driver") return "vfio-pci has not taken it (is the module vfio-pci loaded?)";
  if (end.at === "disk" && end.errno === "EBUSY") return "the host's kernel uses a disk of it (an exclusive open says EBUSY)";
  if (end.at === "disk") return `whether the host uses a disk of it cannot be told: ${end.errno}`;
  const hint = ["EROFS", "EACCES", "EPERM"].includes(end.errno) ? ", /sys must be writable for the agent" : "";
  return `${end.at}: ${end.errno}${hint}`;
}

/** Attempts that failed, one after the other, for one function. */
export interface BindFailure {
  /** Of the newest. */
  readonly problem: string;
  /** Somebody on the host has it, or may have it. */
  readonly isInUse: boolean;
  readonly count: number;
  readonly lastMs: number;
}

const MOST_ATTEMPTS = 3;
const SLOW_MS = 300_000;

/** The spec's driver is not to be had: a person should look. */
export function isBindFailed(failure: BindFailure | undefined): failure is BindFailure {
  return failure !== undefined && failure.count >= MOST_ATTEMPTS;
}

/** When the next attempt may be made (monotonic ms). */
export function nextBindMs(failure: BindFailure): number {
  const { count, lastMs } = failure;
  return lastMs + (count >= MOST_ATTEMPTS ? SLOW_MS : 1_000 * 2 ** (count - 1));
}
