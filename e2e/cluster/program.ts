// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** What to start. Output goes to `logFile`, which is appended to. */
export interface ProgramSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** A long-running program, leader of a process group of its own: signals reach all of it, and nothing else. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** @throws when the program has ended, with the end of its log. */
  assertRunning(): void;
  isRunning(): boolean;
  /** Sends a signal to the whole group; false when it is gone already. */
  signal(signal: NodeJS.Signals): boolean;
  /** Ends the group (SIGTERM, after 10 s SIGKILL; or SIGKILL at once) and waits until it is gone. Safe to repeat. */
  stop(how?: "term" | "kill"): Promise<void>;
}

/** Starts a program in a process group of its own.
 *  @throws when it cannot be started at all. */
export function startProgram(spec: ProgramSpec): Program {
  const [file, ...args] = spec.argv;
  if (file === undefined) throw new Error(`${spec.name}: an empty command`);
  const log = openSync(spec.logFile, "a");
  const child = spawn(file, args, { detached: true, env: spec.env, stdio: ["ignore", log, log] });
  closeSync(log);
  const pid = child.pid;
  let end: string | null = null;
  child.on("error", (cause) => {
    end = cause.message;
  });
  child.on("exit", (code, signal) => {
    end = signal === null ? `exit code ${code}` : signal;
  });
  child.unref();
  if (pid === undefined) throw new Error(`${spec.name}: could not start ${file}`);
  const signal = (name: NodeJS.Signals | 0): boolean => signalGroup(pid, name);
  const program: Program = {
    name: spec.name,
    pid,
    logFile: spec.logFile,
    isRunning: () => end === null,
    assertRunning: () => {
      if (end !== null) throw new Error(`${spec.name} has ended (${end}); end of ${spec.logFile}:\n${tailOf(spec.logFile)}`);
    },
    signal,
    stop: async (how = "term") => {
      signal(how === "kill" ? "SIGKILL" : "SIGTERM");
      if (how === "term" && (await isGoneWithin(pid, 10_000))) return;
      signal("SIGKILL");
      await waitUntil(`the end of ${spec.name}`, () => lookForEnd(pid), { deadlineMs: 10_000, everyMs: 20 });
    },
  };
  return program;
}

/** The last lines of a log, for an error message. */
export function tailOf(logFile: string, lines = 15): string {
  return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function lookForEnd(pid: number): Look<true> {
  return signalGroup(pid, 0) ? notYet("still there") : met(true);
}

async function isGoneWithin(pid: number, deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  const look = (): Look<boolean> => {
    if (!signalGroup(pid, 0)) return met(true);
    return performance.now() < end ? notYet("still there") : met(false);
  };
  return waitUntil("the end of a process group", look, { deadlineMs: deadlineMs + 1_000, everyMs: 20 });
}
