// SPDX-License-Identifier: Apache-2.0

import type { Look } from "../domain/audit/seen.ts";
import { type BindEnded, type BindRunning, noteBindBegins, noteBindEnds, noteBindStuck, noteBindWaits } from "../domain/binds/work.ts";
import type { Address } from "../domain/device.ts";
import { linkTaintsAfterWrite } from "../domain/dra/link-taint-memory.ts";
import type { Verdict } from "../domain/gate/inputs.ts";
import type { Ground } from "../domain/ground.ts";
import type { Hold } from "../domain/holds.ts";
import type { Intent } from "../domain/intent.ts";
import { unseenMs } from "../domain/kubelet-settling.ts";
import type { Ration } from "../domain/links/streams.ts";
import { type LinkWriteEnded, type LinkWriting, noteBlocked, noteWriteBegins, noteWriteEnds } from "../domain/links/work.ts";
import { emptyMemory, type Memory, remember } from "../domain/memory.ts";
import type { CallEnd } from "../domain/notes.ts";
import * as notes from "../domain/notes.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { Plan } from "../domain/plan/finding.ts";
import type { Proofs, SpecProof } from "../domain/proofs.ts";
import type { Settlement } from "../domain/settlement.ts";
/**
 * The agent's only mutable state, and its only writer: who has something to remember calls one of the `note…` methods. Nothing in it is truth. `memory`
 * is what must be known over time and is safe to lose, `pass` is the newest decisions, `answers` are our own answers that kubelet may not show yet.
 */
import type { FunctionInSlot } from "../domain/slot.ts";
import type { SpecsInPlace } from "../domain/specs.ts";
import type { NodeStatus, ReadStatus } from "../domain/status.ts";
import type { RegBase } from "../domain/unit.ts";
import type { Answer } from "../domain/view.ts";

/** A CDI spec of an earlier process, with its device as this process has read it. */
export interface AdoptedSpec {
  readonly proof: SpecProof;
  readonly seen: FunctionInSlot;
}

/** By CDI name. */
export type AdoptedSpecs = ReadonlyMap<string, AdoptedSpec>;

/** What a pass would like to list. */
export interface Wanted {
  readonly ground: Ground;
  readonly verdicts: readonly Verdict[];
  readonly offer: readonly OfferedResource[];
}

/** One finished pass of the loop. */
export interface Pass extends Wanted {
  readonly intent: Intent | null;
  readonly plan: Plan;
  readonly status: NodeStatus;
  readonly settlement: Settlement;
}

/** What can be read of it. */
export interface AgentFacts {
  readonly memory: Memory;
  readonly pass: Pass | null;
  /** Decisions of the pass that is running: their CDI specs are written before they are listed. */
  readonly draft: Wanted | null;
  /** CDI specs of an earlier process that hold until the first pass has its own verdicts. */
  readonly adopted: AdoptedSpecs;
  readonly answers: readonly Answer[];
  /** Status that an earlier process left, until the first pass has its own. */
  readonly lastStatus: ReadStatus | null;
  readonly stopping: boolean;
}

export interface AgentState extends AgentFacts {
  noteStart(nowMs: number): void;
  /** What an earlier process proved: memory begins with it. */
  noteProven(proofs: Proofs): void;
  noteAdopted(specs: AdoptedSpecs): void;
  noteLastStatus(status: ReadStatus | null): void;
  noteLook(intent: Intent | null, ground: Ground): void;
  /** A look of a pass: answers that it must have shown are over. */
  noteAnswersSeen(ground: Ground): void;
  /** Slots that get none of the streams that are left, by this look. */
  noteRation(ration: Ration): void;
  noteDraft(draft: Wanted): void;
  /** What is about to be listed, and the driver's loads that were watched. */
  noteListed(offer: readonly OfferedResource[], loads: ReadonlySet<string>): void;
  noteSpecs(specs: SpecsInPlace): void;
  /** Empty: proofs are written. */
  noteProofProblem(problem: string): void;
  notePass(pass: Pass): void;
  /** A device was given away. Counts against CLEAR from now on; the newest answer for a device stands for the older ones, however fast kubelet asks. */
  noteAnswer(answer: Answer): void;
  /** What `noteAnswer` was told did not come about: kubelet gets an error. `before`: the hold of then. */
  noteNotGiven(answer: Answer, before: Hold | undefined): void;
  /** A claim was unprepared: its devices are on their way back. */
  noteUnprepared(claim: string): void;
  /** A container may start with a device that it was given. */
  notePreStart(answer: Answer): void;
  noteSetup(regBase: RegBase): void;
  noteReadAgain(regBase: RegBase): void;
  noteCall(call: CallEnd): void;
  noteLate(call: CallEnd): void;
  /** A write of a link is about to be made. */
  noteLinkBegins(writing: LinkWriting): void;
  noteLinkEnds(ended: LinkWriteEnded): void;
  /** The driver of a function is about to be changed. */
  noteBindBegins(address: Address, running: BindRunning): void;
  /** It goes on, and is not waited for any more. */
  noteBindStuck(address: Address): void;
  noteBindEnds(ended: BindEnded): void;
  noteStopping(): void;
}

/** @param onLook called with each look that was remembered, and the memory after it */
export function createState(settleMs: number, onLook: (look: Look) => void = () => undefined): AgentState {
  const facts: AgentFacts = {
    memory: emptyMemory(0, settleMs),
    pass: null,
    draft: null,
    adopted: new Map(),
    answers: [],
    lastStatus: null,
    stopping: false,
  };
  const set = (next: Partial<AgentFacts>): void => void Object.assign(facts, next);
  const update = (change: (memory: Memory) => Memory): void => set({ memory: change(facts.memory) });
  const given = (answer: Answer): readonly Answer[] => [...facts.answers.filter((one) => one.address !== answer.address), answer];
  const methods: Omit<AgentState, keyof AgentFacts> = {
    noteStart: (nowMs) => set({ memory: emptyMemory(nowMs, settleMs) }),
    noteProven: (proofs) => update(({ startedMs }) => emptyMemory(startedMs, settleMs, proofs)),
    noteAdopted: (adopted) => set({ adopted }),
    noteLastStatus: (lastStatus) => set({ lastStatus }),
    noteLook(intent, ground) {
      update((memory) => remember(memory, intent, ground));
      onLook({ intent, ground, memory: facts.memory });
    },
    noteAnswersSeen({ view }) {
      const answerMs = unseenMs(settleMs, view.podResources);
      set({ answers: facts.answers.filter((answer) => view.nowMs - answer.atMs < answerMs) });
    },
    noteRation: (ration) => update((memory) => ({ ...memory, ...ration })),
    noteDraft: (draft) => set({ draft }),
    noteListed: (offer, loads) => update((memory) => notes.noteLoads(notes.noteListed(memory, offer), loads)),
    noteSpecs: (specs) => update((memory) => ({ ...memory, specs })),
    noteProofProblem: (proofProblem) => update((memory) => ({ ...memory, proofProblem })),
    notePass: (pass) => set({ pass, draft: null, memory: notePlan(facts.memory, pass.plan) }),
    noteAnswer: (answer) => set({ answers: given(answer), memory: notes.noteAnswer(facts.memory, answer) }),
    noteNotGiven: (answer, before) =>
      set({ answers: facts.answers.filter((one) => one !== answer), memory: notes.noteNotGiven(facts.memory, answer, before) }),
    noteUnprepared: (claim) => update((memory) => notes.noteUnprepared(memory, claim)),
    notePreStart: (answer) => set({ answers: given(answer), memory: notes.notePreStart(facts.memory, answer) }),
    noteSetup: (regBase) => update((memory) => notes.noteSetup(memory, regBase)),
    noteReadAgain: (regBase) => update((memory) => notes.noteReadAgain(memory, regBase)),
    noteCall: (call) => update((memory) => notes.noteCall(memory, call)),
    noteLate: (call) => update((memory) => notes.noteLate(memory, call)),
    noteLinkBegins: (writing) => update((memory) => ({ ...memory, linkWork: noteWriteBegins(memory.linkWork, writing) })),
    noteLinkEnds: (ended) => update((memory) => noteWriteEnd(memory, facts.pass, ended)),
    noteBindBegins: (address, running) => update((memory) => ({ ...memory, bindWork: noteBindBegins(memory.bindWork, address, running) })),
    noteBindStuck: (address) => update((memory) => ({ ...memory, bindWork: noteBindStuck(memory.bindWork, address) })),
    noteBindEnds: (ended) => update((memory) => ({ ...memory, bindWork: noteBindEnds(memory.bindWork, ended) })),
    noteStopping: () => set({ stopping: true }),
  };
  return Object.assign(readable(facts), methods);
}

function noteWriteEnd(memory: Memory, pass: Pass | null, ended: LinkWriteEnded): Memory {
  const linkWork = noteWriteEnds(memory.linkWork, ended);
  return { ...memory, ...linkTaintsAfterWrite({ ...memory, linkWork }, pass, ended.nowMs) };
}

/** What the plan found in the way of links and drivers. */
function notePlan(memory: Memory, { links, binds }: Plan): Memory {
  return { ...memory, linkWork: noteBlocked(memory.linkWork, links), bindWork: noteBindWaits(memory.bindWork, binds) };
}

/** The values as they are when they are asked for, and no way to set them. */
function readable(facts: AgentFacts): AgentFacts {
  return {
    get memory() {
      return facts.memory;
    },
    get pass() {
      return facts.pass;
    },
    get draft() {
      return facts.draft;
    },
    get adopted() {
      return facts.adopted;
    },
    get answers() {
      return facts.answers;
    },
    get lastStatus() {
      return facts.lastStatus;
    },
    get stopping() {
      return facts.stopping;
    },
  };
}
