// SPDX-License-Identifier: Apache-2.0

/**
 * The agent of one node: observe → plan → perform → offer → report, level-triggered. Any wake-up leads to the same pass; there is no other way to
 * hardware or to kubelet. Crash-only: everything it acts on is observed again.
 *
 *   wake ──► pass job: observe, decide, publish ──► step job: SEAMCALLs, one at a time ──► wake
 *                                              └──► status job: what changed, to the API or the file
 */
import { type Ground, groundFrom } from "../domain/ground.ts";
import { emptyMemory, remember } from "../domain/memory.ts";
import type { OfferedResource } from "../domain/offer.ts";
import { stoppedReport } from "../domain/report.ts";
import type { NodeStatus } from "../domain/status.ts";
import type { CdiResource, DevicePluginPort } from "../kubelet/port.ts";
import type { Timer } from "../runtime/clock.ts";
import { createJobs, type Jobs, type LoopJob } from "../runtime/jobs.ts";
import { createKeyedLocks } from "../runtime/serial.ts";
import { type BindingHolder, createBinding } from "./binding.ts";
import { countBy, eventsBetween, gateChanges } from "./changes.ts";
import { createHandlers, deviceEnv, deviceNodesOf } from "./handlers.ts";
import { observe } from "./observe.ts";
import { decide, mayHoldersChange, wakeAfterMs, withdrawals } from "./pass.ts";
import { performSteps } from "./perform.ts";
import type { AgentOptions, AgentPorts } from "./ports.ts";
import type { AgentState, Pass } from "./state.ts";

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
/** How often holders are looked at while they may change unannounced. */
const HOLDER_POLL_MS = 2_000;
/** After its calls kubelet needs about this long until podresources shows the pod. Many share one look: a pass after each would slow them. */
const CALLS_LOOK_MS = 250;

export function createAgent(ports: AgentPorts, options: AgentOptions): Agent {
  const state: AgentState = { memory: emptyMemory(0, options.settleMs, null), pass: null, answers: [], lastStatus: null, stopping: false };
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
  let written = "";

  const wake = (): void => passJob?.wake();
  let callsLook: Timer | null = null;
  const wakeAfterCalls = (): void => {
    callsLook ??= ports.clock.after(CALLS_LOOK_MS, () => {
      callsLook = null;
      wake();
    });
  };
  const binding: BindingHolder = createBinding({ open: ports.openSeamcall, driver: options.driver, onChange: wake });
  const simulated = options.driver === "simulated";
  const handlers = createHandlers({ ports, binding, state, locks, simulated, onAnswered: wakeAfterCalls });
  const plugins: DevicePluginPort | null = ports.devicePlugins?.(handlers) ?? null;
  const publisher = createPublisher(ports, plugins, simulated);

  const look = async (): Promise<Ground> => {
    const intent = ports.intent.current()?.intent ?? null;
    const reading = await binding.observe();
    if (state.pass) await publisher.withdraw(withdrawals(state.pass, reading, intent, state.memory));
    const publications = plugins?.publications() ?? [];
    return groundFrom(await observe({ ports, binding: reading, intent, publications, answers: state.answers }));
  };

  const runPass = async (): Promise<{ afterMs: number } | undefined> => {
    // Not even an empty offer is made before the intent is known: Register comes only after a whole first observation.
    if (ports.intent.current() === null) return undefined;
    if (state.pass === null) {
      state.lastStatus = await ports.status.readLast();
      state.memory = emptyMemory(state.memory.startedMs, options.settleMs, state.lastStatus);
    }
    const ground = await look();
    // What a closing binding looks like is not news: the last whole pass stands.
    if (state.stopping) return undefined;
    const current = ports.intent.current();
    const intent = current?.intent ?? null;
    state.memory = remember(state.memory, intent, ground);
    state.answers = state.answers.filter((answer) => ground.view.nowMs - answer.atMs < options.settleMs);
    const before = state.pass?.status ?? state.lastStatus;
    const pass = decide({
      intent,
      generation: current?.generation ?? 0,
      intentProblem: current?.problem ?? "",
      memory: state.memory,
      ground,
      driver: options.driver,
      previous: before,
      hasKubelet: plugins !== null,
      now: timestamp(ports),
    });
    state.pass = pass;
    await publisher.publish(pass.offer, ground);
    announce(ports, before, pass.status);
    if (pass.unitVerdicts.some((verdict) => verdict.step)) stepJob?.wakeNow();
    if (JSON.stringify(pass.status) !== written) statusJob?.wake();
    for (const listener of listeners) listener();
    return nextLook(pass, ports.clock.nowMs(), state);
  };

  const writeStatus = async (): Promise<undefined> => {
    const status = state.pass?.status;
    const text = JSON.stringify(status);
    if (!status || text === written) return undefined;
    await ports.status.write(status);
    written = text;
    return undefined;
  };

  return {
    async start() {
      state.memory = emptyMemory(ports.clock.nowMs(), options.settleMs, null);
      const loop = { minIntervalMs: 0, everyMs: null, backoff: BACKOFF, startAwake: false };
      statusJob = jobs.loop("status", { ...loop, boundMs: STATUS_BOUND_MS }, writeStatus);
      const perform = { ports, binding, state, locks, observeNow: look, onStep: wake };
      stepJob = jobs.loop("steps", { ...loop, boundMs: STEP_BOUND_MS }, (signal) => performSteps(perform, signal));
      passJob = jobs.loop("pass", { ...loop, startAwake: true, everyMs: options.observeEveryMs, boundMs: PASS_BOUND_MS }, runPass);
      stops.push(
        ports.host.onChange(wake),
        ports.intent.onChange(() => passJob?.wakeNow()),
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
      // Ends calls in flight, so that no job waits for a SETUP; what the kernel has begun it finishes.
      await binding.close();
      await jobs.stop();
      await publisher.withdrawSpecs();
      if (state.pass) await ports.status.write(stoppedReport(state.pass.status, timestamp(ports)));
    },
  };
}

function nextLook(pass: Pass, nowMs: number, state: AgentState): { afterMs: number } | undefined {
  const { answers, memory } = state;
  const { podResources } = pass.ground.view;
  const heldMs = mayHoldersChange({ answers, holds: memory.holds, podResources, nowMs, settleMs: memory.settleMs }) ? HOLDER_POLL_MS : null;
  const due = [wakeAfterMs(pass, nowMs), heldMs].filter((ms) => ms !== null);
  return due.length === 0 ? undefined : { afterMs: Math.min(...due) };
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function timestamp(ports: AgentPorts): string {
  return new Date(ports.clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
}

interface Publisher {
  publish(offer: readonly OfferedResource[], ground: Ground): Promise<void>;
  withdraw(offer: readonly OfferedResource[]): Promise<void>;
  withdrawSpecs(): Promise<void>;
}

/**
 * Specs before lists when devices appear, lists before specs when they go: no container is ever given a name that does not resolve. When specs
 * cannot be written, nothing new is listed, and what is to go still goes.
 */
function createPublisher(ports: AgentPorts, plugins: DevicePluginPort | null, simulated: boolean): Publisher {
  let published: readonly OfferedResource[] = [];
  const list = (offer: readonly OfferedResource[]): void => {
    published = offer;
    plugins?.publish(offer);
  };
  return {
    async publish(offer, ground) {
      try {
        await ports.cdi?.sync(cdiResources([...offer, ...published], ground, simulated));
      } catch (thrown) {
        list(onlyIn(offer, published));
        throw thrown;
      }
      list(offer);
      await ports.cdi?.sync(cdiResources(offer, ground, simulated));
    },
    async withdraw(offer) {
      list(onlyIn(published, offer));
    },
    withdrawSpecs: async () => ports.cdi?.sync([]),
  };
}

/** `offer` without the devices that `other` does not have. */
function onlyIn(offer: readonly OfferedResource[], other: readonly OfferedResource[]): readonly OfferedResource[] {
  return offer.map(({ resource, devices }) => {
    const ids = new Set(other.find((list) => list.resource === resource)?.devices.map((device) => device.id));
    return { resource, devices: devices.filter((device) => ids.has(device.id)) };
  });
}

function cdiResources(lists: readonly OfferedResource[], ground: Ground, simulated: boolean): readonly CdiResource[] {
  const names = [...new Set(lists.map((list) => list.resource))];
  return names.map((resource) => {
    const ids = new Set(lists.filter((list) => list.resource === resource).flatMap((list) => list.devices.map((device) => device.id)));
    const devices = [...ids]
      .sort()
      .map((id) => ({ id, deviceNodes: deviceNodesOf(ground.functions.get(id)?.vfioCdev ?? null, simulated), env: deviceEnv(simulated) }));
    return { resource, devices };
  });
}

/** Log, events and counts of what this pass changed. */
function announce(ports: AgentPorts, before: NodeStatus | null, after: NodeStatus): void {
  for (const event of eventsBetween(before, after)) {
    ports.log[event.type === "Warning" ? "warn" : "info"]({ reason: event.reason, detail: event.message }, "state changed");
    ports.status.event(event);
  }
  const { opened, closed } = gateChanges(before, after);
  for (const _ of opened) ports.metrics.gateChange("opened");
  for (const _ of closed) ports.metrics.gateChange("closed");
  if (opened.length > 0) ports.log.info({ devices: opened }, "gate opened");
  if (closed.length > 0) ports.log.info({ devices: closed }, "gate closed");
  ports.metrics.units(countBy(after.units, (unit) => unit.state));
  ports.metrics.devices(countBy(after.devices, (device) => device.reason));
}
