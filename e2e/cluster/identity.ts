// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";

/** A process that can be told from a later one with the same number: `start` is its start time in clock ticks since boot. */
export interface Identity {
  readonly pid: number;
  readonly start: string;
}

/** Reads who has this number now; `null` when nobody does, or only a zombie, which holds nothing any more.
 *  @see proc_pid_stat(5): state is field 3, start time field 22; the name in field 2 may contain spaces and brackets. */
export function tryIdentity(pid: number): Identity | null {
  const { state, start } = statOf(pid);
  if (start === undefined || state === "Z" || state === "X") return null;
  return { pid, start };
}

/** Whether a process is stopped, as by SIGSTOP. */
export function isStopped(pid: number): boolean {
  return statOf(pid).state === "T";
}

function statOf(pid: number): { readonly state: string | undefined; readonly start: string | undefined } {
  const stat = tryReadProc(`/proc/${pid}/stat`) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], start: fields[19] };
}

/** Whether exactly this process still lives. */
export function isAlive(identity: Identity): boolean {
  return tryIdentity(identity.pid)?.start === identity.start;
}

/** Kills exactly this process; false when it is gone already. */
export function killIdentity(identity: Identity): boolean {
  if (!isAlive(identity)) return false;
  return process.kill(identity.pid, "SIGKILL");
}

/** The children of a process, of all its threads, by number. Empty when it is gone. */
export function childrenOf(pid: number): number[] {
  const children: number[] = [];
  for (const thread of tryListProc(`/proc/${pid}/task`)) {
    const line = tryReadProc(`/proc/${pid}/task/${thread}/children`) ?? "";
    children.push(...line.split(" ").filter(Boolean).map(Number));
  }
  return children;
}

function tryReadProc(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function tryListProc(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** A process may end between opening its file (ENOENT) and reading it (ESRCH). */
function isGone(error: unknown): boolean {
  return ["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Command lines of live processes in which a path occurs. */
export function processesNaming(path: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => (tryReadProc(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ")).filter((line) => line.includes(path));
}
