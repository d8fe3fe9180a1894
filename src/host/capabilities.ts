// SPDX-License-Identifier: Apache-2.0
import type { Tristate } from "../domain/device.ts";
import { type ConfigSpace, readable } from "./config-space.ts";
import { findExpress } from "./express.ts";
import { type Ide, readIde } from "./ide.ts";

/** What a function's own configuration space says. `Unknown` and null stand for what was not readable, never for a guess. */
export interface Capabilities {
  /** DEVCAP bit 30 of a function to which a TSM connects. PCIe r6.1 7.5.3.3. */
  readonly teeIo: Tristate;
  /** Why it is not Yes, for people. */
  readonly teeIoWhy: string;
  /** A switch's port towards the root port: the one kind of bridge to which a TSM connects. False also where that cannot be told. */
  readonly isUpstream: boolean;
  readonly ide: Ide;
  /** Offsets of DOE mailboxes (extended capability 0x2E), as many as could be seen; null when there may be some and none was seen. */
  readonly doe: readonly number[] | null;
  /** SR-IOV TotalVFs; 0 without the capability, null when it cannot be told. */
  readonly totalVfs: number | null;
  /** Why something is unknown, for people; empty when nothing is. */
  readonly problem: string;
  /** False: the space reads as all ones, also after reading has woken the function. */
  readonly answers: boolean;
}

/** Capabilities of a space that cannot be read at all. */
export function unreadableCapabilities(problem: string, answers = true): Capabilities {
  return { teeIo: "Unknown", teeIoWhy: problem, isUpstream: false, ide: { kind: "Unknown" }, doe: null, totalVfs: null, problem, answers };
}

export const UNREADABLE_CAPABILITIES = unreadableCapabilities("its configuration space cannot be read");

const NO_EXPRESS: Capabilities = {
  teeIo: "No",
  teeIoWhy: "it has no PCI Express capability",
  isUpstream: false,
  ide: { kind: "Absent" },
  doe: [],
  totalVfs: 0,
  problem: "",
  answers: true,
};

/** What a reader without CAP_SYS_ADMIN gets. */
const OPEN_BYTES = 64;
const LEGACY_BYTES = 256;
const DEVCAP = 0x04;
const DEVCAP_TEE_IO = 1 << 30;
const EXTENDED_START = 0x100;
const IDE = 0x30;
const DOE = 0x2e;
const SR_IOV = 0x10;
const SR_IOV_VFS = 0x0c; // InitialVFs in the low half, TotalVFs in the high half.
/** More than fit into 4 KiB: a chain that is longer has a loop. */
const LONGEST_CHAIN = 480;

/** Reads the capabilities that matter here. Total: any bytes give an answer, and what a truncated space does not show is Unknown. */
export function readCapabilities(space: ConfigSpace): Capabilities {
  const id = space.u32(0);
  if (id === null) return UNREADABLE_CAPABILITIES;
  if (readable(id) === null) return unreadableCapabilities("its configuration space reads all ones: it is gone, or has no power", false);
  const express = findExpress(space);
  if (express.kind === "Unknown") return unreadableCapabilities(whyUnread(space));
  if (express.kind === "Absent") return NO_EXPRESS;
  const devcap = readable(space.u32(express.offset + DEVCAP));
  const extended = { ...readExtended(space), isUpstream: express.isUpstream };
  if (devcap === null) {
    const problem = `its configuration space cannot be read at 0x${(express.offset + DEVCAP).toString(16)}`;
    return { ...extended, answers: true, teeIo: "Unknown", teeIoWhy: problem, problem };
  }
  if (!express.canConnect) return { ...extended, answers: true, teeIo: "No", teeIoWhy: "a TSM connects no function of its type" };
  if ((devcap & DEVCAP_TEE_IO) === 0) return { ...extended, answers: true, teeIo: "No", teeIoWhy: "DEVCAP bit 30 is clear" };
  return { ...extended, answers: true, teeIo: "Yes", teeIoWhy: "" };
}

/** The kernel gives every user the header, and the rest to those with the right to it. */
function whyUnread(space: ConfigSpace): string {
  const isOpenPartOnly = space.u32(OPEN_BYTES - 4) !== null && space.u32(OPEN_BYTES) === null;
  if (isOpenPartOnly) return "only the first 64 bytes of its configuration space can be read: the agent needs CAP_SYS_ADMIN, run it as root";
  return UNREADABLE_CAPABILITIES.problem;
}

/** What the extended space says. */
type Extended = Omit<Capabilities, "teeIo" | "teeIoWhy" | "isUpstream" | "answers">;

function readExtended(space: ConfigSpace): Extended {
  // An Express function has the extended space: where the kernel shows none, it could not read it.
  if (space.size === LEGACY_BYTES) return hidden("the kernel shows only 256 bytes of its configuration space");
  let ide: Ide = { kind: "Absent" };
  let totalVfs: number | null = 0;
  const doe: number[] = [];
  let offset = EXTENDED_START;
  for (let hops = 0; offset >= EXTENDED_START && hops < LONGEST_CHAIN; hops++) {
    const header = readable(space.u32(offset));
    // What was found so far holds; what was not found might come later.
    if (header === null) {
      const { problem, ...unknown } = hidden(`its configuration space cannot be read at 0x${offset.toString(16)}`);
      return {
        ide: ide.kind === "Absent" ? unknown.ide : ide,
        doe: doe.length === 0 ? null : doe,
        totalVfs: totalVfs === 0 ? null : totalVfs,
        problem,
      };
    }
    const id = header & 0xffff;
    if (id === IDE && ide.kind === "Absent") ide = readIde(space, offset);
    if (id === DOE && !doe.includes(offset)) doe.push(offset);
    if (id === SR_IOV && totalVfs === 0) totalVfs = readTotalVfs(space, offset);
    offset = (header >>> 20) & 0xffc;
  }
  const isWhole = ide.kind !== "Unknown" && !(ide.kind === "Present" && ide.streams === null) && totalVfs !== null;
  return { ide, doe, totalVfs, problem: isWhole ? "" : "a register of its extended capabilities cannot be read" };
}

function hidden(problem: string): Extended {
  return { ide: { kind: "Unknown" }, doe: null, totalVfs: null, problem };
}

function readTotalVfs(space: ConfigSpace, offset: number): number | null {
  const vfs = readable(space.u32(offset + SR_IOV_VFS));
  return vfs === null ? null : vfs >>> 16;
}
