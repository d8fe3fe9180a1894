// SPDX-License-Identifier: Apache-2.0
import { type ErrorCode, isAppError } from "./errors.ts";

/** Exit codes of every command. A process ended by a second signal has the signal's own code (128 + number) instead. */
export const EXIT_CODES = {
  /** Done. Also: a host without TDX Connect, which is not an error. */
  Ok: 0,
  /** The work failed; with --once: a unit that should be trusted is not. */
  Failed: 1,
  /** A flag, the config file, the manifest or the host description is wrong. A restart does not help. */
  Usage: 2,
  /** Another agent runs on this node. */
  NodeLocked: 3,
  /** Rights are missing. */
  NotPermitted: 4,
  /** Something this command needs is not there: driver, API server, file. */
  Unavailable: 5,
  /** The command did its work, and the answer is no: a device is withheld, a node is not ready, a requirement is not met. */
  No: 6,
  /** A bug in this program (EX_SOFTWARE of sysexits.h). */
  Internal: 70,
} as const;
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  CONFIG_INVALID: EXIT_CODES.Usage,
  MANIFEST_INVALID: EXIT_CODES.Usage,
  SIMULATION_INVALID: EXIT_CODES.Usage,
  UNKNOWN_DEVICE: EXIT_CODES.Usage,
  STATUS_INVALID: EXIT_CODES.Usage,
  STATUS_ABSENT: EXIT_CODES.Unavailable,
  AUDIT_ABSENT: EXIT_CODES.Unavailable,
  DEADLINE: EXIT_CODES.Unavailable,
  NODE_LOCKED: EXIT_CODES.NodeLocked,
  WRITER_BUSY: EXIT_CODES.NodeLocked,
  NOT_PERMITTED: EXIT_CODES.NotPermitted,
  API_REFUSED: EXIT_CODES.NotPermitted,
  DRIVER_MISSING: EXIT_CODES.Unavailable,
  KERNEL_OWNED: EXIT_CODES.Unavailable,
  NO_TDX_MODULE: EXIT_CODES.Unavailable,
  HOST_UNREADABLE: EXIT_CODES.Unavailable,
  API_UNREACHABLE: EXIT_CODES.Unavailable,
  INVARIANT_BROKEN: EXIT_CODES.Internal,
};

/** The exit code for anything thrown. What is not an AppError was not foreseen: a bug. */
export function exitCodeOf(thrown: unknown): ExitCode {
  return isAppError(thrown) ? (BY_ERROR[thrown.code] ?? EXIT_CODES.Failed) : EXIT_CODES.Internal;
}
