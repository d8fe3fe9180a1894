// SPDX-License-Identifier: Apache-2.0
import type { Tristate } from "../domain/device.ts";
import type { RidRange } from "../domain/slot.ts";
import type { ConfigSpace } from "./config-space.ts";

/** One IDE stream register block. */
export interface IdeStream {
  readonly kind: "Link" | "Selective";
  /** Control bit 0. */
  readonly enabled: boolean;
  /** Status bits 3:0 read 2. */
  readonly secure: boolean;
  /** Control bits 31:24. */
  readonly streamId: number;
  /** Number of the block among those of its kind. */
  readonly block: number;
  /** Requester IDs of the partner that are associated with a selective stream; null when no association is valid. */
  readonly rids: RidRange | null;
  /** The whole registers. */
  readonly control: number;
  readonly status: number;
}

/**
 * The IDE extended capability (0x30). Source: PCIe r6.1 7.9.26 and Linux `pci_regs.h`. `Unknown`: the space ends or fails before it can be
 * told; `streams` is null when the capability is there and a register block of it is not readable.
 */
export type Ide =
  | { readonly kind: "Absent" }
  | { readonly kind: "Unknown" }
  | {
      readonly kind: "Present";
      readonly offset: number;
      readonly selectiveStreams: number;
      readonly teeLimited: boolean;
      readonly keyManagement: boolean;
      readonly streams: readonly IdeStream[] | null;
    };

const CAP = 0x04;
const BLOCKS = 0x0c;
const CAP_LINK = 1;
const CAP_SELECTIVE = 1 << 1;
const CAP_KEY_MANAGEMENT = 1 << 6;
const CAP_TEE_LIMITED = 1 << 24;
const LINK_BLOCK_BYTES = 8;
const SELECTIVE_BLOCK_BYTES = 20;
const ADDRESS_ASSOCIATION_BYTES = 12;
const STATE_SECURE = 2;
const ALL_ONES = 0xffffffff;

/** Reads the IDE capability at `offset`. */
export function readIde(space: ConfigSpace, offset: number): Ide {
  const cap = space.u32(offset + CAP);
  if (cap === null || cap === ALL_ONES) return { kind: "Unknown" };
  const selective = (cap & CAP_SELECTIVE) === 0 ? 0 : ((cap >>> 16) & 0xff) + 1;
  const links = (cap & CAP_LINK) === 0 ? 0 : ((cap >>> 13) & 7) + 1;
  return {
    kind: "Present",
    offset,
    selectiveStreams: selective,
    teeLimited: (cap & CAP_TEE_LIMITED) !== 0,
    keyManagement: (cap & CAP_KEY_MANAGEMENT) !== 0,
    streams: readStreams(space, offset + BLOCKS, { links, selective }),
  };
}

function readStreams(space: ConfigSpace, start: number, counts: { links: number; selective: number }): IdeStream[] | null {
  const streams: IdeStream[] = [];
  let offset = start;
  for (let index = 0; index < counts.links; index++, offset += LINK_BLOCK_BYTES) {
    const stream = readStream(space, { kind: "Link", block: index }, offset);
    if (stream === null) return null;
    streams.push(stream);
  }
  for (let index = 0; index < counts.selective; index++) {
    const cap = space.u32(offset);
    const stream = cap === null || cap === ALL_ONES ? null : readStream(space, { kind: "Selective", block: index }, offset + 4);
    if (cap === null || stream === null) return null;
    streams.push(stream);
    offset += SELECTIVE_BLOCK_BYTES + ADDRESS_ASSOCIATION_BYTES * (cap & 0xf); // Blocks of one function may differ in length.
  }
  return streams;
}

function readStream(space: ConfigSpace, which: Pick<IdeStream, "kind" | "block">, control: number): IdeStream | null {
  const value = space.u32(control);
  const status = space.u32(control + 4);
  if (value === null || status === null || value === ALL_ONES || status === ALL_ONES) return null;
  const rids = which.kind === "Selective" ? readRids(space, control + 8) : null;
  return { ...which, enabled: (value & 1) !== 0, secure: (status & 0xf) === STATE_SECURE, streamId: value >>> 24, rids, control: value, status };
}

/** RID association: limit in bits 23:8 of the first register; valid bit 0 and base in bits 23:8 of the second. */
function readRids(space: ConfigSpace, at: number): RidRange | null {
  const limit = space.u32(at);
  const base = space.u32(at + 4);
  if (limit === null || base === null || (base & 1) === 0) return null;
  return { first: (base >>> 8) & 0xffff, last: (limit >>> 8) & 0xffff };
}

/** Number of selective streams; null without the capability or when it is unreadable. */
export function selectiveStreamsOf(ide: Ide): number | null {
  return ide.kind === "Present" ? ide.selectiveStreams : null;
}

/** Selective streams that are not enabled; null when they cannot all be read, or there are none. */
export function blocksLeftOf(ide: Ide | null): number | null {
  if (ide?.kind !== "Present" || ide.streams === null || ide.selectiveStreams === 0) return null;
  return ide.streams.filter(({ kind, enabled }) => kind === "Selective" && !enabled).length;
}

/** Does any stream have what `test` asks for? Unknown when the registers cannot all be read. */
export function anyStream(ide: Ide, test: (stream: IdeStream) => boolean): Tristate {
  if (ide.kind === "Absent") return "No";
  if (ide.kind === "Unknown" || ide.streams === null) return "Unknown";
  return ide.streams.some(test) ? "Yes" : "No";
}

/**
 * Control, status and requester IDs of every stream, or of these selective blocks, as text; null when one of them cannot be read. Equal texts: nothing has
 * changed.
 */
export function streamRegistersOf(ide: Ide, blocks: ReadonlySet<number> | null = null): string | null {
  if (ide.kind === "Absent") return "none";
  if (ide.kind === "Unknown" || ide.streams === null) return null;
  const streams = ide.streams.filter(({ kind, block }) => blocks === null || (kind === "Selective" && blocks.has(block)));
  return streams.map(({ control, status, rids }) => [control, status, ...(rids ? [rids.first, rids.last] : [])].map(hex).join(":")).join(" ");
}

function hex(value: number): string {
  return value.toString(16);
}
