// SPDX-License-Identifier: Apache-2.0

/**
 * The shape of native/addon (Node-API in C), a thin mirror of native/uapi/tdx_iommu.h: numbers stay numbers (u32), u64 is bigint, enums stay
 * their numbers. `addon-driver.ts` turns them into domain values; nothing else imports this file except `simulation.ts`.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { AppError } from "../runtime/errors.ts";

/** `struct tdx_iommu_info` without its size. */
export interface RawInfo {
  readonly flags: number;
  readonly abiVersion: number;
  readonly abiProfile: number;
  readonly environment: number;
  readonly moduleMajor: number;
  readonly moduleMinor: number;
  readonly moduleUpdate: number;
  readonly moduleInternal: number;
  readonly buildNum: number;
  readonly buildDate: number;
  readonly mtPageCount: number;
  readonly features0: bigint;
  readonly valid: number;
  readonly instance: string;
  readonly pagesDonated: bigint;
  readonly pagesRetained: bigint;
}

/** `struct tdx_iommu_unit`. */
export interface RawUnit {
  readonly regBase: bigint;
  readonly segment: number;
  readonly numaNode: number;
  readonly cap: bigint;
  readonly ecap: bigint;
  readonly gsts: number;
  readonly state: number;
  readonly flags: number;
  readonly leaf: number;
  readonly tdxIommuId: bigint;
  readonly setupSeq: bigint;
  readonly status: bigint;
  readonly durationNs: bigint;
  readonly attempts: number;
  readonly pagesDonated: number;
  readonly pagesRetained: number;
}

/** One LIST. `units` is the same array object as long as instance and generation are unchanged. */
export interface RawTable {
  readonly instance: string;
  readonly generation: bigint;
  readonly units: readonly RawUnit[];
}

export interface RawCall {
  readonly outcome: number;
  readonly unit: RawUnit;
}

/** What a native call throws or rejects with: `code` is the errno's name, `command` the ioctl's. */
export interface NativeError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly command: string;
  /** Of EUCLEAN: what in the simulator's state cannot be. */
  readonly field?: string;
}

/**
 * One opener. SETUP and CLEAR run in order on a thread of their own; INFO and LIST on another. After close every call rejects with
 * ECANCELED. Wrong arguments throw a TypeError.
 */
export interface NativeHandle {
  info(): Promise<RawInfo>;
  list(): Promise<RawTable>;
  setup(regBase: bigint): Promise<RawCall>;
  /** That many ms from now, on CLOCK_MONOTONIC in ns: what `notAfter` is made of, and nothing else. */
  deadline(ms: number): bigint;
  /** ETIME when its turn comes after `notAfter`. 0, for none, is refused. */
  clear(regBase: bigint, tdxIommuId: bigint, setupSeq: bigint, notAfter: bigint): Promise<RawCall>;
  /** Settles when the table may differ from this handle's last LIST; does not keep the process alive. */
  waitChanged(): Promise<void>;
  /** Rejects what is in flight with ECANCELED; repeatable. */
  close(): Promise<void>;
}

export interface RawSimulatedUnit {
  readonly regBase: bigint;
  readonly segment: number;
  /** -1 = the firmware names no node. */
  readonly numaNode: number;
  readonly cap: bigint;
  readonly ecap: bigint;
  readonly gsts: number;
  readonly foreign: boolean;
}

export interface RawSimulationOptions {
  readonly units: readonly RawSimulatedUnit[];
  readonly abiProfile: number;
  readonly mtPageCount: number;
  readonly environment: number;
  readonly features0: bigint;
  readonly latencyMs: number;
  readonly interruptions: number;
}

/** 0 = either leaf; null regBase = any unit; null status = only the delay; count 0 = for ever. */
export interface RawFault {
  readonly leaf: number;
  readonly regBase: bigint | null;
  readonly status: bigint | null;
  readonly delayMs: number;
  readonly count: number;
  readonly skip: number;
  readonly keepPages: boolean;
}

export interface RawModuleUnit {
  readonly regBase: bigint;
  readonly present: boolean;
  /** 0 None, 1 Configuring, 2 Configured, 3 Clearing, 4 Foreign. */
  readonly phase: number;
  readonly tdxIommuId: bigint | null;
  readonly ownedPages: readonly bigint[];
  readonly securedLinks: readonly number[];
  readonly setupCalls: bigint;
  readonly clearCalls: bigint;
}

export interface RawDump {
  readonly incarnation: bigint;
  readonly environment: number;
  readonly abiProfile: number;
  readonly mtPageCount: number;
  readonly corruptedPage: bigint | null;
  readonly freedTooEarly: readonly bigint[];
  readonly setupCalls: bigint;
  readonly clearCalls: bigint;
  readonly pagesTotal: number;
  readonly pagesAllocated: number;
  readonly faults: readonly RawFault[];
  readonly units: readonly RawModuleUnit[];
}

/** Control of a simulated host's state directory; synchronous, each takes the state lock for less than a millisecond. */
export interface NativeSimulation {
  create(dir: string, options: RawSimulationOptions): void;
  addFault(dir: string, fault: RawFault): void;
  clearFaults(dir: string): void;
  /** `device` = segment << 16 | bus << 8 | device << 3 | function. */
  setLink(dir: string, regBase: bigint, device: number, secured: boolean): void;
  setUnitPresent(dir: string, regBase: bigint, present: boolean): void;
  reboot(dir: string): void;
  /** Environment 0 brings the module back; `lost`: as a newly loaded one that knows nothing. */
  setEnvironment(dir: string, environment: number, lost: boolean): void;
  dump(dir: string): RawDump;
}

/** One thing that a process has open; what the fields mean is said in src/host/processes.ts. */
export interface RawOpenDevice {
  readonly pid: number;
  readonly kind: "Node" | "Registered" | "Anonymous";
  readonly major: number;
  readonly minor: number;
  readonly text: string;
}

export interface RawDeviceScan {
  readonly complete: boolean;
  readonly why: string;
  readonly found: readonly RawOpenDevice[];
  readonly files: number;
  readonly cpuMs: number;
}

export interface Addon {
  /** Opens the device node; throws a NativeError. */
  open(path: string, writable: boolean): NativeHandle;
  /** Opens table and simulator over a state directory; a second writable opener gets EBUSY. */
  openSimulator(dir: string, writable: boolean): NativeHandle;
  readonly simulation: NativeSimulation;
  /** The kernel's news about devices (uevents). Of `waitChanged` each settles with the next; throws a NativeError. */
  openUevents(): Pick<NativeHandle, "waitChanged" | "close">;
  /** The text of a small file whose read may block in the kernel; after `deadlineMs` it is interrupted there, and rejects with ETIMEDOUT. */
  readAttribute(path: string, deadlineMs: number): Promise<string>;
  /** Locks an open file for writing, against every other opener, where SQLite would; throws EAGAIN at once. Held until it is closed. */
  lockFile(fd: number): void;
  /** A descriptor that counts how often the device at `path` (below /sys) comes from now on, also while this process is stopped. Throws a NativeError. */
  openArrivals(path: string): number;
  /** How often it came since the last time; -1 when some of the kernel's news was lost. Throws a NativeError. */
  takeArrivals(fd: number): number;
  /** Who has device nodes with these numbers open (minor null: any), in the procfs at `proc`; see native/addon/scan.h. Ends at the deadline. */
  scanDevices(proc: string, wanted: readonly { major: number; minor: number | null }[], deadlineMs: number): Promise<RawDeviceScan>;
}

/** Beside a shipped bundle; else where `make` leaves it, seen from src/seamcall and from a bundle one folder below the root. */
const CANDIDATES = ["./tdx_iommu.node", "../../native/build/release/tdx_iommu.node", "../native/build/release/tdx_iommu.node"];

/** Loads the addon; DRIVER_MISSING when it was not built. `path` is for tests (the sanitizer build, the shim). */
export function loadAddon(path: string | null = null): Addon {
  const found = path ?? CANDIDATES.map((at) => fileURLToPath(new URL(at, import.meta.url))).find((at) => existsSync(at));
  if (found === undefined)
    throw new AppError("DRIVER_MISSING", "the native addon is not built: run `make` in native/", {
      details: { file: "native/build/release/tdx_iommu.node" },
    });
  return createRequire(import.meta.url)(found) as Addon;
}
