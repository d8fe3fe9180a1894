// SPDX-License-Identifier: Apache-2.0

/** The one table from the UAPI's errnos (native/uapi/tdx_iommu.h, "Errors") to the project's error codes. */
import type { ErrorCode } from "../runtime/errors.ts";
import { AppError, isAppError, messageOf } from "../runtime/errors.ts";
import type { NativeError } from "./addon.ts";

const BY_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENODEV: "NO_TDX_MODULE",
  ENOENT: "UNKNOWN_UNIT",
  EBUSY: "WRITER_BUSY",
  ESTALE: "STALE_ID",
  ENOMEM: "OUT_OF_MEMORY",
  EINTR: "INTERRUPTED",
  EOPNOTSUPP: "REAL_SETUP_DISABLED",
  EIO: "BACKEND_GONE",
  EPERM: "NOT_PERMITTED",
  ETIME: "TOO_LATE",
  // The tail of a struct that the driver does not know is not zero.
  E2BIG: "DRIVER_TOO_OLD",
  ECANCELED: "DRIVER_CLOSED",
  EUCLEAN: "SIMULATION_INVALID",
};

/** At open an errno speaks of the path, not of a unit. */
const AT_OPEN: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "DRIVER_MISSING",
  ENOTDIR: "DRIVER_MISSING",
  ENXIO: "NO_TDX_MODULE",
  EACCES: "NOT_PERMITTED",
};

/** An error from the addon as an AppError; what the contract does not name becomes DRIVER_FAILED. */
export function fromNative(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  if (!isNativeError(thrown)) return new AppError("DRIVER_FAILED", messageOf(thrown), { cause: thrown });
  const details = { errno: thrown.code, command: thrown.command };
  return new AppError(codeOf(thrown), describeNative(thrown), { details, cause: thrown });
}

function codeOf(error: NativeError): ErrorCode {
  const byErrno = BY_ERRNO[error.code] ?? "DRIVER_FAILED";
  if (error.command === "openSimulator" && error.code === "EIO") return "SIMULATION_INVALID";
  return error.command.startsWith("open") ? (AT_OPEN[error.code] ?? byErrno) : byErrno;
}

/** One line for people: which command, which errno, the system's words; of a simulator's state that cannot be, the field and the fix. */
export function describeNative(thrown: unknown): string {
  if (!isNativeError(thrown)) return messageOf(thrown);
  if (thrown.field !== undefined) return `${thrown.command}: the simulator's state is damaged (${thrown.field}); make the host anew: simulate create`;
  return `${thrown.command}: ${thrown.code}: ${thrown.message}`;
}

function isNativeError(thrown: unknown): thrown is NativeError {
  return thrown instanceof Error && "code" in thrown && "errno" in thrown && "command" in thrown;
}
