// SPDX-License-Identifier: Apache-2.0

/**
 * The driver for kernels that own TDX Connect (tdx_host). It reads what the kernel shows and asks for nothing: such a kernel sets up every unit
 * when its driver is loaded and clears every one when it is unloaded, and the faux bus it is on lets no user bind or unbind by hand
 * (drivers/base/faux.c, suppress_bind_attrs).
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { HostUnit } from "../../domain/host.ts";
import type { DriverInfo, DriverTable, DriverUnit } from "../../domain/unit.ts";
import { AppError } from "../../runtime/errors.ts";
import type { Deadline, SeamcallPort } from "../port.ts";
import { DEVICE } from "./device.ts";
import { conclude, type KernelEvidence, type ListedUnit } from "./evidence.ts";
import type { KernelWatch } from "./watch.ts";

export interface TdxHostOptions {
  /** `/` on a real node. */
  readonly root: string;
  /** The units as the kernel lists them now. @throws when they can't be listed */
  readonly units: () => Promise<readonly HostUnit[]>;
  /** The process's one. */
  readonly watch: KernelWatch;
  /** Found, not named: when its TSM goes there is no driver any more, and LIST rejects with BACKEND_GONE. */
  readonly isFound?: boolean;
}

/** A module that poses as the kernel's driver in tests says so by being loaded. */
const SIMULATOR = "sys/module/tdx_connect_sim";

/** A port whose table is concluded from evidence at each LIST. */
export function createTdxHost(options: TdxHostOptions): SeamcallPort {
  const { root, watch } = options;
  let isClosed = false;
  const bootId = (): string => readFileSync(join(root, "proc/sys/kernel/random/boot_id"), "utf8").trim().replaceAll("-", "");
  const list = async (): Promise<DriverTable> => {
    const units = await options.units();
    if (isClosed) throw new AppError("DRIVER_CLOSED", "the driver tdx_host is closed");
    const evidence = watch.look();
    if (evidence.tsm === null && options.isFound === true) throw new AppError("BACKEND_GONE", "the TSM of the kernel's own driver tdx_host has gone");
    const entry = (unit: HostUnit): DriverUnit => entryOf({ ...unit, incarnation: watch.incarnationOfUnit(unit.kernelName) }, evidence);
    return { instance: bootId(), generation: evidence.tsm?.incarnation ?? 0n, units: units.map(entry) };
  };
  return {
    driver: "tdx_host",
    info: async () => infoOf(root, bootId()),
    list,
    setup: () => Promise.reject(refusal("sets up all units when it is loaded")),
    // Nothing is ever issued here, so nothing is ever late.
    deadline: () => 0n as Deadline,
    clear: () => Promise.reject(refusal("clears all units when it is unloaded")),
    // A TSM that comes or goes is news that the host's port wakes for.
    onChange: () => () => undefined,
    async close() {
      isClosed = true;
    },
  };
}

function refusal(what: string): AppError {
  return new AppError("KERNEL_OWNED", `the kernel's own driver tdx_host ${what}: it can't be asked`);
}

function entryOf(unit: ListedUnit, found: KernelEvidence): DriverUnit {
  const { state, evidence, isLoadUnwatched } = conclude(unit, found);
  return {
    regBase: unit.regBase,
    segment: 0,
    numaNode: null,
    cap: unit.cap ?? 0n,
    ecap: unit.ecap ?? 0n,
    gsts: 0,
    state,
    tdxIommuId: null,
    // One span of trust is one registration of the TSM.
    setupSeq: found.tsm?.incarnation ?? 0n,
    retryable: false,
    lastCall: null,
    pagesDonated: 0,
    pagesRetained: 0,
    evidence,
    missing: isLoadUnwatched ? "WatchedLoad" : state === "Unknown" ? "Evidence" : null,
  };
}

function infoOf(root: string, instance: string): DriverInfo {
  return {
    simulated: isThere(join(root, SIMULATOR)),
    realSetup: true,
    kernelOwned: true,
    didUnreserved: false,
    honoursNotAfter: false,
    abiVersion: 0,
    abiProfile: "Unknown",
    environment: "Ok",
    instance,
    module: versionOf(root),
    features0: null,
    mtPageCount: null,
    pagesDonated: 0,
    pagesRetained: 0,
  };
}

/** `major.minor.update`; null while the kernel can't tell. */
function versionOf(root: string): DriverInfo["module"] {
  try {
    const version = readFileSync(join(root, DEVICE, "version"), "utf8").trim();
    return { version, buildNum: 0, buildDate: 0 };
  } catch {
    return null; // Absent without the driver, ENXIO without metadata: no version either way, and LIST says what it means.
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
