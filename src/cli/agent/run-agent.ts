// SPDX-License-Identifier: Apache-2.0
import { flushCompileCache } from "node:module";
import { constants, hostname } from "node:os";
import { type Agent, createAgent } from "../../agent/agent.ts";
import type { Settlement } from "../../domain/settlement.ts";
import type { NodeStatus } from "../../domain/status.ts";
import { EXIT_CODES, exitCodeOf } from "../../runtime/exit-codes.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import { createLifecycle, type Lifecycle, type LifecycleEnd, type Part } from "../../runtime/lifecycle.ts";
import { createLog, type RootLog } from "../../runtime/log.ts";
import { takeNodeLock } from "../../runtime/node-lock.ts";
import { isSignalCause } from "../../runtime/signals.ts";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Context } from "../context.ts";
import { buildMetrics } from "./build-metrics.ts";
import { buildPorts } from "./build-ports.ts";
import { createScreen, noScreen, type Screen } from "./screen.ts";

/** What another composition root (the demo) adds to an agent's run. */
export interface RunOptions {
  /** Started before everything else, stopped after it. */
  readonly before: readonly Part[];
  readonly screen: (context: Context) => Screen;
  /** Called after each pass of the agent. */
  readonly onPass: (pass: PassView, control: RunControl) => void;
  /** What the first signal does. */
  readonly onSignal: (cause: unknown, control: RunControl) => void;
}

export interface PassView {
  readonly status: NodeStatus;
  readonly settlement: Settlement;
}

export interface RunControl {
  readonly screen: Screen;
  readonly agent: Agent;
  cancel(cause: unknown): void;
}

/** A cause of stopping that is neither a signal nor an error: the work is done. */
export interface ExitCause {
  readonly exitCode: number;
}

function isExitCause(cause: unknown): cause is ExitCause {
  return typeof cause === "object" && cause !== null && "exitCode" in cause && typeof cause.exitCode === "number";
}

const DEFAULTS: RunOptions = {
  before: [],
  screen: (context) => createScreen(context, { footer: "Ctrl-C withdraws the devices and ends the agent; units stay as they are" }),
  onPass: () => undefined,
  onSignal: (cause, { cancel }) => cancel(cause),
};

/** Withdrawing waits until kubelet has been sent empty lists, which is bounded below this. */
const AGENT_STOP_MS = 20_000;
const QUICK_STOP_MS = 2_000;
/** What a shell shows for a process that a signal ended. */
const SIGNAL_EXIT = 128;

/**
 * Runs an agent until it is told to stop. Order: lock, metrics and health (they must answer while everything else still starts), intent and kubelet,
 * the agent; stopped in reverse. @returns the exit code
 */
export async function runAgent(config: AgentConfig, context: Context, given: Partial<RunOptions> = {}): Promise<number> {
  const options = { ...DEFAULTS, ...given };
  const screen = config.source.kind === "Manifest" ? options.screen(context) : noScreen;
  const log = openLog(config, screen, context);
  const lifecycle = createLifecycle({ clock: context.clock, log });
  try {
    const agent = await assemble({ config, context, log, lifecycle, screen, options });
    const control = { screen, agent, cancel: lifecycle.cancel };
    context.signals.onFirst((cause) => {
      restoreOnSecondSignal(screen, context);
      options.onSignal(cause, control);
    });
    return endOf(await lifecycle.run(), log);
  } finally {
    screen.close();
  }
}

interface Assembly {
  readonly config: AgentConfig;
  readonly context: Context;
  readonly log: RootLog;
  readonly lifecycle: Lifecycle;
  readonly screen: Screen;
  readonly options: RunOptions;
}

async function assemble({ config, context, log, lifecycle, screen, options }: Assembly): Promise<Agent> {
  const sources: (() => readonly JobHealth[])[] = [];
  const isReady = { pass: false };
  const metrics = await buildMetrics(config, {
    log,
    clock: context.clock,
    jobs: () => sources.flatMap((jobs) => jobs()),
    ready: () => (isReady.pass ? [] : ["the first observation"]),
    dropped: () => context.drops.counts(),
  });
  const onFatal = (thrown: unknown): void => lifecycle.cancel(thrown);
  const built = await buildPorts({ config, context, random: Math.random, log, metrics: metrics.metrics, onFatal });
  const agent = createAgent(built.ports, built.options);
  sources.push(built.jobs, () => agent.jobs().health());
  agent.onPass(() => {
    const pass = agent.pass();
    if (pass === null) return;
    // An agent is killed more often than it ends: what it compiled is kept for the next one now.
    if (!isReady.pass) flushCompileCache();
    isReady.pass = true;
    if (pass.status.simulated) log.markSimulated();
    screen.show(built.nodeName() || hostname(), pass.status);
    options.onPass(pass, { screen, agent, cancel: lifecycle.cancel });
  });
  const parts = [...options.before, lockPart(config), ...metrics.parts, ...built.parts, agentPart(agent)];
  for (const part of parts) lifecycle.add(part);
  return agent;
}

function agentPart(agent: Agent): Part {
  return { name: "agent", start: () => agent.start(), stop: () => agent.stop(), stopWithinMs: AGENT_STOP_MS };
}

function lockPart({ lock: path, ownsLockFolder }: AgentConfig): Part {
  let release = (): void => undefined;
  return {
    name: "node lock",
    async start() {
      const { loadAddon } = await import("../../native/addon.ts");
      const { lockFile } = loadAddon();
      const lock = await takeNodeLock(path, { lockFile, ownsFolder: ownsLockFolder });
      release = () => lock.release();
    },
    stop: () => release(),
    stopWithinMs: QUICK_STOP_MS,
  };
}

/** Below a live view the log is read by a person who looks at the view: only what is not in it. */
function openLog(config: AgentConfig, screen: Screen, { errors, drops }: Context): RootLog {
  const level = config.logLevel ?? (screen.isLive ? "warn" : "info");
  const base = config.source.kind === "Cluster" ? { node: config.source.node } : {};
  const simulated = config.driver.kind === "Simulated";
  const log = createLog({ level, simulated, base, write: (line) => (screen.isLive ? screen.log(line) : void errors.write(line)) });
  drops.onFlow((dropped) => log.warn({ dropped }, "log lines are missing: they could not be written"));
  return log;
}

/** A second signal ends the process by its default effect; below a live view it must give the cursor back first. */
function restoreOnSecondSignal(screen: Screen, { signals, exit }: Context): void {
  if (!screen.isLive) return;
  signals.onSecond((signal) => {
    screen.close();
    exit(SIGNAL_EXIT + constants.signals[signal]);
  });
}

/** A signal is the expected end; everything else is an error that is told once, here. */
function endOf(end: LifecycleEnd, log: RootLog): number {
  const { cause, problems } = end;
  if (isExitCause(cause)) return cause.exitCode;
  if (isSignalCause(cause)) {
    log.info({ signal: cause.signal }, "stopped");
    return problems.length === 0 ? EXIT_CODES.Ok : EXIT_CODES.Failed;
  }
  if (!end.isStarted) throw cause;
  log.error({ err: cause }, "agent ended");
  return exitCodeOf(cause);
}
