// SPDX-License-Identifier: Apache-2.0
/** What `preflight` reads of a node before it judges: plain values, or why they cannot be read. */
import type { HostView } from "../../domain/host.ts";
import type { DriverInfo } from "../../domain/unit.ts";

/** Something read, that is not there, or that cannot be read. */
export type Found<T> =
  | { readonly kind: "Value"; readonly value: T }
  | { readonly kind: "Missing" }
  | { readonly kind: "Unreadable"; readonly why: string };

/** What a file is. */
export type FileKind = "Socket" | "Folder" | "CharacterDevice" | "File";

export interface PreflightReadings {
  /** The node is a simulated host: its hardware, kernel and rights are not looked at. */
  readonly simulated: boolean;
  /** As Node names it: `x64`. */
  readonly architecture: string;
  /** Vendor and flags of the first processor in /proc/cpuinfo. */
  readonly cpu: Found<{ readonly vendor: string; readonly flags: ReadonlySet<string> }>;
  /** `6.18.1-generic` (uname -r). */
  readonly kernelRelease: string;
  /** /dev/iommu of the host. */
  readonly iommufd: Found<FileKind>;
  /** Units, functions and slots; `Unreadable` when the tree cannot be listed. */
  readonly host: Found<Pick<HostView, "units" | "functions" | "slots" | "unreadableUnits">>;
  /** INFO of what issues SETUP and CLEAR; `Missing`: there is nothing of the kind. */
  readonly driver: Found<{ readonly name: string; readonly info: DriverInfo }>;
  /** `version` of the kernel's own device tdx_host: a TDX module is loaded. */
  readonly loadedModule: Found<string>;
  /** Null: no kubelet on this machine, by configuration. */
  readonly kubelet: { readonly socket: FileAtPath; readonly podResources: FileAtPath } | null;
  /** Null: no CDI specs, by configuration. */
  readonly cdi: { readonly path: string; readonly access: FolderAccess } | null;
  /** Effective capabilities of this process, by bit. */
  readonly capabilities: Found<bigint>;
}

export interface FileAtPath {
  readonly path: string;
  readonly found: Found<FileKind>;
}

/** Whether files can be made in a folder; `CanBeMade`: it is not there, and this process may make it. */
export type FolderAccess = "Writable" | "CanBeMade" | "Denied";
