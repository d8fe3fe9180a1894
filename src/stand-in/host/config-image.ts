// SPDX-License-Identifier: Apache-2.0
import { isBridge } from "../../domain/slot.ts";
import type { FunctionDescription } from "./host-description.ts";
import type { StreamBlock } from "./ide-streams.ts";

const SIZE = 4096;
const PCIE = 0x40;
const DEVCAP_TEE_IO = 1 << 30;
const SR_IOV = { id: 0x10, at: 0x100 };
const IDE = { id: 0x30, at: 0x200 };
const DOE = { id: 0x2e, at: 0xe00 };
const PORT_TYPE = { endpoint: 0, rootPort: 4, integrated: 9 };

/** Configuration space of a function as the simulated hardware shows it now. `streams`: its selective IDE streams that are enabled and secure. */
export function configImage(one: FunctionDescription, image: Buffer | null, streams: readonly StreamBlock[]): Buffer {
  const bytes = image === null ? blankSpace(one) : Buffer.from(image);
  // A virtual function reads all ones where the ids are; the kernel knows them from its physical function.
  const virtual = one.physicalFunction !== null;
  bytes.writeUInt16LE(virtual ? 0xffff : Number.parseInt(one.vendor, 16), 0);
  bytes.writeUInt16LE(virtual ? 0xffff : Number.parseInt(one.device, 16), 2);
  bytes.writeUInt32LE(((Number.parseInt(one.class, 16) << 8) | Number.parseInt(one.revision, 16)) >>> 0, 8);
  setStreams(bytes, streams);
  return bytes.subarray(0, one.configBytes);
}

function blankSpace(one: FunctionDescription): Buffer {
  const bytes = Buffer.alloc(SIZE);
  bytes.writeUInt16LE(0x0010, 6); // Status: has a capability list.
  bytes.writeUInt8(isBridge(one) ? 1 : 0, 0x0e);
  bytes.writeUInt8(PCIE, 0x34);
  bytes.writeUInt8(0x10, PCIE);
  bytes.writeUInt16LE(2 | (portType(one) << 4), PCIE + 2);
  bytes.writeUInt32LE((0x8000 | (one.teeIo ? DEVCAP_TEE_IO : 0)) >>> 0, PCIE + 4);
  const chain = [...(one.totalVfs > 0 ? [SR_IOV] : []), ...(one.ideStreams > 0 ? [IDE] : []), ...(one.teeIo ? [DOE] : [])];
  // The first extended capability must be at 0x100: where none is, an empty one leads on.
  if (chain.length > 0 && chain[0]?.at !== 0x100) chain.unshift({ id: 0, at: 0x100 });
  for (const [index, { id, at }] of chain.entries()) {
    bytes.writeUInt32LE((id | (1 << 16) | ((chain[index + 1]?.at ?? 0) << 20)) >>> 0, at);
  }
  if (one.totalVfs > 0) writeSrIov(bytes, one);
  // Selective streams with key management, TEE-limited streams supported.
  if (one.ideStreams > 0) bytes.writeUInt32LE((0x01000042 | ((one.ideStreams - 1) << 16)) >>> 0, IDE.at + 4);
  return bytes;
}

function writeSrIov(bytes: Buffer, one: FunctionDescription): void {
  bytes.writeUInt16LE(0x11, SR_IOV.at + 8); // VF enable, ARI.
  bytes.writeUInt16LE(one.totalVfs, SR_IOV.at + 0xc);
  bytes.writeUInt16LE(one.totalVfs, SR_IOV.at + 0xe);
  bytes.writeUInt16LE(one.virtualFunctions.length, SR_IOV.at + 0x10);
}

function portType(one: FunctionDescription): number {
  if (isBridge(one)) return PORT_TYPE.rootPort;
  return one.bridge === null ? PORT_TYPE.integrated : PORT_TYPE.endpoint;
}

/** Turns every selective stream off, and `streams` on. */
function setStreams(bytes: Buffer, streams: readonly StreamBlock[]): void {
  const ide = findExtended(bytes, IDE.id);
  if (ide === null) return;
  const cap = bytes.readUInt32LE(ide + 4);
  const links = (cap & 1) === 0 ? 0 : ((cap >>> 13) & 7) + 1;
  const selective = (cap & 2) === 0 ? 0 : ((cap >>> 16) & 0xff) + 1;
  let at = ide + 12 + links * 8;
  for (let index = 0; index < selective && at + 20 <= SIZE; index++) {
    const stream = streams.find(({ block }) => block === index);
    const control = bytes.readUInt32LE(at + 4);
    bytes.writeUInt32LE((stream ? control | 1 : control & ~1) >>> 0, at + 4);
    bytes.writeUInt32LE(stream ? 2 : 0, at + 8);
    bytes.writeUInt32LE(stream ? stream.rids.last << 8 : 0, at + 12);
    bytes.writeUInt32LE(stream ? ((stream.rids.first << 8) | 1) >>> 0 : 0, at + 16);
    at += 20 + 12 * (bytes.readUInt32LE(at) & 0xf);
  }
}

function findExtended(bytes: Buffer, id: number): number | null {
  let at = 0x100;
  for (let hops = 0; at >= 0x100 && hops < 480; hops++) {
    const header = bytes.readUInt32LE(at);
    if ((header & 0xffff) === id) return at;
    at = (header >>> 20) & 0xffc;
  }
  return null;
}
