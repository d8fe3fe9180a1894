// SPDX-License-Identifier: Apache-2.0

/**
 * What wakes which job of the agent. Every job has a name and is level-triggered: a wake-up carries nothing, and many are one.
 *
 *   timer, kubelet, calls ──► pass
 *   table, intent ──► withdraw, pass
 *   host ──► withdraw, withdraw-by-host (while a pass runs, which may have read the host before), pass
 */
import type { Timer } from "../runtime/clock.ts";
import { createJobs, type JobRun, type Jobs, type LoopJob } from "../runtime/jobs.ts";
import type { AgentPorts } from "./ports.ts";

/** What the jobs do. */
export interface Work {
  readonly pass: JobRun;
  readonly steps: JobRun;
  readonly status: JobRun;
  readonly withdraw: JobRun;
  readonly withdrawByHost: JobRun;
  readonly specs: JobRun;
  readonly claims: JobRun;
  readonly links: JobRun;
  readonly linkWatch: JobRun;
  readonly binds: JobRun;
  readonly audit: JobRun;
  readonly auditSync: JobRun;
}

export interface Wakes {
  /** Starts the jobs. What wakes them earlier is lost: a pass begins at once. */
  start(work: Work): void;
  pass(): void;
  steps(): void;
  status(): void;
  specs(): void;
  claims(): void;
  links(): void;
  linkWatch(): void;
  binds(): void;
  audit(): void;
  auditSync(): void;
  /** The table may close the gate: that does not wait for the pass that may be running. */
  table(): void;
  intent(): void;
  host(): void;
  /** After its calls kubelet needs a moment until podresources shows the pod. */
  calls(): void;
  readonly jobs: Jobs;
  /** Ends all jobs. Repeatable. */
  stop(): Promise<void>;
}

const PASS_BOUND_MS = 30_000;
/** A SETUP may resume for long; its forward progress is the TDX module's promise. */
const STEP_BOUND_MS = 600_000;
/** A write that a device never answers is nothing that a restart of this process could end: the status says `LinkStuck`. */
const LINK_BOUND_MS = Number.MAX_SAFE_INTEGER;
/** Each change of a driver is waited for for 20 s, and a node may have dozens. */
const BINDS_BOUND_MS = 3_600_000;
/** A disk that does not answer is nothing that a restart of this process could mend: the status says `AuditUnwritable`. */
const AUDIT_BOUND_MS = Number.MAX_SAFE_INTEGER;
const STATUS_BOUND_MS = 60_000;
const BACKOFF = { minMs: 250, maxMs: 10_000, jitter: 0.2 } as const;
/** Many calls share one look: a pass after each would slow them. */
const CALLS_LOOK_MS = 250;

/** The agent's jobs, as logs and metrics name them. */
export const JOB_NAMES = {
  status: "status",
  steps: "steps",
  withdraw: "withdraw",
  withdrawByHost: "withdraw-by-host",
  specs: "specs",
  claims: "claims",
  links: "links",
  linkWatch: "link-watch",
  binds: "binds",
  audit: "audit",
  auditSync: "audit-sync",
  pass: "pass",
} as const satisfies Readonly<Record<keyof Work, string>>;

export function createWakes(ports: Pick<AgentPorts, "clock" | "log" | "metrics" | "random" | "onFatal">, observeEveryMs: number): Wakes {
  const { clock, log, metrics, random, onFatal } = ports;
  const jobs = createJobs({ owner: "agent", clock, log, metrics, random, onFatal });
  let loops: { readonly [Name in keyof Work]: LoopJob } | null = null;
  let callsLook: Timer | null = null;
  const table = (): void => {
    loops?.withdraw.wakeNow();
    loops?.pass.wake();
  };
  return {
    jobs,
    start(work) {
      const loop = { minIntervalMs: 0, everyMs: null, backoff: BACKOFF, startAwake: false, boundMs: PASS_BOUND_MS };
      loops = {
        status: jobs.loop(JOB_NAMES.status, { ...loop, boundMs: STATUS_BOUND_MS }, work.status),
        steps: jobs.loop(JOB_NAMES.steps, { ...loop, boundMs: STEP_BOUND_MS }, work.steps),
        withdraw: jobs.loop(JOB_NAMES.withdraw, loop, work.withdraw),
        withdrawByHost: jobs.loop(JOB_NAMES.withdrawByHost, loop, work.withdrawByHost),
        specs: jobs.loop(JOB_NAMES.specs, loop, work.specs),
        claims: jobs.loop(JOB_NAMES.claims, { ...loop, boundMs: STATUS_BOUND_MS }, work.claims),
        links: jobs.loop(JOB_NAMES.links, { ...loop, boundMs: LINK_BOUND_MS }, work.links),
        linkWatch: jobs.loop(JOB_NAMES.linkWatch, loop, work.linkWatch),
        binds: jobs.loop(JOB_NAMES.binds, { ...loop, boundMs: BINDS_BOUND_MS }, work.binds),
        audit: jobs.loop(JOB_NAMES.audit, { ...loop, boundMs: AUDIT_BOUND_MS }, work.audit),
        auditSync: jobs.loop(JOB_NAMES.auditSync, { ...loop, boundMs: AUDIT_BOUND_MS }, work.auditSync),
        pass: jobs.loop(JOB_NAMES.pass, { ...loop, startAwake: true, everyMs: observeEveryMs }, work.pass),
      };
    },
    pass: () => loops?.pass.wake(),
    steps: () => loops?.steps.wakeNow(),
    status: () => loops?.status.wake(),
    specs: () => loops?.specs.wakeNow(),
    claims: () => loops?.claims.wake(),
    links: () => loops?.links.wakeNow(),
    linkWatch: () => loops?.linkWatch.wake(),
    binds: () => loops?.binds.wakeNow(),
    audit: () => loops?.audit.wake(),
    auditSync: () => loops?.auditSync.wake(),
    table,
    intent() {
      loops?.withdraw.wakeNow();
      loops?.pass.wakeNow();
    },
    host() {
      // A pass that is running may have read the host before, and wait for kubelet or the API now. One that begins reads it first.
      if (loops?.pass.health().runningSinceMs != null) loops.withdrawByHost.wakeNow();
      table();
    },
    calls() {
      callsLook ??= clock.after(CALLS_LOOK_MS, () => {
        callsLook = null;
        loops?.pass.wake();
      });
    },
    async stop() {
      callsLook?.stop();
      await jobs.stop();
    },
  };
}
