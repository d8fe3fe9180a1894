// SPDX-License-Identifier: Apache-2.0

import type { IntentView } from "../cluster/port.ts";
/**
 * The agent of one node: observe → plan → perform → offer → report, level-triggered. Any wake-up leads to the same pass; there is no other way to
 * hardware or to kubelet. Crash-only: everything it acts on is observed again.
 *
 *   wake ──► pass job: observe, decide, publish ──► step job: SEAMCALLs, one at a time ──► wake
 *   table, intent or host changed ──► withdraw jobs: take away at once what the gate no longer allows, also while a pass waits for something slow
 *                                              └──► status job: what changed, to the API or the file
 */
import { type Accounting, accountingOf } from "../domain/accounting.ts";
import type { HostView } from "../domain/device.ts";
import { type Ground, groundFrom } from "../domain/ground.ts";
import { accountedNames } from "../domain/holds.ts";
import type { Intent } from "../domain/intent.ts";
import { unseenMs } from "../domain/kubelet-settling.ts";
import { emptyMemory, noteListed, noteLoads, proofsOf, remember } from "../domain/memory.ts";
import { stoppedReport } from "../domain/report.ts";
import type { NodeStatus } from "../domain/status.ts";
import type { Reading } from "../domain/view.ts";
import { wantsHolders } from "../domain/wanted-holders.ts";
import type { HostLook } from "../host/port.ts";
import type { DevicePluginPort } from "../kubelet/port.ts";
import type { Timer } from "../runtime/clock.ts";
import { createJobs, type Jobs, type LoopJob, type RunAgain } from "../runtime/jobs.ts";
import { silentLog } from "../runtime/log.ts";
import { createKeyedLocks } from "../runtime/serial.ts";
import { specsAllowed, specsToKeep } from "./adopt.ts";
import { type BindingHolder, createBinding } from "./binding.ts";
import { countBy, eventsBetween, gateChanges } from "./changes.ts";
import { createHandlers } from "./handlers.ts";
import { type AgentMetrics, agentMetrics } from "./metrics.ts";
import { createNewest, type Newest } from "./newest.ts";
import { observe, readHost } from "./observe.ts";
import { type DecideInputs, decide, holderPollMs, linkPollMs, type News, openSpecs, overtakenBy, wakeAfterMs, want, withdrawals } from "./pass.ts";
import { performSteps } from "./perform.ts";
import { sharePods } from "./pods-share.ts";
import type { AgentOptions, AgentPorts } from "./ports.ts";
import { createProofKeeper } from "./proof-keeper.ts";
import { createPublisher, type WantedSpecs } from "./publisher.ts";
import type { AgentState, Pass } from "./state.ts";
import { createStatusTurns } from "./status-turn.ts";

export interface Agent {
  /** Reads what an earlier process left, then starts the jobs. Resolves when they run. */
  start(): Promise<void>;
  /** The newest pass; null before the first. */
  pass(): Pass | null;
  /** Calls `listener` after each pass. Returns the way to stop. */
  onPass(listener: () => void): () => void;
  /** Looks again soon. */
  wake(): void;
  /** Health of the agent's jobs. */
  jobs(): Jobs;
  /** Withdraws from kubelet, ends the jobs, closes the binding. Never clears: an upgrade is not an intent. Repeatable. */
  stop(): Promise<void>;
}

const PASS_BOUND_MS = 30_000;
/** A SETUP may resume for long; its forward progress is the TDX module's promise. */
const STEP_BOUND_MS = 600_000;
const STATUS_BOUND_MS = 60_000;
const BACKOFF = { minMs: 250, maxMs: 10_000, jitter: 0.2 } as const;
/** CDI specs or proofs that could not be written are written again. */
const WRITE_AGAIN_MS = 2_000;
/** Soon, and not at once: a binding that comes and goes must not keep the agent busy. */
const OVERTAKEN_LOOK_MS = 250;
/** After its calls kubelet needs about this long until podresources shows the pod. Many share one look: a pass after each would slow them. */
const CALLS_LOOK_MS = 250;
/** Kubelet writes its checkpoint as soon as it has the list. Nobody tells when a pod that it has forgotten has ended. */
const CHECKPOINT_LOOK_MS = 2_000;

export function createAgent(given: AgentPorts, options: AgentOptions): Agent {
  const ports: AgentPorts = { ...given, pods: given.pods.isLocal ? given.pods : sharePods(given.pods, given.clock) };
  const state: AgentState = {
    memory: emptyMemory(0, options.settleMs),
    pass: null,
    draft: null,
    adopted: new Map(),
    answers: [],
    lastStatus: null,
    stopping: false,
  };
  const locks = createKeyedLocks();
  const listeners = new Set<() => void>();
  const stops: (() => void)[] = [];
  const jobs = createJobs({
    owner: "agent",
    clock: ports.clock,
    log: ports.log,
    metrics: ports.metrics,
    random: ports.random,
    onFatal: ports.onFatal,
  });
  let passJob: LoopJob | null = null;
  let stepJob: LoopJob | null = null;
  let statusJob: LoopJob | null = null;
  let withdrawJob: LoopJob | null = null;
  let withdrawByHostJob: LoopJob | null = null;
  let specsJob: LoopJob | null = null;
  let written = "";
  const statusTurns = createStatusTurns(ports.status.rate, () => state.lastStatus);

  const wake = (): void => passJob?.wake();
  /** The table or the intent may close the gate: that does not wait for the pass that may be running. */
  const wakeAll = (isNewIntent: boolean): void => {
    withdrawJob?.wakeNow();
    if (isNewIntent) passJob?.wakeNow();
    else wake();
  };
  /** A pass that is running may have read the host before, and wait for kubelet or the API now. One that begins reads it first. */
  const wakeForHost = (): void => {
    if (passJob?.health().runningSinceMs != null) withdrawByHostJob?.wakeNow();
    wakeAll(false);
  };
  let callsLook: Timer | null = null;
  const wakeAfterCalls = (): void => {
    callsLook ??= ports.clock.after(CALLS_LOOK_MS, () => {
      callsLook = null;
      wake();
    });
  };
  const binding: BindingHolder = createBinding({ open: ports.openSeamcall, driver: options.driver, onChange: () => wakeAll(false) });
  const simulatedHost = options.driver === "simulated";
  const metrics = agentMetrics(ports.metrics);
  metrics.simulated(simulatedHost);
  const newest: Newest = createNewest({ readBinding: () => binding.observe(), readHost: (look) => readHost(ports, look) });
  const proofs = createProofKeeper(ports);
  const handlers = createHandlers({ ports, binding, state, proofs, locks, simulatedHost, onAnswered: wakeAfterCalls });
  const plugins: DevicePluginPort | null = ports.devicePlugins?.(handlers) ?? null;

  const currentIntent = (): Intent | null => ports.intent.current()?.intent ?? null;
  const news = (): News => ({ binding: newest.binding(), host: newest.host(), intent: currentIntent(), memory: state.memory });
  const publisher = createPublisher(ports, {
    plugins,
    simulatedHost,
    wanted: () => wantedSpecs(state, { news: news(), asked: ports.intent.current(), simulatedHost }),
  });

  /** Takes away at once what the gate does not allow by the newest readings: from kubelet's lists, and by a job of its own from the CDI specs. */
  const closeGate = (): void => {
    if (state.stopping) return;
    if (state.pass) publisher.withdraw(withdrawals(state.pass, news()));
    if (publisher.mustSyncSpecs()) specsJob?.wakeNow();
  };

  const look = async (holders: HostLook["age"], intent: Intent | null = currentIntent()): Promise<Ground> => {
    const reading = await newest.readBinding();
    const publications = plugins?.publications() ?? [];
    const { memory, answers } = state;
    const readHostNow = async (look: HostLook): Promise<Reading<HostView>> => {
      const host = await newest.readHost(look);
      closeGate();
      return host;
    };
    const inputs = { ports, binding: reading, intent, memory, publications, answers, holders, readHost: readHostNow };
    return groundFrom(await observe(inputs));
  };

  const withdraw = async (): Promise<undefined> => {
    await newest.readBinding();
    closeGate();
    return undefined;
  };

  /** A job of its own: table and intent do not wait for a host that is slow to read. */
  const withdrawByHost = async (): Promise<undefined> => {
    if (!state.pass) return undefined;
    const interest = { intent: currentIntent(), memory: state.memory, binding: state.pass.ground.view.binding };
    await newest.readHost({ wantsHolders: wantsHolders(interest), age: "Recent" });
    await newest.readBinding();
    closeGate();
    return undefined;
  };

  /** What could not be written or removed is tried again here, whatever a pass waits for. */
  const syncSpecs = async (): Promise<RunAgain | undefined> => {
    const { problem } = await publisher.syncSpecs();
    return problem === "" ? undefined : { afterMs: WRITE_AGAIN_MS };
  };

  const decideOn = (asked: IntentView | null, known: Pick<DecideInputs, "ground" | "memory" | "previous" | "wanted">): Pass =>
    decide({
      ...known,
      intent: asked?.intent ?? null,
      generation: asked?.generation ?? 0,
      intentProblem: asked?.problem ?? "",
      driver: options.driver,
      hasKubelet: plugins !== null,
      now: timestamp(ports),
    });

  /** Before anything slow is read: what an earlier process proved, and the CDI specs that it left. */
  const adopt = async (): Promise<void> => {
    const proven = await proofs.load(await ports.host.bootId());
    ports.loads?.believe(proven.loads);
    state.memory = emptyMemory(state.memory.startedMs, options.settleMs, proven);
    const reading = await newest.readBinding();
    state.adopted = await specsToKeep(ports, proven.specs, { binding: reading, memory: state.memory, asked: null });
    await publisher.syncSpecs();
  };
  let isAdopted = false;

  /** While the API server does not say what is wanted, the specs that were taken over are held against table and host. */
  const keepAdopted = async (): Promise<undefined> => {
    const specs = new Map([...state.adopted].map(([name, { proof }]) => [name, proof]));
    state.adopted = await specsToKeep(ports, specs, { binding: await newest.readBinding(), memory: state.memory, asked: null });
    await publisher.syncSpecs();
    return undefined;
  };
  let sentAgainMs = Number.NEGATIVE_INFINITY;

  const runPass = async (): Promise<{ afterMs: number } | undefined> => {
    if (!isAdopted) await adopt();
    isAdopted = true;
    // Not even an empty offer is made before the intent is known: Register comes only after a whole first observation.
    const asked = ports.intent.current();
    if (asked === null) return await keepAdopted();
    if (state.pass === null) state.lastStatus = await ports.status.readLast();
    // One intent for the whole pass: what is looked at hangs on it, and the specs that are written are those of what is listed.
    const ground = await look("Recent", asked.intent);
    // What a closing binding looks like is not news: the last whole pass stands.
    if (state.stopping) return undefined;
    state.memory = remember(state.memory, asked.intent, ground);
    const answerMs = unseenMs(options.settleMs, ground.view.podResources);
    state.answers = state.answers.filter((answer) => ground.view.nowMs - answer.atMs < answerMs);
    const previous = state.pass?.status ?? state.lastStatus;
    const wanted = want({ intent: asked.intent, ground, memory: state.memory });
    publisher.withdraw(wanted.offer);
    state.draft = wanted;
    await publisher.syncSpecs();
    // Written down before anything is listed. A spec that a crash leaves without its proof is written anew.
    state.memory = { ...noteLoads(noteListed(state.memory, wanted.offer), ports.loads?.watched() ?? new Set()), specs: publisher.specs() };
    const proofProblem = await proofs.save(proofsOf(state.memory));
    state.memory = { ...state.memory, proofProblem };
    // An observation can take seconds; what the table says by now, and the intent, have the last word on what is listed.
    await newest.readBinding();
    if (state.stopping) return undefined;
    state.memory = { ...state.memory, specs: publisher.specs() };
    const pass = decideOn(asked, { ground, memory: state.memory, previous, wanted });
    state.pass = pass;
    state.draft = null;
    const listed = withdrawals(pass, news());
    publisher.list(listed);
    const overtaken = overtakenBy(pass, newest.binding() ?? ground.view.binding, listed);
    if (overtaken !== "") ports.log.info({ detail: overtaken }, "overtaken by newer readings, looking again");
    announce({ ports, metrics, logsChanges: options.logsChanges }, previous, pass.status);
    if (pass.unitVerdicts.some((verdict) => verdict.step)) stepJob?.wakeNow();
    // Kubelet has forgotten a pod that has ended, and forgets it in its checkpoint when it next writes.
    if (accountOf(pass, state) === "Behind" && ports.clock.nowMs() - sentAgainMs >= CHECKPOINT_LOOK_MS) {
      sentAgainMs = ports.clock.nowMs();
      plugins?.sendAgain();
    }
    if (JSON.stringify(pass.status) !== written) statusJob?.wake();
    for (const listener of listeners) listener();
    const mustSync = publisher.mustSyncSpecs();
    if (mustSync) specsJob?.wakeNow();
    if (publisher.specs().problem !== "" || proofProblem !== "") return { afterMs: WRITE_AGAIN_MS };
    if (overtaken !== "" || mustSync) return { afterMs: OVERTAKEN_LOOK_MS };
    return nextLook(pass, ports.clock.nowMs(), state);
  };

  const writeStatus = async (): Promise<RunAgain | undefined> => {
    const status = state.pass?.status;
    const text = JSON.stringify(status);
    if (!status || text === written) return undefined;
    const afterMs = statusTurns.take(ports.clock.nowMs(), status);
    if (afterMs > 0) return { afterMs };
    await ports.status.write(status);
    written = text;
    statusTurns.written(status);
    return undefined;
  };

  return {
    async start() {
      state.memory = emptyMemory(ports.clock.nowMs(), options.settleMs);
      const loop = { minIntervalMs: 0, everyMs: null, backoff: BACKOFF, startAwake: false };
      statusJob = jobs.loop("status", { ...loop, boundMs: STATUS_BOUND_MS }, writeStatus);
      const perform = { ports, metrics, binding, newest, state, locks, observeNow: () => look("Fresh"), onStep: wake };
      stepJob = jobs.loop("steps", { ...loop, boundMs: STEP_BOUND_MS }, (signal) => performSteps(perform, signal));
      withdrawJob = jobs.loop("withdraw", { ...loop, boundMs: PASS_BOUND_MS }, withdraw);
      withdrawByHostJob = jobs.loop("withdraw-by-host", { ...loop, boundMs: PASS_BOUND_MS }, withdrawByHost);
      specsJob = jobs.loop("specs", { ...loop, boundMs: PASS_BOUND_MS }, syncSpecs);
      passJob = jobs.loop("pass", { ...loop, startAwake: true, everyMs: options.observeEveryMs, boundMs: PASS_BOUND_MS }, runPass);
      stops.push(
        ports.host.onChange(wakeForHost),
        ports.intent.onChange(() => wakeAll(true)),
      );
      if (plugins) stops.push(plugins.onChange((change) => (change === "CallsEnded" ? wakeAfterCalls() : wake())));
    },
    pass: () => state.pass,
    onPass(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    wake,
    jobs: () => jobs,
    async stop() {
      state.stopping = true;
      for (const stop of stops.splice(0)) stop();
      callsLook?.stop();
      await plugins?.close();
      // Read while it can be: a CLEAR that goes on in the kernel must not be reported as trusted.
      const reading = await newest.readBinding();
      // Ends calls in flight, so that no job waits for a SETUP; what the kernel has begun it finishes.
      await binding.close();
      await jobs.stop();
      await publisher.end();
      proofs.close();
      if (!state.pass) return;
      const ground = groundFrom({ ...state.pass.ground.view, binding: reading });
      const { status } = decideOn(ports.intent.current(), { ground, memory: state.memory, previous: state.pass.status, wanted: null });
      await ports.status
        .write(stoppedReport(status, timestamp(ports)))
        .catch((thrown: unknown) => ports.log.warn({ err: thrown }, "last status not written"));
    },
  };
}

interface WantedInputs {
  readonly news: News;
  readonly asked: IntentView | null;
  readonly simulatedHost: boolean;
}

/** The CDI specs that may be in place by the newest readings: of the pass that is running, of the last one, or those of an earlier process. */
function wantedSpecs({ draft, pass, adopted, memory }: AgentState, { news, asked, simulatedHost }: WantedInputs): WantedSpecs {
  const decided = draft ?? pass;
  const table = news.binding ?? { kind: "Unreadable" as const, why: "not read yet" };
  const specs = decided ? openSpecs(decided, news) : specsAllowed(adopted, { binding: table, memory, asked });
  return { specs, simulated: table.kind === "Read" ? table.value.info.simulated : simulatedHost };
}

function accountOf({ ground }: Pass, { memory }: AgentState): Accounting["kind"] {
  return accountingOf(ground, accountedNames(memory)).kind;
}

function nextLook(pass: Pass, nowMs: number, state: AgentState): { afterMs: number } | undefined {
  const { answers, memory } = state;
  const { podResources } = pass.ground.view;
  const holders = holderPollMs({ answers, memory, ground: pass.ground, podResources, nowMs });
  const account = accountOf(pass, state);
  const forgotten = account === "Behind" || account === "Ending" ? CHECKPOINT_LOOK_MS : null;
  const due = [wakeAfterMs(pass, nowMs), holders, linkPollMs(memory), forgotten].filter((ms) => ms !== null);
  return due.length === 0 ? undefined : { afterMs: Math.min(...due) };
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function timestamp(ports: AgentPorts): string {
  return new Date(ports.clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
}

interface Announcing {
  readonly ports: AgentPorts;
  readonly metrics: AgentMetrics;
  readonly logsChanges: boolean;
}

/** Log, events and counts of what this pass changed. */
function announce({ ports, metrics, logsChanges }: Announcing, before: NodeStatus | null, after: NodeStatus): void {
  const log = logsChanges ? ports.log : silentLog;
  for (const event of eventsBetween(before, after)) {
    log[event.type === "Warning" ? "warn" : "info"]({ reason: event.reason, detail: event.message }, "state changed");
    ports.status.event(event);
  }
  const { opened, closed } = gateChanges(before, after);
  for (const _ of opened) metrics.gateChange("opened");
  for (const _ of closed) metrics.gateChange("closed");
  if (opened.length > 0) log.info({ devices: opened }, "gate opened");
  if (closed.length > 0) log.info({ devices: closed }, "gate closed");
  metrics.simulated(after.simulated);
  metrics.units(countBy(after.units, (unit) => unit.state));
  metrics.devices(countBy(after.devices, (device) => device.reason));
}
