// SPDX-License-Identifier: Apache-2.0

/** One function and its slot, read now: what each Allocate asks for. */
import { compareAddress, isPciAddress } from "../domain/address.ts";
import { type Address, isVfioDriver } from "../domain/device.ts";
import type { FunctionInSlot } from "../domain/slot.ts";
import { assembleFunction, assembleSlot, ownerOf, registersOfSlot, speakerOf } from "./assemble.ts";
import { type BareFacts, readFunction, withCapabilities } from "./functions.ts";
import { NOT_ASKED } from "./holders.ts";
import { readTsm } from "./read-tsm.ts";
import { readStreams } from "./streams.ts";
import { type Reader, searchHolders, surroundings, unitByLink } from "./surroundings.ts";
import { isConnected } from "./tsm.ts";

/** How long a call of kubelet may wait for a scan: a pod that is refused for want of one has failed for good, and nobody else waits for the answer as long. */
const FUNCTION_SCAN_MS = 1_000;

export async function observeFunction(reader: Reader, address: Address): Promise<FunctionInSlot | null> {
  if (!isPciAddress(address)) return null; // Kubelet's word becomes a path below: nothing but an address may.
  const wasWritten = reader.tsm.mark();
  // For one function, looking for its `tsm/` group costs less than asking the class.
  const source = { directory: reader.paths.functions, cache: reader.cache, tsmRegistered: true };
  const own = readFunction(source, address);
  if (own === null) return null;
  const owner = ownerOf(own);
  const bare = new Map([[address, own]]);
  for (const other of [speakerOf(own), ...siblingsWithIde(reader, owner)]) {
    const one = other === null || bare.has(other) ? null : readFunction(source, other);
    if (one !== null) bare.set(one.address, one);
  }
  const tsm = await readTsm(reader, { facts: bare, wanted: [own], bound: "WhenConnected" });
  const { rootPort } = own.identity.place;
  // Of the root port only the registers count.
  const port = tsm.size > 0 && rootPort !== null ? (reader.cache.get(rootPort) ?? readFunction(source, rootPort)) : null;
  if (port !== null) bare.set(port.address, port);
  const isSecured = [...tsm.values()].some(({ connect }) => isConnected(connect));
  const facts = new Map([...bare.values()].map((one) => [one.address, withCapabilities(source, one, isSecured && one === port)]));
  const around = surroundings(reader, { facts, tsm, unitOf: (one) => unitByLink(reader, one), wasWritten });
  const search = hasOtherDriver(own) ? NOT_ASKED : await searchHolders(reader, reader.cache, () => reader.scan.recent(FUNCTION_SCAN_MS));
  const fn = assembleFunction(facts.get(address) ?? withCapabilities(source, own), around, search);
  const members = [...facts.values()].filter((one) => ownerOf(one) === owner).sort((a, b) => compareAddress(a.address, b.address));
  return { fn, slot: assembleSlot(owner, members, around) };
}

/** The registers of a slot's link, as a whole look compares them, without anything else. */
export function readRegisters(reader: Reader, owner: Address): string | null {
  if (!isPciAddress(owner)) return null;
  const source = { directory: reader.paths.functions, cache: reader.cache, tsmRegistered: true };
  const on = [owner, ...siblingsWithIde(reader, owner)].flatMap((address) => readFunction(source, address) ?? []);
  const [first] = on;
  if (first === undefined) return null;
  const { rootPort, hostBridge, bridgePath } = first.identity.place;
  const facts = new Map([...new Set(on)].map((one) => [one.address, withCapabilities(source, one)]));
  const port = rootPort === null ? null : readFunction(source, rootPort);
  if (port !== null) facts.set(port.address, withCapabilities(source, port, true));
  const members = [...facts.values()].filter((one) => ownerOf(one) === owner).sort((a, b) => compareAddress(a.address, b.address));
  const streams = bridgePath === null ? ({ kind: "Missing" } as const) : readStreams(reader.paths.sys, bridgePath);
  return registersOfSlot(owner, members, { port: rootPort, hostBridge, streams, factsOf: (address) => facts.get(address) ?? null });
}

/** Other functions of the slot that the last look found with IDE registers, or could not read. There are none where the specification is kept. */
function siblingsWithIde({ cache }: Reader, owner: Address): readonly Address[] {
  return FUNCTION_NUMBERS.map((number) => `${owner.slice(0, -1)}${number}`).filter((address) => {
    const known = cache.get(address);
    return known?.capabilities != null && known.capabilities.ide.kind !== "Absent" && ownerOf(known) === owner;
  });
}

const FUNCTION_NUMBERS = [0, 1, 2, 3, 4, 5, 6, 7];

/** None can be bound while vfio still has the function. */
function hasOtherDriver({ driver }: BareFacts): boolean {
  return driver.kind === "Value" && !isVfioDriver(driver.value);
}
