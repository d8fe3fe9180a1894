// SPDX-License-Identifier: Apache-2.0

/**
 * The way to SETUP and CLEAR. Three drivers implement it: `tdx_iommu` (ioctls on /dev/tdx_iommu), `tdx_host`
 * (a kernel that owns TDX Connect), `simulated` (never chosen by probing). Mirrors native/uapi/tdx_iommu.h.
 *
 *   agent ──► SeamcallPort ──► addon ──► ioctl fd | table + simulator
 */
import type { CallOutcome, DriverInfo, DriverTable, DriverUnit, RegBase } from "../domain/unit.ts";

export const DRIVERS = ["tdx_iommu", "tdx_host", "simulated"] as const;
export type Driver = (typeof DRIVERS)[number];

export interface CallResult {
  /** What happened to the unit; always read it again with `list` before acting on it. */
  readonly outcome: CallOutcome;
  readonly unit: DriverUnit;
}

/** All three must match the unit's entry, else the call rejects with STALE_ID. */
export interface ClearTarget {
  readonly regBase: RegBase;
  readonly tdxIommuId: bigint;
  readonly setupSeq: bigint;
}

/**
 * Until when a CLEAR may begin, on the driver's own clock (CLOCK_MONOTONIC, ns). Only `SeamcallPort.deadline` makes one, so that no time of another
 * clock gets there.
 */
export type Deadline = bigint & { readonly [DEADLINE]: true };
declare const DEADLINE: unique symbol;

/**
 * Errors are AppErrors (runtime/errors.ts), one per errno of the UAPI: NO_TDX_MODULE (ENODEV) · UNKNOWN_UNIT (ENOENT) · WRITER_BUSY (EBUSY) ·
 * STALE_ID (ESTALE) · OUT_OF_MEMORY (ENOMEM) · INTERRUPTED (EINTR; what has begun goes on, a repeat joins it) · REAL_SETUP_DISABLED (EOPNOTSUPP) ·
 * TOO_LATE (ETIME; nothing was issued) · DRIVER_TOO_OLD (E2BIG) · BACKEND_GONE (EIO; the gate closes) · NOT_PERMITTED (EPERM) · DRIVER_CLOSED (used after close) · DRIVER_FAILED (anything else).
 */
export interface SeamcallPort {
  readonly driver: Driver;
  info(): Promise<DriverInfo>;
  /** One atomic snapshot. Never waits for a SEAMCALL. */
  list(): Promise<DriverTable>;
  /** Idempotent: a trusted unit answers Already without a SEAMCALL. Resumption is below this call. */
  setup(regBase: RegBase): Promise<CallResult>;
  /** That many ms from now. To be taken when the look begins on which a CLEAR is decided: from then on that look ages. */
  deadline(ms: number): Deadline;
  /** Not issued when its turn, behind other units' calls, comes after `notAfter`. What has begun goes on. */
  clear(target: ClearTarget, notAfter: Deadline): Promise<CallResult>;
  /**
   * Calls `listener` whenever the table may have changed since the last `list` (poll() on the device node). Lossy and spurious wake-ups are
   * allowed; the agent's timer bounds what is missed. Returns the way to stop.
   */
  onChange(listener: () => void): () => void;
  /** Ends every call in flight with DRIVER_CLOSED; an operation already with the kernel goes on. Repeatable. */
  close(): Promise<void>;
}

/**
 * Loads of a kernel's own driver that were watched from their start. The log keeps the lines of all loads of a boot, and a process that comes late
 * cannot part them: what one process has watched, the next one of the same boot must be told. Texts are the driver's own.
 */
export interface LoadsPort {
  /** Takes what an earlier process of this boot watched. Counts from the next LIST on. */
  believe(loads: ReadonlySet<string>): void;
  /** What the next process may be told: the load that is there, when it was watched. */
  watched(): ReadonlySet<string>;
}
