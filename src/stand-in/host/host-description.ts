// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import type { AbiProfile, Environment, RegBase } from "../../domain/unit.ts";

/** One unit of a simulated host, complete. */
export interface UnitDescription {
  /** `dmarN` */
  readonly name: string;
  readonly regBase: RegBase;
  readonly segment: number;
  readonly numaNode: number | null;
  /** VT-d version, `6:0`. */
  readonly version: string;
  /** Hex without 0x, as the kernel prints it. Bit 50 of ecap says TDX Connect. */
  readonly cap: string;
  readonly ecap: string;
  readonly domainsUsed: number;
}

/** One PCI function of a simulated host, complete: virtual functions are functions like any other. */
export interface FunctionDescription {
  readonly address: Address;
  /** Name of the unit above it; null: the kernel gives it none. */
  readonly unit: string | null;
  readonly iommuGroup: string | null;
  readonly numaNode: number | null;
  /** Hex digits without 0x: 4, 4, 6 and 2 of them. */
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
  readonly revision: string;
  /** The bridge function above its bus; null on a root bus. */
  readonly bridge: Address | null;
  readonly hostBridge: string;
  /** Driver bound when the host starts. */
  readonly driver: string | null;
  readonly teeIo: boolean;
  /** Selective IDE streams; 0 = no IDE capability. Taken from the image when there is one. */
  readonly ideStreams: number;
  /** Name of a captured configuration space that is used instead of a made-up one. */
  readonly image: string | null;
  /** Length of the `config` file: 4096, 256 (no extended space) or 64 (what an unprivileged reader gets). */
  readonly configBytes: number;
  /** The link is secure when the host starts: stream enabled, TSM (if there is one) connected. */
  readonly secured: boolean;
  readonly physicalFunction: Address | null;
  /** SR-IOV TotalVFs and the functions that exist. */
  readonly totalVfs: number;
  readonly virtualFunctions: readonly Address[];
}

/** How the simulated TDX module behaves. */
export interface ModuleDescription {
  readonly profile: AbiProfile;
  readonly mtPageCount: number;
  readonly environment: Environment;
  /** What every attempt of a SEAMCALL takes. */
  readonly latencyMs: number;
  /** How often SETUP and CLEAR are interrupted before they succeed. */
  readonly interruptions: number;
}

/** A whole simulated host: HOST.yaml with everything filled in. Plain JSON. */
export interface HostDescription {
  /** One line for people. */
  readonly summary: string;
  readonly module: ModuleDescription;
  /** Name of the registered TSM, `tsm0`; null: none, and then no function has a `tsm/` group. */
  readonly tsm: string | null;
  /** False: like a kernel without IOMMUFD, no `/dev/vfio/devices`. */
  readonly iommufd: boolean;
  readonly units: readonly UnitDescription[];
  readonly functions: readonly FunctionDescription[];
  /** Captured configuration spaces by name, base64. */
  readonly images: Readonly<Record<string, string>>;
}
