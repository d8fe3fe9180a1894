// SPDX-License-Identifier: Apache-2.0
import type { Address, PciFunction, UnitOfFunction } from "../domain/device.ts";
import type { BareFacts, FunctionFacts } from "./functions.ts";
import { type HolderSearch, holdersOf } from "./holders.ts";
import { selectiveStreamsOf } from "./ide.ts";
import { decideLink, decideLinkRead, decideTeeIo, problemOf, type SlotEvidence, whyTeeIo } from "./link.ts";
import { valueOrNull } from "./reading.ts";
import { functionZeroOf } from "./topology.ts";
import { NO_TSM, type TsmReading } from "./tsm.ts";

/** Everything of one reading that one function's entry depends on. */
export interface Surroundings {
  readonly factsOf: (address: Address) => FunctionFacts | null;
  readonly tsmOf: (address: Address) => TsmReading | null;
  readonly unitOf: (facts: FunctionFacts) => UnitOfFunction;
  readonly vfioCdevOf: (facts: FunctionFacts) => string | null;
}

/** Function 0 of the slot that speaks for the function: its own slot's, or that of its physical function; null when that cannot be told. */
export function speakerOf(facts: BareFacts): Address | null {
  const physical = facts.identity.physicalFunction;
  if (physical.kind === "Unreadable") return null;
  return functionZeroOf(physical.kind === "Value" ? physical.value : facts.address);
}

/** A function's entry in the view, from its own files and those it depends on. Pure. */
export function assembleFunction(facts: FunctionFacts, around: Surroundings, search: HolderSearch): PciFunction {
  const { identity } = facts;
  const evidence = slotEvidence(facts, around);
  const tsm = slotTsm(facts, around);
  const zero = evidence.zero === null || evidence.zero === "Unknown" ? null : evidence.zero;
  return {
    address: facts.address,
    vendor: identity.vendor,
    device: identity.device,
    class: identity.class,
    numaNode: identity.numaNode,
    iommuGroup: valueOrNull(facts.iommuGroup),
    unit: around.unitOf(facts),
    functionType: identity.physicalFunction.kind === "Missing" ? "Physical" : "Virtual",
    physicalFunction: identity.physicalFunction.kind === "Value" ? identity.physicalFunction.value : null,
    teeIo: decideTeeIo(evidence),
    teeIoWhy: whyTeeIo(evidence),
    ideStreams: zero === null ? null : selectiveStreamsOf(zero.ide),
    link: decideLink(evidence, tsm),
    linkRead: decideLinkRead(evidence, otherEnd(facts, around), tsm),
    configProblem: problemOf(evidence),
    hostBridge: identity.place.hostBridge,
    rootPort: identity.place.rootPort,
    driver: valueOrNull(facts.driver),
    vfioCdev: around.vfioCdevOf(facts),
    holders: holdersOf(facts, search),
  };
}

function slotEvidence(facts: FunctionFacts, around: Surroundings): SlotEvidence {
  const speaker = speakerOf(facts);
  if (speaker === null) return { own: facts.capabilities, zero: "Unknown" };
  const zero = speaker === facts.address ? facts : around.factsOf(speaker);
  // A function 0 that is itself a virtual function speaks for no other function.
  return { own: facts.capabilities, zero: zero === null ? null : (zero.capabilities ?? "Unknown") };
}

/** The root port above, in which the link ends. The registers are not compared of a slot without `tsm/`. */
function otherEnd(facts: FunctionFacts, around: Surroundings): SlotEvidence["zero"] {
  const { place } = facts.identity;
  const speaker = speakerOf(facts);
  if (around.tsmOf(facts.address) === null && (speaker === null || around.tsmOf(speaker) === null)) return "Unknown";
  if (place.hostBridge === null) return "Unknown";
  if (place.rootPort === null) return null;
  return around.factsOf(place.rootPort)?.capabilities ?? "Unknown";
}

/** Function 0 is the one that a TSM connects; a TDI is bound function by function. */
function slotTsm(facts: FunctionFacts, around: Surroundings): TsmReading {
  const own = around.tsmOf(facts.address) ?? NO_TSM;
  const speaker = speakerOf(facts);
  const zero = speaker === null ? null : around.tsmOf(speaker);
  return { connect: zero?.connect ?? own.connect, bound: own.bound };
}
