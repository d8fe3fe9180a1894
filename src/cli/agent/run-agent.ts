// SPDX-License-Identifier: Apache-2.0
/** The agent as a role of the program: its ports, its lock, its screen. */
import { flushCompileCache } from "node:module";
import { hostname } from "node:os";
import { type Agent, createAgent } from "../../agent/agent.ts";
import type { Settlement } from "../../domain/settlement.ts";
import type { NodeStatus } from "../../domain/status.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import { createLog, type RootLog } from "../../runtime/log.ts";
import { takeNodeLock } from "../../runtime/node-lock.ts";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Context } from "../context.ts";
import { type BuiltRole, type RoleTools, runRole } from "../process/run-role.ts";
import { createScreen, logScreen, type Screen } from "../process/screen.ts";
import { buildPorts } from "./build-ports.ts";

/** What another composition root (the demo) adds to an agent's run. */
export interface RunOptions {
  /** Started before everything else, stopped after it. */
  readonly before: readonly Part[];
  readonly screen: (context: Context, config: AgentConfig) => Screen;
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
  readonly agent: Agent;
  /** Tells people something, in the form of the output: a line on the screen, or a line of the log. */
  say(text: string): void;
  cancel(cause: unknown): void;
}

const DEFAULTS: RunOptions = {
  before: [],
  screen: agentScreen,
  onPass: () => undefined,
  onSignal: (cause, { cancel }) => cancel(cause),
};

/** Withdrawing waits until kubelet has been sent empty lists, which is bounded below this. */
const AGENT_STOP_MS = 20_000;
const QUICK_STOP_MS = 2_000;

/**
 * Runs an agent until it is told to stop. Order: lock, metrics and health (they must answer while everything else still starts), intent and kubelet,
 * the agent; stopped in reverse. @returns the exit code
 */
export async function runAgent(config: AgentConfig, context: Context, given: Partial<RunOptions> = {}): Promise<number> {
  const options = { ...DEFAULTS, ...given };
  const screen = options.screen(context, config);
  const log = openLog(config, screen);
  const { driver, metrics: address } = config;
  return await runRole(
    {
      name: "agent",
      log,
      screen,
      scrape: { address, build: { driver: driver.kind === "Simulated" ? "simulated" : driver.driver } },
      build: (tools) => buildAgent({ ...tools, config, context, screen, options }),
    },
    context,
  );
}

/** In a cluster the status is read with kubectl, and the log is all there is to tell. */
function agentScreen(context: Context, { source, output }: AgentConfig): Screen {
  if (source.kind === "Cluster") return logScreen(context, output);
  return createScreen(context, { output, footer: "Ctrl-C withdraws the devices and ends the agent; units stay as they are" });
}

interface Assembly extends RoleTools {
  readonly config: AgentConfig;
  readonly context: Context;
  readonly screen: Screen;
  readonly options: RunOptions;
}

async function buildAgent({ config, context, screen, options, log, metrics, cancel }: Assembly): Promise<BuiltRole> {
  const built = await buildPorts({ config, context, random: Math.random, log, metrics, onFatal: cancel });
  const agent = createAgent(built.ports, { ...built.options, logsChanges: !screen.tellsChanges });
  const say = (text: string): void => (config.output === "json" ? log.info({}, text) : screen.say(text));
  const control = { agent, say, cancel };
  let hasPassed = false;
  agent.onPass(() => {
    const pass = agent.pass();
    if (pass === null) return;
    // An agent is killed more often than it ends: what it compiled is kept for the next one now.
    if (!hasPassed) flushCompileCache();
    hasPassed = true;
    if (pass.status.simulated) log.markSimulated();
    screen.show(built.nodeName() || hostname(), pass.status);
    options.onPass(pass, control);
  });
  return {
    early: [...options.before, lockPart(config)],
    parts: [...built.parts, agentPart(agent)],
    jobs: () => [...built.jobs(), ...agent.jobs().health()],
    waitingFor: () => (hasPassed ? [] : ["the first observation"]),
    onSignal: (cause) => options.onSignal(cause, control),
  };
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

/** Beside a view that shows what changes, only what is not in it. */
function openLog(config: AgentConfig, screen: Screen): RootLog {
  return createLog({
    level: config.logLevel ?? (screen.tellsChanges ? "warn" : "info"),
    simulated: config.driver.kind === "Simulated",
    base: config.source.kind === "Cluster" ? { node: config.source.node } : {},
    write: (line) => screen.log(line),
  });
}
