// SPDX-License-Identifier: Apache-2.0

/** The lines of one device: its own, those of its slot, and those of its unit. Pure. */
import { compareAddress } from "../address.ts";
import type { Address } from "../device.ts";
import { functionZeroOf } from "../slot.ts";
import type { AuditEventName } from "./event.ts";
import type { AuditLine } from "./line.ts";

export interface Story {
  readonly address: Address;
  /** As its newest line says; of a device without lines, what its address says. */
  readonly slot: Address;
  readonly unit: string;
  /** Everything that its order is judged by, in the order of the log: other functions of its slot included. */
  readonly lines: readonly AuditLine[];
}

/** About the whole node. */
const OF_ALL: ReadonlySet<AuditEventName> = new Set(["AgentStarted", "AgentStopped", "Gap"]);
const OF_LINK: ReadonlySet<AuditEventName> = new Set([
  "LinkChecked",
  "LinkSecuring",
  "LinkSecured",
  "LinkFoundSecured",
  "LinkBroken",
  "LinkRepair",
  "LinkReleasing",
  "LinkReleased",
  "LinkGone",
]);

export interface AuditIndex {
  /** Every device that was ever offered, allocated or found held, in order of address. */
  devices(): readonly Address[];
  storyOf(address: Address): Story;
}

/** Reads the log through once, however many devices are asked for. */
export function indexLines(lines: readonly AuditLine[]): AuditIndex {
  const all: number[] = [];
  const bySlot = new Map<string, number[]>();
  const byUnit = new Map<string, number[]>();
  const newest = new Map<Address, AuditLine>();
  const add = (index: Map<string, number[]>, key: string, at: number): void => {
    const known = index.get(key);
    if (known) known.push(at);
    else index.set(key, [at]);
  };
  for (const [at, line] of lines.entries()) {
    if (OF_ALL.has(line.event)) all.push(at);
    else if (line.slot !== "") add(bySlot, line.slot, at);
    else if (line.unit !== "") add(byUnit, line.unit, at);
    if (line.address !== "" && !OF_LINK.has(line.event)) newest.set(line.address, line);
  }
  return {
    devices: () => [...newest.keys()].sort(compareAddress),
    storyOf(address) {
      const own = newest.get(address);
      const slot = own?.slot || functionZeroOf(address);
      const ofSlot = bySlot.get(slot) ?? [];
      const unit = own?.unit || ofSlot.map((at) => lines[at]?.unit ?? "").findLast((name) => name !== "") || "";
      const places = [...all, ...ofSlot, ...(byUnit.get(unit) ?? [])].sort((a, b) => a - b);
      return { address, slot, unit, lines: places.flatMap((at) => lines[at] ?? []) };
    },
  };
}

/** The lines that are told of it: of other functions of its slot only the link's. */
export function toldLines({ address, lines }: Story): readonly AuditLine[] {
  return lines.filter((line) => line.address === "" || line.address === address || OF_LINK.has(line.event));
}
