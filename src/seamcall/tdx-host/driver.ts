// SPDX-License-Identifier: Apache-2.0

/**
 * The driver for kernels that own TDX Connect (tdx_host). It reads what the kernel shows and asks for nothing: such a kernel sets up every unit
 * when its driver is loaded and clears every one when it is unloaded, and the faux bus it is on lets nobody bind or unbind by hand
 * (drivers/base/faux.c, suppress_bind_attrs).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { HostUnit } from "../../domain/device.ts";
import type { BindingInfo, BindingTable, BindingUnit } from "../../domain/unit.ts";
import { AppError, messageOf } from "../../runtime/errors.ts";
import type { SeamcallPort } from "../port.ts";
import { conclude, type KernelEvidence } from "./evidence.ts";
import { openKernelLog } from "./kernel-log.ts";

export interface TdxHostOptions {
  /** `/` on a real node. */
  readonly root: string;
  /** The units as the kernel lists them now. @throws when they can't be listed */
  readonly units: () => Promise<readonly HostUnit[]>;
  /** Found, not named: when its TSM goes there is no driver any more, and LIST rejects with BACKEND_GONE. */
  readonly isFound?: boolean;
}

const DEVICE = "sys/devices/faux/tdx_host";
/** Whoever poses as the kernel's driver in tests says so by being loaded. */
const SIMULATOR = "sys/module/tdx_connect_sim";

/** The TSM that the kernel's driver has registered; null without the driver or without a TSM. */
export function findTsm(root: string): KernelEvidence["tsm"] {
  try {
    const folder = join(root, DEVICE, "tsm");
    const name = readdirSync(folder).find((entry) => /^tsm\d+$/.test(entry));
    if (name === undefined) return null;
    return { name, incarnation: statSync(join(folder, name), { bigint: true }).ino };
  } catch (thrown) {
    if (isAbsent(thrown)) return null;
    throw new AppError("BINDING_FAILED", `${DEVICE}/tsm cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** A port whose table is concluded from evidence at each LIST. */
export function createTdxHost(options: TdxHostOptions): SeamcallPort {
  const { root } = options;
  const log = openKernelLog(join(root, "dev/kmsg"));
  let isClosed = false;
  const bootId = (): string => readFileSync(join(root, "proc/sys/kernel/random/boot_id"), "utf8").trim().replaceAll("-", "");
  const list = async (): Promise<BindingTable> => {
    const units = await options.units();
    if (isClosed) throw new AppError("BINDING_CLOSED", "the driver tdx_host is closed");
    const tsm = findTsm(root);
    if (tsm === null && options.isFound === true) throw new AppError("BACKEND_GONE", "the TSM of the kernel's own driver tdx_host has gone");
    const evidence: KernelEvidence = { driverLoaded: isThere(join(root, DEVICE)), tsm, log: log.read() };
    return { instance: bootId(), generation: evidence.tsm?.incarnation ?? 0n, units: units.map((unit) => entryOf(unit, evidence)) };
  };
  return {
    driver: "tdx_host",
    info: async () => infoOf(root, bootId()),
    list,
    setup: () => Promise.reject(refusal("sets up all units when it is loaded")),
    clear: () => Promise.reject(refusal("clears all units when it is unloaded")),
    // A TSM that comes or goes is news that the host's port wakes for.
    onChange: () => () => undefined,
    async close() {
      isClosed = true;
      log.close();
    },
  };
}

function refusal(what: string): AppError {
  return new AppError("KERNEL_OWNED", `the kernel's own driver tdx_host ${what}: it can't be asked`);
}

function entryOf(unit: HostUnit, found: KernelEvidence): BindingUnit {
  const { state, evidence } = conclude(unit, found);
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
  };
}

function infoOf(root: string, instance: string): BindingInfo {
  return {
    simulated: isThere(join(root, SIMULATOR)),
    realSetup: true,
    kernelOwned: true,
    didUnreserved: false,
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
function versionOf(root: string): BindingInfo["module"] {
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

function isAbsent(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR");
}
