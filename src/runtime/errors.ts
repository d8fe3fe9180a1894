// SPDX-License-Identifier: Apache-2.0

interface ErrorKind {
  /** gRPC status code for the kubelet border. */
  readonly grpc: number;
  readonly meaning: string;
}

const INTERNAL = 13;
const UNAVAILABLE = 14;
const FAILED_PRECONDITION = 9;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const DEADLINE_EXCEEDED = 4;

/** Every error code of the project. Codes are never reused. */
export const ERROR_CODES = {
  NO_TDX_MODULE: { grpc: UNAVAILABLE, meaning: "the driver finds no TDX module on this host" },
  UNKNOWN_UNIT: { grpc: NOT_FOUND, meaning: "the driver does not know this unit" },
  WRITER_BUSY: { grpc: UNAVAILABLE, meaning: "another process holds the driver for writing" },
  STALE_ID: { grpc: FAILED_PRECONDITION, meaning: "the id or sequence is no longer the unit's" },
  OUT_OF_MEMORY: { grpc: UNAVAILABLE, meaning: "the kernel had no pages to donate" },
  INTERRUPTED: { grpc: UNAVAILABLE, meaning: "the call was interrupted; an operation that has begun goes on" },
  REAL_SETUP_DISABLED: { grpc: FAILED_PRECONDITION, meaning: "the kernel module was loaded without real SETUP" },
  TOO_LATE: { grpc: UNAVAILABLE, meaning: "its turn came after the look that it was decided on had aged: it was not issued" },
  DRIVER_TOO_OLD: { grpc: FAILED_PRECONDITION, meaning: "the loaded driver speaks an older version of the contract" },
  BACKEND_GONE: { grpc: UNAVAILABLE, meaning: "the SEAMCALL backend is gone" },
  NOT_PERMITTED: { grpc: PERMISSION_DENIED, meaning: "CAP_SYS_ADMIN is missing" },
  DRIVER_CLOSED: { grpc: UNAVAILABLE, meaning: "the driver was closed" },
  DRIVER_FAILED: { grpc: INTERNAL, meaning: "the driver failed in a way its contract does not name" },
  DRIVER_MISSING: { grpc: UNAVAILABLE, meaning: "no driver for SETUP and CLEAR was found on this host" },
  KERNEL_OWNED: { grpc: FAILED_PRECONDITION, meaning: "the kernel's own driver does this, for all units, and can't be asked" },
  HOST_UNREADABLE: { grpc: UNAVAILABLE, meaning: "the host's sysfs tree cannot be read" },
  MANIFEST_INVALID: { grpc: INVALID_ARGUMENT, meaning: "the manifest breaks its schema" },
  CONFIG_INVALID: { grpc: INVALID_ARGUMENT, meaning: "a flag or the config file is wrong" },
  NODE_LOCKED: { grpc: UNAVAILABLE, meaning: "another agent runs on this node" },
  KUBELET_ABSENT: { grpc: UNAVAILABLE, meaning: "kubelet's socket is not there" },
  REGISTER_REFUSED: { grpc: UNAVAILABLE, meaning: "kubelet refused the registration" },
  SOCKET_PATH_TOO_LONG: { grpc: INTERNAL, meaning: "a unix socket path is longer than 107 bytes" },
  SOCKET_UNBINDABLE: { grpc: UNAVAILABLE, meaning: "a unix socket cannot be made in its folder" },
  DEADLINE: { grpc: DEADLINE_EXCEEDED, meaning: "an answer did not come in time" },
  NOT_OFFERED: { grpc: FAILED_PRECONDITION, meaning: "the device is withheld; the reason is in the message" },
  LINK_PENDING: { grpc: UNAVAILABLE, meaning: "the device's link is not secured yet; the call is to be repeated" },
  UNKNOWN_DEVICE: { grpc: NOT_FOUND, meaning: "no such device on this node" },
  CLAIM_REFUSED: { grpc: INVALID_ARGUMENT, meaning: "the claim asks for something that this driver does not give" },
  SHUTTING_DOWN: { grpc: UNAVAILABLE, meaning: "the agent is stopping" },
  API_UNREACHABLE: { grpc: UNAVAILABLE, meaning: "the API server does not answer" },
  API_REFUSED: { grpc: PERMISSION_DENIED, meaning: "the API server refused the request" },
  API_ANSWER_TOO_LONG: { grpc: UNAVAILABLE, meaning: "an answer of the API server is longer than is read" },
  SIMULATION_INVALID: { grpc: INVALID_ARGUMENT, meaning: "the simulated host's description or state is wrong" },
  STATUS_ABSENT: { grpc: NOT_FOUND, meaning: "no agent has left a status there" },
  STATUS_INVALID: { grpc: INVALID_ARGUMENT, meaning: "what is there is no status" },
  STATUS_UNWRITABLE: { grpc: INTERNAL, meaning: "the status file cannot be written" },
  CDI_UNWRITABLE: { grpc: INTERNAL, meaning: "a CDI spec cannot be written" },
  PROOF_UNREADABLE: { grpc: INTERNAL, meaning: "the proof file cannot be read or is not ours: nothing is proven" },
  PROOF_UNWRITABLE: { grpc: INTERNAL, meaning: "the proof file cannot be written, so nothing is handed out" },
  AUDIT_UNWRITABLE: { grpc: INTERNAL, meaning: "the audit log cannot be written; nothing hangs on it" },
  AUDIT_ABSENT: { grpc: NOT_FOUND, meaning: "no agent has left an audit log there, or it cannot be read" },
  INVARIANT_BROKEN: { grpc: INTERNAL, meaning: "a bug in this program" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_CODES;
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

const BRAND = Symbol.for("trusted-iommu.AppError");

/** The one error class: a code from the registry, plain loggable details, and the cause. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Recognises by brand, so that a second copy of this module does not break the check. */
export function isAppError(value: unknown): value is AppError {
  return typeof value === "object" && value !== null && BRAND in value;
}

/** How long the other side asked to be left alone (`details.retryAfterMs`); 0 when it did not. */
export function retryAfterMsOf(thrown: unknown): number {
  const ms = isAppError(thrown) ? thrown.details["retryAfterMs"] : 0;
  return typeof ms === "number" ? ms : 0;
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/**
 * The message of a failed file operation without the call and the path that Node appends (`ENOENT: no such file or directory, open '/x'`): for
 * messages that name the path themselves.
 */
export function faultOf(thrown: unknown): string {
  const message = messageOf(thrown);
  const isSystemError = thrown instanceof Error && "syscall" in thrown && typeof thrown.syscall === "string";
  return isSystemError ? (message.split(`, ${thrown.syscall}`)[0] ?? message) : message;
}

/** The errno of a failed system call (`ENOENT`), as Node gives it; undefined when there is none. */
export function errnoOf(thrown: unknown): unknown {
  return typeof thrown === "object" && thrown !== null && "code" in thrown ? thrown.code : undefined;
}

/** Anything thrown as an AppError; what is not one already becomes `fallback` with its cause kept. */
export function toAppError(thrown: unknown, fallback: ErrorCode): AppError {
  return isAppError(thrown) ? thrown : new AppError(fallback, messageOf(thrown), { cause: thrown });
}
