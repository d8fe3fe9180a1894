// SPDX-License-Identifier: Apache-2.0
import type { Address, PciFunction, UnitOfFunction } from "../domain/device.ts";
import { functionZeroOf, isBridge, type Slot, slotOwnerOf } from "../domain/slot.ts";
import type { Capabilities } from "./capabilities.ts";
import type { BareFacts, FunctionFacts } from "./functions.ts";
import { type HolderSearch, holdersOf } from "./holders.ts";
import { blocksLeftOf, type Ide, selectiveStreamsOf } from "./ide.ts";
import { decideBound, decideLinkRead, decideState, isIdeRead, type LinkEnd, textOf } from "./link.ts";
import { type FileReading, valueOrNull } from "./reading.ts";
import { judgeStreams, type NamedStream } from "./streams.ts";
import { answersOf, decideTeeIo, problemOf, type SlotEvidence, whyTeeIo } from "./tee-io.ts";
import { NOWHERE } from "./topology.ts";
import { NO_TSM, type TsmReading, type TsmText } from "./tsm.ts";

/** Everything of one reading that one function's entry depends on. */
export interface Surroundings {
  readonly factsOf: (address: Address) => FunctionFacts | null;
  readonly tsmOf: (address: Address) => TsmReading | null;
  readonly unitOf: (facts: FunctionFacts) => UnitOfFunction;
  /** IDE streams that the kernel names at a host bridge. */
  readonly streamsOf: (bridgePath: string | null) => FileReading<readonly NamedStream[]>;
  /** Secure streams that a host bridge has left; null when it does not say. */
  readonly streamsLeftOf: (bridgePath: string | null) => number | null;
  /** Link TSMs of the host. */
  readonly tsms: readonly string[];
  /** The link of the slot was being written by this process at some moment of this reading. */
  readonly wasWritten: (owner: Address) => boolean;
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
    ...decideBound((around.tsmOf(facts.address) ?? NO_TSM).bound),
    isIdeRead: isIdeRead(facts.capabilities),
    configProblem: problemOf(evidence),
    answers: answersOf(evidence),
    hostBridge: identity.place.hostBridge,
    rootPort: identity.place.rootPort,
    driver: valueOrNull(facts.driver),
    vfioCdev: around.vfioCdevOf(facts),
    holders: holdersOf(facts, search),
    binding: null,
  };
}

function slotEvidence(facts: FunctionFacts, around: Surroundings): SlotEvidence {
  const speaker = speakerOf(facts);
  if (speaker === null) return { own: facts.capabilities, zero: "Unknown" };
  return { own: facts.capabilities, zero: capabilitiesAt(speaker, around) };
}

/** Null: no function is there. A virtual one has none of its own, and speaks for no other function. */
function capabilitiesAt(address: Address, around: Pick<Surroundings, "factsOf">): SlotEvidence["zero"] {
  const facts = around.factsOf(address);
  return facts === null ? null : (facts.capabilities ?? "Unknown");
}

/** The owner of the slot that the function is on. */
export function ownerOf({ address, identity }: BareFacts): Address {
  const { class: code, physicalFunction: physical } = identity;
  return slotOwnerOf({
    address,
    class: code,
    functionType: physical.kind === "Missing" ? "Physical" : "Virtual",
    physicalFunction: valueOrNull(physical),
  });
}

/** A slot's entry in the view, from the files of the functions on it (at least one) and of the root port above. Pure. */
export function assembleSlot(owner: Address, members: readonly FunctionFacts[], around: Surroundings): Slot {
  const end: LinkEnd = {
    zero: capabilitiesAt(owner, around),
    others: members.flatMap(({ address, capabilities }) => (address === owner ? [] : (capabilities ?? []))),
  };
  const first = members.find(({ address }) => address === owner) ?? members.find(({ capabilities }) => capabilities !== null) ?? members[0];
  const { hostBridge, rootPort, bridgePath } = first?.identity.place ?? NOWHERE;
  const readings = [owner, ...members.map(({ address }) => address)].flatMap((address) => around.tsmOf(address) ?? []);
  const tsm = readings.find(({ connect }) => connect.kind !== "Missing") ?? NO_TSM;
  // The registers are compared of a slot with `tsm/` only.
  const port = readings.length === 0 || hostBridge === null ? "Unknown" : rootPort === null ? null : (capabilitiesAt(rootPort, around) ?? "Unknown");
  const streams = streamsOfSlot(owner, readings.length === 0 ? { kind: "Missing" } : around.streamsOf(bridgePath));
  const linkRead = decideLinkRead(end, { rootPort: port, blocks: blocksOf(streams) }, tsm);
  return {
    owner,
    port: first === undefined || !isBridge(first.identity) ? null : first.capabilities?.isUpstream ? "Upstream" : "FarEnd",
    hostBridge,
    rootPort,
    dsm: textOf(tsm.dsm),
    tsms: around.tsms,
    streamsLeft: readings.length === 0 ? null : around.streamsLeftOf(bridgePath),
    blocksLeft: { endpoint: blocksLeftOf(ideOf(end.zero)), rootPort: blocksLeftOf(ideOf(port)) },
    ...linkOf(end, { port, connect: tsm.connect, streams }),
    linkRead: around.wasWritten(owner) ? { ...linkRead, tsm: "Writing" } : linkRead,
  };
}

/** `LinkRead.registers` of a slot whose functions have `tsm/`, from the functions on it and the root port above. */
export function registersOfSlot(owner: Address, members: readonly FunctionFacts[], { port, hostBridge, streams, factsOf }: FarFacts): string | null {
  const above = hostBridge === null ? "Unknown" : port === null ? null : (capabilitiesAt(port, { factsOf }) ?? "Unknown");
  const others = members.flatMap(({ address, capabilities }) => (address === owner ? [] : (capabilities ?? [])));
  const far = { rootPort: above, blocks: blocksOf(streamsOfSlot(owner, streams)) } as const;
  return decideLinkRead({ zero: capabilitiesAt(owner, { factsOf }), others }, far, NO_TSM).registers;
}

interface FarFacts {
  readonly port: Address | null;
  readonly hostBridge: string | null;
  /** Of the host bridge. */
  readonly streams: FileReading<readonly NamedStream[]>;
  readonly factsOf: Surroundings["factsOf"];
}

/** Null: it cannot be told. */
function streamsOfSlot(owner: Address, named: FileReading<readonly NamedStream[]>): readonly NamedStream[] | null {
  return named.kind === "Unreadable" ? null : (valueOrNull(named) ?? []).filter(({ endpoint }) => endpoint === owner);
}

function blocksOf(streams: readonly NamedStream[] | null): ReadonlySet<number> | null {
  return streams === null ? null : new Set(streams.map(({ rootPortBlock }) => rootPortBlock));
}

interface LinkParts {
  readonly port: Capabilities | null | "Unknown";
  readonly connect: TsmText;
  readonly streams: readonly NamedStream[] | null;
}

function linkOf(end: LinkEnd, { port, connect, streams }: LinkParts): Pick<Slot, "link" | "covers"> {
  const state = decideState(end, connect);
  const tsm = textOf(connect);
  if (state !== "Secure") return { link: { state, tsm, streamSecure: state === "Unknown" ? "Unknown" : "No" }, covers: [] };
  if (streams === null) return { link: { state, tsm, streamSecure: "Unknown" }, covers: [] };
  const { secure, covers } = judgeStreams(streams, { endpoint: ideOf(end.zero), rootPort: ideOf(port) });
  return { link: { state, tsm, streamSecure: secure }, covers };
}

/** Null: cannot be told. What is not there has no stream. */
function ideOf(one: Capabilities | null | "Unknown"): Ide | null {
  return one === "Unknown" ? null : (one?.ide ?? { kind: "Absent" });
}
