// SPDX-License-Identifier: Apache-2.0
/**
 * A role of the program that lasts (the agent of a node): its log, its metrics and health, the order in which its parts start and stop, what signals
 * do, and the exit code. Knows nothing of what the role does.
 */
import { constants } from "node:os";
import { EXIT_CODES, exitCodeOf } from "../../runtime/exit-codes.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import { createLifecycle, type LifecycleEnd, type Part } from "../../runtime/lifecycle.ts";
import type { RootLog } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { isSignalCause } from "../../runtime/signals.ts";
import type { Context } from "../context.ts";
import { buildMetrics, type Scrape } from "./build-metrics.ts";
import type { Screen } from "./screen.ts";

/** What a role is built with. */
export interface RoleTools {
  readonly log: RootLog;
  readonly metrics: Metrics;
  /** Ends the process in order. The first cause stands: a signal, an error, or an ExitCause. */
  readonly cancel: (cause: unknown) => void;
}

export interface BuiltRole {
  /** Started in this order, stopped in reverse. Metrics and health are served from after `early` on, while all else still starts. */
  readonly early: readonly Part[];
  readonly parts: readonly Part[];
  /** Every job of the role, for /healthz. */
  readonly jobs: () => readonly JobHealth[];
  /** What readiness waits for; empty when ready. */
  readonly waitingFor: () => readonly string[];
  /** What the first signal does. */
  readonly onSignal: (cause: unknown) => void;
}

export interface Role {
  /** As the log names it: "agent". */
  readonly name: string;
  readonly log: RootLog;
  readonly screen: Screen;
  readonly scrape: Scrape;
  readonly build: (tools: RoleTools) => Promise<BuiltRole>;
}

/** A cause of stopping that is neither a signal nor an error: the work is done. */
export interface ExitCause {
  readonly exitCode: number;
}

function isExitCause(cause: unknown): cause is ExitCause {
  return typeof cause === "object" && cause !== null && "exitCode" in cause && typeof cause.exitCode === "number";
}

/** What a shell shows for a process that a signal ended. */
const SIGNAL_EXIT = 128;

/** Runs a role until it is told to stop. @returns the exit code. @throws what kept it from starting */
export async function runRole(role: Role, context: Context): Promise<number> {
  const { log, screen, scrape } = role;
  const { clock, signals, drops } = context;
  const lifecycle = createLifecycle({ clock, log });
  try {
    drops.onFlow((dropped) => log.warn({ dropped }, "log lines are missing: they could not be written"));
    let built: BuiltRole | null = null;
    const served = await buildMetrics(scrape, {
      log,
      clock,
      jobs: () => built?.jobs() ?? [],
      waitingFor: () => built?.waitingFor() ?? [`the ${role.name}'s parts`],
      dropped: () => drops.counts(),
    });
    built = await role.build({ log, metrics: served.metrics, cancel: lifecycle.cancel });
    for (const part of [...built.early, ...served.parts, ...built.parts]) lifecycle.add(part);
    const { onSignal } = built;
    signals.onFirst((cause) => {
      restoreOnSecondSignal(screen, context);
      onSignal(cause);
    });
    return endOf(await lifecycle.run(), role);
  } finally {
    screen.close();
  }
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
function endOf({ cause, problems, isStarted }: LifecycleEnd, { name, log }: Role): number {
  if (isExitCause(cause)) return cause.exitCode;
  if (isSignalCause(cause)) {
    log.info({ signal: cause.signal }, "stopped");
    return problems.length === 0 ? EXIT_CODES.Ok : EXIT_CODES.Failed;
  }
  if (!isStarted) throw cause;
  log.error({ err: cause, role: name }, "ended by an error");
  return exitCodeOf(cause);
}
