// SPDX-License-Identifier: Apache-2.0

/** The pass: observe, remember, decide, write down, list, report. Any wake-up leads to the same one. */
import type { IntentView } from "../cluster/port.ts";
import { type Accounting, accountingOf } from "../domain/accounting.ts";
import { nextLinkTaintEnd } from "../domain/dra/link-taints.ts";
import type { Ground } from "../domain/ground.ts";
import { accountedNames } from "../domain/holds.ts";
import { proofsOf } from "../domain/memory.ts";
import { rationedSlots } from "../domain/ration.ts";
import type { AgentStatus, ReadStatus } from "../domain/status.ts";
import type { DevicePluginPort } from "../kubelet/port.ts";
import type { Clock } from "../runtime/clock.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import { keepAdopted, specsToKeep } from "./adopt.ts";
import type { AgentDra } from "./dra.ts";
import type { Ledger } from "./ledgers/ledger.ts";
import type { Looks } from "./look.ts";
import type { Newest } from "./newest.ts";
import { type DecideInputs, decide, holderPollMs, linkPollMs, overtakenBy, wakeAfterMs, want, withdrawals } from "./pass.ts";
import type { AgentPorts } from "./ports.ts";
import type { ProofKeeper } from "./proof-keeper.ts";
import type { SpecKeeper } from "./spec-keeper.ts";
import type { AgentState, Pass, Wanted } from "./state.ts";

export interface PassParts {
  readonly ports: AgentPorts;
  readonly state: AgentState;
  readonly newest: Newest;
  readonly looks: Looks;
  readonly ledger: Ledger;
  /** Null: no DRA is served. */
  readonly dra: AgentDra | null;
  readonly specs: SpecKeeper;
  readonly proofs: ProofKeeper;
  readonly auditProblem: () => string;
  readonly plugins: DevicePluginPort | null;
  readonly agent: AgentStatus;
  readonly driver: string;
  /** Calls what waits for the decisions of a pass: log, events, status, steps. `previous`: the status before it. */
  readonly onPass: (pass: Pass, previous: ReadStatus | null) => void;
  readonly wakeSpecs: () => void;
}

/** CDI specs or proofs that could not be written are written again. */
export const WRITE_AGAIN_MS = 2_000;
/** Soon, and not at once: a driver that comes and goes must not keep the agent busy. */
const OVERTAKEN_LOOK_MS = 250;
/** Kubelet writes its checkpoint as soon as it has the list. Nothing tells when a pod that it has forgotten has ended. */
const CHECKPOINT_LOOK_MS = 2_000;

export function createPassRun(parts: PassParts): () => Promise<RunAgain | undefined> {
  const { ports, state, newest, looks, ledger, specs } = parts;
  let isAdopted = false;
  let sentAgainMs = Number.NEGATIVE_INFINITY;

  /** Kubelet has forgotten a pod that has ended, and forgets it in its checkpoint when it next writes. */
  const makeKubeletWrite = (pass: Pass): void => {
    if (accountOf(pass, state) !== "Behind" || ports.clock.nowMs() - sentAgainMs < CHECKPOINT_LOOK_MS) return;
    sentAgainMs = ports.clock.nowMs();
    parts.plugins?.sendAgain();
  };

  /** What is listed by the newest readings, and when to look again. */
  const list = (pass: Pass, proofProblem: string): RunAgain | undefined => {
    const listed = withdrawals(pass, looks.news());
    ledger.list(listed);
    parts.dra?.list(pass, looks.news());
    const overtaken = overtakenBy(pass, newest.driver() ?? pass.ground.view.driver, listed);
    if (overtaken !== "") ports.log.info({ detail: overtaken }, "overtaken by newer readings, looking again");
    const mustSync = specs.mustSync() || parts.dra?.mustSync() === true;
    if (mustSync) parts.wakeSpecs();
    if (specs.inPlace().problem !== "" || proofProblem !== "") return { afterMs: WRITE_AGAIN_MS };
    if (overtaken !== "" || mustSync) return { afterMs: OVERTAKEN_LOOK_MS };
    return nextLook(pass, ports.clock, state);
  };

  return async () => {
    if (!isAdopted) await adopt(parts);
    isAdopted = true;
    // Not even an empty offer is made before the intent is known: Register comes only after a whole first observation.
    const asked = ports.intent.current();
    if (asked === null) {
      // While nothing says what is wanted, the specs that were taken over are held against table and host.
      await keepAdopted(ports, state, await newest.readDriver());
      await specs.sync();
      return undefined;
    }
    if (state.pass === null) state.noteLastStatus(await ports.status.readLast());
    // One intent for the whole pass: what is looked at hangs on it, and the specs that are written are those of what is listed.
    const ground = await looks.look("Recent", asked.intent);
    // What a closing driver looks like is not news: the last whole pass stands.
    if (state.stopping) return undefined;
    state.noteLook(asked.intent, ground);
    state.noteAnswersSeen(ground);
    state.noteRation(rationedSlots(asked.intent, ground, state.memory));
    const previous = state.pass?.status ?? state.lastStatus;
    const wanted = want({ intent: asked.intent, ground, memory: state.memory });
    ledger.withdraw(wanted.offer);
    state.noteDraft(wanted);
    const proofProblem = await writeDown(parts, wanted);
    // An observation can take seconds; what the table says by now, and the intent, have the last word on what is listed.
    await newest.readDriver();
    if (state.stopping) return undefined;
    state.noteSpecs(specs.inPlace());
    const pass = decideOn(parts, asked, { ground, previous, wanted });
    state.notePass(pass);
    const again = list(pass, proofProblem);
    parts.onPass(pass, previous);
    makeKubeletWrite(pass);
    return again;
  };
}

/** CDI specs and proofs of what is about to be listed. A spec that a crash leaves without its proof is written anew. @returns what keeps proofs from being written */
async function writeDown({ ports, state, specs, proofs }: PassParts, wanted: Wanted): Promise<string> {
  await specs.sync();
  state.noteListed(wanted.offer, ports.loads?.watched() ?? new Set());
  state.noteSpecs(specs.inPlace());
  const problem = await proofs.save(proofsOf(state.memory));
  state.noteProofProblem(problem);
  return problem;
}

/** Decides on a ground by what is known now. */
export function decideOn(
  { ports, state, plugins, agent, driver, auditProblem }: Pick<PassParts, "ports" | "state" | "plugins" | "agent" | "driver" | "auditProblem">,
  asked: IntentView | null,
  known: Pick<DecideInputs, "ground" | "previous" | "wanted">,
): Pass {
  const { intent = null, generation = 0, problem = "" } = asked ?? {};
  return decide({
    ...known,
    memory: state.memory,
    intent,
    generation,
    intentProblem: problem,
    auditProblem: auditProblem(),
    agent,
    driver,
    hasKubelet: plugins !== null,
    now: timestamp(ports),
  });
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp({ clock }: Pick<AgentPorts, "clock">): string {
  return new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Before anything slow is read: what an earlier process proved, and the CDI specs that it left. */
async function adopt({ ports, state, newest, specs, dra, proofs }: PassParts): Promise<void> {
  const proven = await proofs.load(await ports.host.bootId());
  ports.loads?.believe(proven.loads);
  state.noteProven(proven);
  const driver = await newest.readDriver();
  state.noteAdopted(await specsToKeep(ports, proven.specs, { driver, memory: state.memory, asked: null }));
  await specs.sync();
  await dra?.sync();
}

function accountOf({ ground }: { readonly ground: Ground }, { memory }: Pick<AgentState, "memory">): Accounting["kind"] {
  return accountingOf(ground, accountedNames(memory)).kind;
}

function nextLook(pass: Pass, clock: Clock, { answers, memory }: AgentState): RunAgain | undefined {
  const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
  const { podResources } = pass.ground.view;
  const holders = holderPollMs({ answers, memory, ground: pass.ground, podResources, nowMs });
  const account = accountOf(pass, { memory });
  const checkpointMs = account === "Behind" || account === "Ending" ? CHECKPOINT_LOOK_MS : null;
  const taintEnd = nextLinkTaintEnd(memory.linkTaints.known, wallMs);
  const taintMs = taintEnd === null ? null : taintEnd - wallMs;
  const due = [wakeAfterMs(pass, nowMs), holders, linkPollMs(memory), checkpointMs, taintMs].filter((ms) => ms !== null);
  return due.length === 0 ? undefined : { afterMs: Math.min(...due) };
}
