// SPDX-License-Identifier: Apache-2.0
import type { RegBase } from "./unit.ts";

/** The key of a device: its PCI address in its one form (address.ts), also its id towards kubelet. */
export type Address = string;

/** A fact that may be unreadable. Unknown is never yes. */
export type Tristate = "Yes" | "No" | "Unknown";

export const FUNCTION_TYPES = ["Physical", "Virtual"] as const;
export type FunctionType = (typeof FUNCTION_TYPES)[number];

/**
 * Which unit a function's DMA goes through: its own `iommu` link. `None`: the kernel gives it no unit. `Unreadable`: the link is there and
 * could not be followed to a unit with a readable address.
 */
export type UnitOfFunction =
  | { readonly kind: "Unit"; readonly regBase: RegBase; readonly kernelName: string }
  | { readonly kind: "None" }
  | { readonly kind: "Unreadable"; readonly why: string };

/**
 * How reading files of `tsm/` ended. `Failed`: a file gave an error. `Blocked`: none in time; the kernel has one lock for all devices, so the
 * connect or disconnect of any of them does that. `Stands`: blocked, and what this process read before is still to be taken (link-reading.ts).
 * `Writing`: this process is connecting or disconnecting this very link, or was at some moment of the reading, and shows what it was before.
 */
export type TsmRead = "Read" | "Failed" | "Blocked" | "Stands" | "Writing";

/** Who has the function's vfio device open. Unreadable counts as held. */
export type Holders = { readonly kind: "Known"; readonly pids: readonly number[] } | { readonly kind: "Unreadable"; readonly why: string };

/** What decides whether the driver of a function can be changed. Read only of functions whose driver the intent wants changed. */
export interface Binding {
  /** Content of `driver_override`: the only driver that the kernel binds to it. Empty: any that takes it. */
  readonly override: string;
  /** Virtual functions that it has now (`sriov_numvfs`). */
  readonly virtualFunctions: number;
  /** Who uses it through a driver that is not vfio, for people: mounts, swap, device mapper, network interfaces that are up, open character devices. */
  readonly users: readonly string[];
  /** Why one of these cannot be told, for people; empty when all are known. */
  readonly problem: string;
}

/** One PCI function as the host shows it. Values that could not be read are null or Unknown, never guessed. */
export interface PciFunction {
  readonly address: Address;
  /** Four lower-case hex digits each; class = base class + sub-class. */
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
  readonly numaNode: number | null;
  readonly iommuGroup: string | null;
  readonly unit: UnitOfFunction;
  readonly functionType: FunctionType;
  /** The physical function of a virtual one. */
  readonly physicalFunction: Address | null;
  /** TEE-I/O supported: PCIe DEVCAP bit 30 of function 0 of its slot; a VF inherits. PCIe r6.1 7.5.3.3. */
  readonly teeIo: Tristate;
  /** Why not, or why that is unknown, for people; empty when it is. */
  readonly teeIoWhy: string;
  /** Number of selective IDE streams of the slot's function 0; null when there is no IDE capability or it is unreadable. */
  readonly ideStreams: number | null;
  /** `tsm/bound` is not empty: a TDI is bound to a TD. No `tsm/` group: No. */
  readonly bound: Tristate;
  readonly boundRead: TsmRead;
  /** Its own IDE registers are known; also when it has none. */
  readonly isIdeRead: boolean;
  /** Why its capabilities or IDE registers, or those of its slot's function 0, are unknown, for people; empty when they are not. */
  readonly configProblem: string;
  /** False: its configuration space, or that of its slot's function 0, reads as all ones: it does not answer, although reading wakes it. */
  readonly answers: boolean;
  /** Kernel name of the host bridge, `pci0000:16`; null when it cannot be told. */
  readonly hostBridge: string | null;
  readonly rootPort: Address | null;
  readonly driver: string | null;
  /** IOMMUFD cdev, `/dev/vfio/devices/vfio3` as seen on the host; null when not bound to a vfio driver or without IOMMUFD. */
  readonly vfioCdev: string | null;
  readonly holders: Holders;
  /** Null: not asked for. */
  readonly binding: Binding | null;
}

/** vfio-pci and its variants (`mlx5-vfio-pci`, `nvgrace_gpu_vfio_pci`): each gives a vfio device. */
export function isVfioDriver(driver: string): boolean {
  return driver.includes("vfio");
}
