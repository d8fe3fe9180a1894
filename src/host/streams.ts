// SPDX-License-Identifier: Apache-2.0

/**
 * IDE streams by the kernel's names. A host bridge's directory has a link `streamH.R.E` to the endpoint of each: host bridge, register block of the
 * root port, register block of the endpoint (`pci_ide_stream_register`, drivers/pci/ide.c).
 */
import { join } from "node:path";
import { compareAddress, isPciAddress } from "../domain/address.ts";
import type { Address, Tristate } from "../domain/device.ts";
import type { RidRange } from "../domain/slot.ts";
import type { Ide, IdeStream } from "./ide.ts";
import { baseName, type FileReading, readNames, readTarget, readText } from "./reading.ts";

export interface NamedStream {
  readonly endpoint: Address;
  readonly rootPortBlock: number;
  readonly endpointBlock: number;
}

const STREAM = /^stream\d+\.(\d+)\.(\d+)$/;

/** Streams of one host bridge, in order of endpoint and block. One that goes while they are read is left out. */
export function readStreams(sys: string, bridgePath: string): FileReading<readonly NamedStream[]> {
  const directory = join(sys, bridgePath);
  const names = readNames(directory);
  if (names.kind !== "Value") return names;
  const found: NamedStream[] = [];
  for (const name of names.value) {
    const [, rootPortBlock, endpointBlock] = STREAM.exec(name) ?? [];
    if (rootPortBlock === undefined || endpointBlock === undefined) continue;
    const target = readTarget(join(directory, name));
    if (target.kind === "Unreadable") return target;
    const endpoint = target.kind === "Value" ? baseName(target.value) : "";
    if (isPciAddress(endpoint)) found.push({ endpoint, rootPortBlock: Number(rootPortBlock), endpointBlock: Number(endpointBlock) });
  }
  const inOrder = (a: NamedStream, b: NamedStream): number =>
    compareAddress(a.endpoint, b.endpoint) || a.rootPortBlock - b.rootPortBlock || a.endpointBlock - b.endpointBlock;
  return { kind: "Value", value: found.sort(inOrder) };
}

/** `available_secure_streams` of a host bridge (drivers/pci/ide.c); null when there is none, or it is no number. */
export function readStreamsLeft(sys: string, bridgePath: string): number | null {
  const text = readText(join(sys, bridgePath, "available_secure_streams"));
  return text.kind === "Value" && /^\d+$/.test(text.value) ? Number(text.value) : null;
}

/** IDE registers of both ends of a link. Null: it cannot be told which they are. */
export interface Ends {
  readonly endpoint: Ide | null;
  readonly rootPort: Ide | null;
}

/** Whether a stream is secure at both ends, and what those cover that are. */
export function judgeStreams(streams: readonly NamedStream[], ends: Ends): { readonly secure: Tristate; readonly covers: readonly RidRange[] } {
  const judged = streams.map(({ endpointBlock, rootPortBlock }) => {
    const near = blockOf(ends.endpoint, endpointBlock);
    const far = blockOf(ends.rootPort, rootPortBlock);
    if (near === "Unknown" || far === "Unknown") return { secure: "Unknown" as const, rids: null };
    return { secure: isSecure(near) && isSecure(far) ? ("Yes" as const) : ("No" as const), rids: far?.rids ?? null };
  });
  const answers = judged.map(({ secure }) => secure);
  return {
    secure: answers.includes("Yes") ? "Yes" : answers.includes("Unknown") ? "Unknown" : "No",
    covers: judged.flatMap(({ secure, rids }) => (secure === "Yes" && rids !== null ? [rids] : [])),
  };
}

function isSecure(stream: IdeStream | null): boolean {
  return stream?.enabled === true && stream.secure;
}

/** Null: the capability has no such block. */
function blockOf(ide: Ide | null, block: number): IdeStream | null | "Unknown" {
  if (ide === null || ide.kind === "Unknown") return "Unknown";
  if (ide.kind === "Absent") return null;
  if (ide.streams === null) return "Unknown";
  return ide.streams.find((stream) => stream.kind === "Selective" && stream.block === block) ?? null;
}
