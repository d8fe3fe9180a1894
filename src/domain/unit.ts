// SPDX-License-Identifier: Apache-2.0

/**
 * The key of a unit: the physical base of its VT-d register block (DRHD `reg_base_addr`, RCX of
 * TDH.IOMMU.SETUP), written as `0x` + lower-case hex without leading zeros.
 */
export type RegBase = string;

/** States of a unit, in the order of `enum tdx_iommu_unit_state` in native/uapi/tdx_iommu.h. */
export const UNIT_STATES = ["Unknown", "Unsupported", "Untrusted", "SettingUp", "Trusted", "Clearing", "Failed", "Foreign"] as const;
export type UnitState = (typeof UNIT_STATES)[number];

/** The SEAMCALL leaves this project issues, with their numbers (TDX Connect ABI, version 0). */
export const LEAVES = { "TDH.IOMMU.SETUP": 128, "TDH.IOMMU.CLEAR": 129 } as const;
export type Leaf = keyof typeof LEAVES;

/** The last SEAMCALL made for a unit, as the driver recorded it. */
export interface LastCall {
  readonly leaf: Leaf;
  /** Full RAX; the operand id is in bits 31:0. */
  readonly status: bigint;
  /** How often the leaf was issued, resumptions included. */
  readonly attempts: number;
  readonly durationNs: bigint;
}

/** One entry of LIST: what the driver knows of a unit right now. Source: `struct tdx_iommu_unit`. */
export interface DriverUnit {
  readonly regBase: RegBase;
  readonly segment: number;
  /** Null when the firmware names no node. */
  readonly numaNode: number | null;
  readonly cap: bigint;
  readonly ecap: bigint;
  readonly gsts: number;
  readonly state: UnitState;
  /** Null unless the ID_VALID flag is set; 0 may be an id. */
  readonly tdxIommuId: bigint | null;
  /** Names one SETUP of this unit; never reused. */
  readonly setupSeq: bigint;
  readonly retryable: boolean;
  readonly lastCall: LastCall | null;
  readonly pagesDonated: number;
  /** Pages the TDX module may still own although no id holds them. */
  readonly pagesRetained: number;
  /** What a state that no driver could be asked for was concluded from, for people. Empty when the driver answers for the unit itself. */
  readonly evidence: string;
  /** What is missing when such a state is Unknown: more evidence, or only that it is of the load that is there now. Null for any other state. */
  readonly missing: "Evidence" | "WatchedLoad" | null;
}

/** One atomic LIST. `generation` changes with every change of the table. */
export interface DriverTable {
  /** Random 128 bits as 32 hex digits, new at each load of the module: an id of another instance is history. */
  readonly instance: string;
  readonly generation: bigint;
  readonly units: readonly DriverUnit[];
}

export const ENVIRONMENTS = ["Ok", "Ud", "Gp", "VmFailInvalid", "NotReady", "NotOptedIn"] as const;
/** Why TDX can or cannot be called on this host (INFO `environment`). */
export type Environment = (typeof ENVIRONMENTS)[number];

export const ABI_PROFILES = ["Unknown", "V2", "Newest"] as const;
export type AbiProfile = (typeof ABI_PROFILES)[number];

/** INFO: identity and means of the driver's other side. */
export interface DriverInfo {
  readonly simulated: boolean;
  /** The kernel side is allowed to issue real SEAMCALLs. */
  readonly realSetup: boolean;
  /**
   * The kernel's own driver calls SETUP and CLEAR, for all units together, when it is loaded and unloaded. It does not tell the ids, so a unit can be
   * trusted without one; nothing can be asked of it.
   */
  readonly kernelOwned: boolean;
  /** Upper domain ids are not reserved by the kernel (flag DID_UNRESERVED). */
  readonly didUnreserved: boolean;
  /** CLEAR takes the time after which it must not begin (flag NOT_AFTER; version 2 of the contract). */
  readonly honoursNotAfter: boolean;
  readonly abiVersion: number;
  readonly abiProfile: AbiProfile;
  readonly environment: Environment;
  readonly instance: string;
  /** Null when the global metadata could not be read. */
  readonly module: { readonly version: string; readonly buildNum: number; readonly buildDate: number } | null;
  /** TDX_FEATURES0; null when unreadable. Bit 6 = TDX Connect. */
  readonly features0: bigint | null;
  readonly mtPageCount: number | null;
  readonly pagesDonated: number;
  readonly pagesRetained: number;
}

export const SETUP_OUTCOMES = ["Done", "Already", "Unsupported", "Retry", "Failed"] as const;
/** What SETUP or CLEAR did to the unit; what to do next the agent decides from leaf and status. */
export type CallOutcome = (typeof SETUP_OUTCOMES)[number];

/** VT-d ECAP bit 50: the unit can be put into TDX mode (necessary, not sufficient). */
export const ECAP_TDX_CONNECT = 1n << 50n;

/** CAP.ND (bits 2:0): number of domain ids = 2^(4 + 2·ND). */
export function domainsFromCap(cap: bigint): number {
  return 2 ** (4 + 2 * Number(cap & 7n));
}

const CANONICAL = /^0x(?:0|[1-9a-f][0-9a-f]{0,15})$/;

/** Canonical form of a register base; null when `text` is not hex with 0x. Accepts upper case and leading zeros. */
export function parseRegBase(text: string): RegBase | null {
  if (!/^0x[0-9a-fA-F]{1,16}$/.test(text)) return null;
  const canonical = regBaseFromNumber(BigInt(text));
  return CANONICAL.test(canonical) ? canonical : null;
}

export function regBaseFromNumber(value: bigint): RegBase {
  return `0x${value.toString(16)}`;
}

/** Orders register bases by address, the order of every listing. */
export function compareRegBase(a: RegBase, b: RegBase): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
