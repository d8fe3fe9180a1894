// SPDX-License-Identifier: Apache-2.0

/**
 * Control of a simulated host from outside: what the `simulate` command and the tests do to it, possibly while an agent runs on the same
 * state directory in another process. Errors are AppErrors SIMULATION_INVALID.
 */
import { closeSync, constants, openSync } from "node:fs";
import { ADDRESS_FORM, parseAddress } from "../../domain/address.ts";
import type { AbiProfile, Environment, Leaf, RegBase } from "../../domain/unit.ts";
import { ABI_PROFILES, ENVIRONMENTS, LEAVES, regBaseFromNumber } from "../../domain/unit.ts";
import type { Addon, NativeSimulation, RawFault, RawModuleUnit } from "../../native/addon.ts";
import { loadAddon } from "../../native/addon.ts";
import { describeNative } from "../../native/errors.ts";
import { AppError } from "../../runtime/errors.ts";
import { makeFolderNow, PRIVATE } from "../../runtime/folder.ts";

/** A VT-d unit as the simulated firmware and registers show it. */
export interface SimulatedUnit {
  readonly regBase: RegBase;
  readonly segment: number;
  readonly numaNode: number | null;
  readonly cap: bigint;
  /** Bit 50 clear: SETUP is Unsupported without a SEAMCALL. */
  readonly ecap: bigint;
  /** GSTS; SETUP is refused unless TES, RTPS and QIES are set. */
  readonly gsts: number;
  /** In TDX mode without an id of ours. */
  readonly foreign: boolean;
}

export interface SimulationOptions {
  readonly units: readonly SimulatedUnit[];
  readonly profile: AbiProfile;
  /** `iommu_mt_page_count`, 1..510. */
  readonly mtPageCount: number;
  readonly environment: Environment;
  /** What every SEAMCALL attempt takes. */
  readonly latencyMs: number;
  /** How often each SETUP and CLEAR is interrupted (TDX_INTERRUPTED_RESUMABLE) before it succeeds. */
  readonly interruptions: number;
}

/** GSTS of a healthy unit: TES, RTPS, QIES, IRES. */
export const GSTS_HEALTHY = 0xc600_0000;

export const SIMULATION_DEFAULTS: Omit<SimulationOptions, "units"> = {
  profile: "Newest",
  mtPageCount: 4,
  environment: "Ok",
  latencyMs: 0,
  interruptions: 0,
};

/** A scripted fault: the first one that matches an attempt answers it. */
export interface SimulatedFault {
  /** Null: SETUP and CLEAR. */
  readonly leaf: Leaf | null;
  /** Null: any unit. */
  readonly regBase: RegBase | null;
  /** Null: only the delay, then the module's own answer. */
  readonly status: bigint | null;
  readonly delayMs: number;
  /** How many attempts it answers; null = for ever. */
  readonly count: number | null;
  /** How many matching attempts pass before it starts. */
  readonly skip: number;
  /** The module takes the pages although it answers with `status`. Resumable and ECMD statuses always do. */
  readonly keepPages: boolean;
}

export const FAULT_DEFAULTS: SimulatedFault = {
  leaf: null,
  regBase: null,
  status: null,
  delayMs: 0,
  count: 1,
  skip: 0,
  keepPages: false,
};

export const MODULE_PHASES = ["None", "Configuring", "Configured", "Clearing", "Foreign"] as const;
export type ModulePhase = (typeof MODULE_PHASES)[number];

/** One unit in the TDX module's own table. */
export interface ModuleUnit {
  readonly regBase: RegBase;
  /** False after `removeUnit`. */
  readonly present: boolean;
  readonly phase: ModulePhase;
  readonly tdxIommuId: bigint | null;
  readonly ownedPages: readonly bigint[];
  /** PCI addresses of devices whose link is secured. */
  readonly securedLinks: readonly string[];
  readonly setupCalls: bigint;
  readonly clearCalls: bigint;
}

/** The TDX module's truth, which no driver sees. */
export interface ModuleDump {
  /** Grows with each load of the module and each boot. */
  readonly incarnation: bigint;
  readonly environment: Environment;
  readonly profile: AbiProfile;
  readonly mtPageCount: number;
  /** A page the module owns that lost its pattern: the host wrote to it. */
  readonly corruptedPage: bigint | null;
  /** Pages the module owns and the host has freed. */
  readonly freedTooEarly: readonly bigint[];
  /** SEAMCALLs since the state was created, over all boots. */
  readonly calls: Readonly<Record<Leaf, bigint>>;
  readonly pagesTotal: number;
  readonly pagesAllocated: number;
  readonly faults: readonly SimulatedFault[];
  readonly units: readonly ModuleUnit[];
}

/** Names one link: the unit and the PCI address (`dddd:bb:dd.f`) of a device behind it. */
export interface LinkTarget {
  readonly regBase: RegBase;
  readonly address: string;
}

export interface Simulation {
  /** Makes the state directory (which may exist, empty or with an older state); the table starts untrusted. */
  create(dir: string, options: Partial<SimulationOptions> & Pick<SimulationOptions, "units">): void;
  addFault(dir: string, fault: Partial<SimulatedFault>): void;
  clearFaults(dir: string): void;
  /** Secures or releases a link: refuses SETUP (IOMMU_RP_IDE_MUST_BE_DISABLED) and CLEAR (IOMMU_INVALID_STATE) of its unit. */
  setLink(dir: string, target: LinkTarget, secured: boolean): void;
  /** The unit vanishes from LIST; SETUP answers UNKNOWN_UNIT. */
  removeUnit(dir: string, regBase: RegBase): void;
  /** It comes back as reset hardware: without id, untrusted; pages given before stay retained. */
  restoreUnit(dir: string, regBase: RegBase): void;
  /** The host reboots: the module and the table lose everything, new instance. Faults stay scripted. */
  reboot(dir: string): void;
  /** SEAMCALLs are impossible from now on; the module's state is kept. */
  moduleGone(dir: string, environment: Exclude<Environment, "Ok">): void;
  /** The module is there again. `lost`: newly loaded, it knows no unit any more. */
  moduleBack(dir: string, options: { readonly lost: boolean }): void;
  dump(dir: string): ModuleDump;
  /** Runs `work` while nobody else does so with this lock file, in any process. @throws SIMULATION_INVALID when it is taken for five seconds */
  exclusively<T>(lockFile: string, work: () => T): T;
}

/** The control functions over an addon. */
export function simulationOf(addon: Addon = loadAddon()): Simulation {
  const native = addon.simulation;
  return {
    create: (dir, options) =>
      guarded(() => {
        makeFolderNow(dir, PRIVATE);
        native.create(dir, rawOptions({ ...SIMULATION_DEFAULTS, ...options }));
      }),
    addFault: (dir, fault) => guarded(() => native.addFault(dir, rawFault({ ...FAULT_DEFAULTS, ...fault }))),
    clearFaults: (dir) => guarded(() => native.clearFaults(dir)),
    setLink: (dir, target, secured) => guarded(() => native.setLink(dir, BigInt(target.regBase), deviceNumber(target.address), secured)),
    removeUnit: (dir, regBase) => guarded(() => native.setUnitPresent(dir, BigInt(regBase), false)),
    restoreUnit: (dir, regBase) => guarded(() => native.setUnitPresent(dir, BigInt(regBase), true)),
    reboot: (dir) => guarded(() => native.reboot(dir)),
    moduleGone: (dir, environment) => guarded(() => native.setEnvironment(dir, ENVIRONMENTS.indexOf(environment), false)),
    moduleBack: (dir, { lost }) => guarded(() => native.setEnvironment(dir, 0, lost)),
    dump: (dir) => guarded(() => readDump(native, dir)),
    exclusively: (lockFile, work) => exclusively(addon, lockFile, work),
  };
}

const LOCK_TRIES = 1_000;
const LOCK_REST_MS = 5;

/** What is done under it takes milliseconds, so that this thread may rest for it. */
function exclusively<T>(addon: Addon, lockFile: string, work: () => T): T {
  const fd = openSync(lockFile, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    for (let tries = 1; !isLocked(addon, fd); tries += 1) {
      if (tries === LOCK_TRIES) throw new AppError("SIMULATION_INVALID", `${lockFile} is locked: another process changes the simulated host`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_REST_MS);
    }
    return work();
  } finally {
    closeSync(fd);
  }
}

function isLocked(addon: Addon, fd: number): boolean {
  try {
    addon.lockFile(fd);
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN") return false;
    throw thrown;
  }
}

function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof AppError ? error : new AppError("SIMULATION_INVALID", describeNative(error), { cause: error });
  }
}

const TDX_CONNECT = 1n << 6n;

function rawOptions(options: SimulationOptions): Parameters<NativeSimulation["create"]>[1] {
  return {
    units: options.units.map((unit) => ({ ...unit, regBase: BigInt(unit.regBase), numaNode: unit.numaNode ?? -1 })),
    abiProfile: ABI_PROFILES.indexOf(options.profile),
    mtPageCount: options.mtPageCount,
    environment: ENVIRONMENTS.indexOf(options.environment),
    features0: TDX_CONNECT,
    latencyMs: options.latencyMs,
    interruptions: options.interruptions,
  };
}

function rawFault(fault: SimulatedFault): RawFault {
  return {
    leaf: fault.leaf === null ? 0 : LEAVES[fault.leaf],
    regBase: fault.regBase === null ? null : BigInt(fault.regBase),
    status: fault.status,
    delayMs: fault.delayMs,
    count: countOf(fault),
    skip: fault.skip,
    keepPages: fault.keepPages,
  };
}

function countOf(fault: SimulatedFault): number {
  if (fault.count === 0) throw new AppError("SIMULATION_INVALID", "a fault's count is 1 or more, or null for ever");
  return fault.count ?? 0;
}

/** The simulator's links are keyed by 32 bits: segment, bus, device and function. */
function deviceNumber(address: string): number {
  const canonical = parseAddress(address);
  if (canonical === null) throw new AppError("SIMULATION_INVALID", `address is ${JSON.stringify(address)}: write ${ADDRESS_FORM}`);
  const [segment = 0, bus = 0, device = 0, fn = 0] = canonical.split(/[:.]/).map((part) => Number.parseInt(part, 16));
  if (segment > 0xffff) throw new AppError("SIMULATION_INVALID", `${canonical} has no simulated link: name a function of a segment up to ffff`);
  return segment * 0x10000 + bus * 0x100 + device * 8 + fn;
}

function addressOf(device: number): string {
  const hex = (value: number, width: number) => value.toString(16).padStart(width, "0");
  const segment = Math.floor(device / 0x10000);
  return `${hex(segment, 4)}:${hex((device >> 8) & 0xff, 2)}:${hex((device >> 3) & 0x1f, 2)}.${device & 7}`;
}

function readDump(native: NativeSimulation, dir: string): ModuleDump {
  const raw = native.dump(dir);
  return {
    incarnation: raw.incarnation,
    environment: ENVIRONMENTS[raw.environment] ?? "NotReady",
    profile: ABI_PROFILES[raw.abiProfile] ?? "Unknown",
    mtPageCount: raw.mtPageCount,
    corruptedPage: raw.corruptedPage,
    freedTooEarly: raw.freedTooEarly,
    calls: { "TDH.IOMMU.SETUP": raw.setupCalls, "TDH.IOMMU.CLEAR": raw.clearCalls },
    pagesTotal: raw.pagesTotal,
    pagesAllocated: raw.pagesAllocated,
    faults: raw.faults.map(faultOf),
    units: raw.units.map(moduleUnitOf),
  };
}

function faultOf(raw: RawFault): SimulatedFault {
  const leaf = raw.leaf === 0 ? null : raw.leaf === LEAVES["TDH.IOMMU.SETUP"] ? "TDH.IOMMU.SETUP" : "TDH.IOMMU.CLEAR";
  const regBase = raw.regBase === null ? null : regBaseFromNumber(raw.regBase);
  return { ...raw, leaf, regBase, count: raw.count === 0 ? null : raw.count };
}

function moduleUnitOf(raw: RawModuleUnit): ModuleUnit {
  return {
    ...raw,
    regBase: regBaseFromNumber(raw.regBase),
    phase: MODULE_PHASES[raw.phase] ?? "None",
    securedLinks: raw.securedLinks.map(addressOf),
  };
}
