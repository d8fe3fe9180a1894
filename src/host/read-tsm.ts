// SPDX-License-Identifier: Apache-2.0

/** What `tsm/` says of the links of many functions, each file read once. */
import type { Address } from "../domain/device.ts";
import { speakerOf } from "./assemble.ts";
import type { BareFacts } from "./functions.ts";
import type { HostPaths } from "./paths.ts";
import { NO_TSM, type TsmAttribute, type TsmReader, type TsmReading } from "./tsm.ts";

export interface TsmWanted {
  readonly facts: ReadonlyMap<Address, BareFacts>;
  readonly wanted: Iterable<BareFacts>;
  /** A TDI is bound only below a connected function 0. An observation reads both; one Allocate is spared the second trip to a thread. */
  readonly bound: "Always" | "WhenConnected";
}

/**
 * What the links of `wanted` depend on: `tsm/bound` of each, and `tsm/connect` and `tsm/dsm` of the function 0 that speaks for it. Registers are read
 * after: a link that is being secured meanwhile would else show a TSM and no stream, and one that is being released a stream without a TSM.
 */
export async function readTsm(
  reader: { readonly paths: Pick<HostPaths, "functions">; readonly tsm: TsmReader },
  { facts, wanted, bound }: TsmWanted,
): Promise<Map<Address, TsmReading>> {
  const readings = new Map<Address, TsmReading>();
  const read = async (one: BareFacts, slot: Address, attribute: TsmAttribute): Promise<void> => {
    const known = readings.get(one.address) ?? NO_TSM;
    if (known[attribute].kind !== "Missing") return;
    const path = `${reader.paths.functions}/${one.address}`;
    const { connect } = readings.get(slot) ?? NO_TSM;
    // One lock for both: the second read would wait out its time as well.
    const reading = attribute !== "connect" && connect.kind === "Blocked" ? connect : await reader.tsm.read(slot, path, attribute);
    readings.set(one.address, { ...(readings.get(one.address) ?? NO_TSM), [attribute]: reading });
  };
  for (const one of wanted) {
    const slot = speakerOf(one) ?? one.address;
    const speaker = facts.get(slot) ?? one;
    // Most functions of a host have none: thousands of promises for nothing otherwise.
    if (speaker.hasTsm) await read(speaker, slot, "connect");
    const connect = readings.get(speaker.address)?.connect;
    const isFree = connect?.kind === "Value" && connect.value === "";
    if (connect?.kind === "Value" && !isFree) await read(speaker, slot, "dsm");
    if (one.hasTsm && (bound === "Always" || !isFree)) await read(one, slot, "bound");
  }
  return readings;
}
