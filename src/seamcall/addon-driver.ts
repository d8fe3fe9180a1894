// SPDX-License-Identifier: Apache-2.0

/** The port over a handle of the addon (device node or simulator): raw values become domain values, errnos become error codes. */
import type { DriverInfo, DriverTable, DriverUnit, LastCall, UnitState } from "../domain/unit.ts";
import { ABI_PROFILES, ENVIRONMENTS, LEAVES, regBaseFromNumber, SETUP_OUTCOMES, UNIT_STATES } from "../domain/unit.ts";
import type { NativeHandle, RawCall, RawInfo, RawTable, RawUnit } from "../native/addon.ts";
import { watchChanges } from "../native/change-watch.ts";
import { fromNative } from "../native/errors.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { AppError } from "../runtime/errors.ts";
import type { CallResult, Deadline, Driver, SeamcallPort } from "./port.ts";

/** Bits of native/uapi/tdx_iommu.h. */
const INFO_SIMULATED = 1;
const INFO_REAL_SETUP = 2;
const INFO_DID_UNRESERVED = 4;
const INFO_NOT_AFTER = 8;
const VALID_VERSION = 1;
const VALID_FEATURES0 = 2;
const VALID_MT_PAGE_COUNT = 4;
const UNIT_ID_VALID = 1;
const UNIT_RETRYABLE = 4;

/** A port that owns `handle`. */
export function bindHandle(driver: Driver, handle: NativeHandle, clock: Clock = systemClock): SeamcallPort {
  const readTable = tableReader();
  const watch = watchChanges(handle, clock);
  return {
    driver,
    info: () => translated(handle.info(), infoOf),
    list: async () => {
      const table = await translated(handle.list(), readTable);
      watch.listed();
      return table;
    },
    setup: (regBase) =>
      translated(
        called(() => handle.setup(BigInt(regBase))),
        resultOf,
      ),
    deadline: (ms) => handle.deadline(ms) as Deadline,
    clear: (target, notAfter) =>
      translated(
        called(() => handle.clear(BigInt(target.regBase), target.tdxIommuId, target.setupSeq, notAfter)),
        resultOf,
      ),
    onChange: watch.listen,
    close: async () => {
      watch.stop();
      await translated(handle.close(), () => undefined);
    },
  };
}

/** A wrong argument rejects, as everything else does. */
async function called<T>(call: () => Promise<T>): Promise<T> {
  return await call();
}

async function translated<Raw, T>(answer: Promise<Raw>, read: (raw: Raw) => T): Promise<T> {
  try {
    return read(await answer);
  } catch (error) {
    throw fromNative(error);
  }
}

/** The addon gives the same array while nothing changed: then the table of last time is still true. */
function tableReader(): (raw: RawTable) => DriverTable {
  let lastUnits: readonly RawUnit[] | null = null;
  let lastTable: DriverTable | null = null;
  return (raw) => {
    if (lastTable !== null && raw.units === lastUnits) return lastTable;
    lastUnits = raw.units;
    lastTable = { instance: raw.instance, generation: raw.generation, units: raw.units.map(unitOf) };
    return lastTable;
  };
}

/** `struct tdx_iommu_unit` as a domain value. */
export function unitOf(raw: RawUnit): DriverUnit {
  return {
    regBase: regBaseFromNumber(raw.regBase),
    segment: raw.segment,
    numaNode: raw.numaNode < 0 ? null : raw.numaNode,
    cap: raw.cap,
    ecap: raw.ecap,
    gsts: raw.gsts,
    state: stateOf(raw.state),
    tdxIommuId: (raw.flags & UNIT_ID_VALID) === 0 ? null : raw.tdxIommuId,
    setupSeq: raw.setupSeq,
    retryable: (raw.flags & UNIT_RETRYABLE) !== 0,
    lastCall: lastCallOf(raw),
    pagesDonated: raw.pagesDonated,
    pagesRetained: raw.pagesRetained,
    evidence: "",
    missing: null,
  };
}

/** A state this program does not know is not trusted. */
function stateOf(state: number): UnitState {
  return UNIT_STATES[state] ?? "Unknown";
}

function lastCallOf(raw: RawUnit): LastCall | null {
  if (raw.leaf === 0) return null;
  const leaf = raw.leaf === LEAVES["TDH.IOMMU.SETUP"] ? "TDH.IOMMU.SETUP" : "TDH.IOMMU.CLEAR";
  return { leaf, status: raw.status, attempts: raw.attempts, durationNs: raw.durationNs };
}

function resultOf(raw: RawCall): CallResult {
  const outcome = SETUP_OUTCOMES[raw.outcome];
  if (outcome === undefined) throw new AppError("DRIVER_FAILED", `the driver answered with outcome ${raw.outcome}, which this program does not know`);
  return { outcome, unit: unitOf(raw.unit) };
}

/** `struct tdx_iommu_info` as a domain value. */
export function infoOf(raw: RawInfo): DriverInfo {
  return {
    simulated: (raw.flags & INFO_SIMULATED) !== 0,
    realSetup: (raw.flags & INFO_REAL_SETUP) !== 0,
    kernelOwned: false,
    didUnreserved: (raw.flags & INFO_DID_UNRESERVED) !== 0,
    honoursNotAfter: (raw.flags & INFO_NOT_AFTER) !== 0,
    abiVersion: raw.abiVersion,
    abiProfile: ABI_PROFILES[raw.abiProfile] ?? "Unknown",
    environment: ENVIRONMENTS[raw.environment] ?? "NotReady",
    instance: raw.instance,
    module: moduleOf(raw),
    features0: (raw.valid & VALID_FEATURES0) === 0 ? null : raw.features0,
    mtPageCount: (raw.valid & VALID_MT_PAGE_COUNT) === 0 ? null : raw.mtPageCount,
    pagesDonated: Number(raw.pagesDonated),
    pagesRetained: Number(raw.pagesRetained),
  };
}

function moduleOf(raw: RawInfo): DriverInfo["module"] {
  if ((raw.valid & VALID_VERSION) === 0) return null;
  const update = String(raw.moduleUpdate).padStart(2, "0");
  return { version: `${raw.moduleMajor}.${raw.moduleMinor}.${update}`, buildNum: raw.buildNum, buildDate: raw.buildDate };
}
