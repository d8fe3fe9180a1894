// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

/** A process of the bench's own. */
export interface Running {
  readonly pid: number;
  /** The moment before it was spawned, milliseconds of performance.now(). */
  readonly spawnedMs: number;
  /** Rejects when the process ends although nobody stopped it, with what it last wrote. Never resolves. */
  readonly died: Promise<never>;
  /** SIGTERM, and SIGKILL when that was not enough. Resolves when the process is gone. Repeatable. */
  stop(): Promise<void>;
}

export interface ProcessOptions {
  /** Both of its outputs go here. */
  readonly output: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Every process that was started, so that none outlives the run. */
export interface Processes {
  start(command: string, words: readonly string[], options: ProcessOptions): Running;
  /** Stops what is still running. */
  stopAll(): Promise<void>;
  /** SIGKILL to what is still running, at once: for the end of this process. */
  killAll(): void;
}

const STOP_WITHIN_MS = 10_000;
const LAST_WORDS = 2000;

export function createProcesses(environment: Readonly<Record<string, string | undefined>>): Processes {
  const running = new Map<ChildProcess, Running>();
  return {
    start(command, words, options) {
      const output = openSync(options.output, "a");
      const spawnedMs = performance.now();
      const child = spawn(command, [...words], { stdio: ["ignore", output, output], env: { ...environment, ...options.environment } });
      closeSync(output);
      const one = watch(child, { command, spawnedMs, output: options.output });
      running.set(child, one);
      child.once("close", () => running.delete(child));
      return one;
    },
    async stopAll() {
      await Promise.all([...running.values()].map((one) => one.stop()));
    },
    killAll() {
      for (const child of running.keys()) child.kill("SIGKILL");
    },
  };
}

interface Started {
  readonly command: string;
  readonly spawnedMs: number;
  readonly output: string;
}

function watch(child: ChildProcess, { command, spawnedMs, output }: Started): Running {
  let stopping = false;
  const closed = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(`ended with ${signal ?? code}`));
  });
  const died = new Promise<never>((_, reject) => {
    void closed.then((how) => {
      if (!stopping) reject(new Error(`${command} ${how}\n${readFileSync(output, "utf8").slice(-LAST_WORDS)}`));
    });
  });
  died.catch(() => undefined); // Whoever waits for something of the process races with it; nobody need.
  return {
    pid: child.pid ?? 0,
    spawnedMs,
    died,
    async stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
      const ended = once(child, "close");
      child.kill("SIGTERM");
      await ended;
      clearTimeout(timer);
    },
  };
}

/** CPU time of all threads, user and kernel, in milliseconds; in steps of a clock tick (10 ms). Source: proc(5), /proc/PID/stat 14 and 15. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name may contain spaces and parentheses; the fields after its last one don't.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, kernel] = [Number(fields[11]), Number(fields[12])];
  return (user + kernel) * TICK_MS;
}

/** USER_HZ, which Linux fixes at 100 for every architecture Node runs on. */
const TICK_MS = 10;

/** VmRSS in bytes. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match?.[1] === undefined) throw new Error(`/proc/${pid}/status has no VmRSS`);
  return Number(match[1]) * 1024;
}
