// SPDX-License-Identifier: Apache-2.0
// What one run holds on the machine. Each resource is written to the run's ledger before it is used, so that whoever
// comes later (the run itself, its guardian after a kill, the next run after a crash of both) can give all of it back:
//   <runs>/<id>/owner.json     who runs it        <runs>/<id>/ledger.jsonl   what it holds
//   <runs>/<id>/guardian.json  who cleans up      <runs>/<id>/logs/          what is kept after a failure
//   <runs>/<id>/scratch/       everything else, in memory: thousands of small files, and images, gone with one unmount
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeCgroups } from "./cgroups.ts";
import { runCommand, tryCommand } from "./command.ts";
import { type Identity, isAlive, killIdentity, tryIdentity } from "./identity.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** Something outside of the run's folder that has to be given back. A process is the first of a PID namespace, or the one
 *  that holds it: everything started in the namespace, and its mounts and links, go with it. */
export type Resource =
  | { readonly kind: "process"; readonly name: string; readonly pid: number; readonly start: string }
  | { readonly kind: "cgroup"; readonly path: string }
  | { readonly kind: "mount"; readonly path: string };

/** One run's folder. */
export interface RunFolder {
  readonly id: string;
  readonly folder: string;
  readonly logs: string;
  /** A file system of the run's own, in memory. */
  readonly scratch: string;
  /** Makes a folder below `scratch` and returns its path. */
  makeFolder(...names: string[]): string;
  /** Writes a resource down. Synchronous on purpose: nothing happens between making the resource and this. */
  record(resource: Resource): void;
}

/** How much of a run's folder is removed in the end. */
export interface ReleaseOptions {
  readonly keepLogs: boolean;
}

/** Logs of failed runs that are kept: older ones are removed when a new run opens. */
const KEPT_FAILURES = 5;

/** Makes a new run folder, owned by this process. */
export async function openRunFolder(runsFolder: string): Promise<RunFolder> {
  const id = randomBytes(4).toString("hex");
  const folder = join(runsFolder, id);
  const logs = join(folder, "logs");
  mkdirSync(logs, { recursive: true, mode: 0o755 });
  writeIdentity(join(folder, "owner.json"), process.pid);
  const ledger = join(folder, "ledger.jsonl");
  const record = (resource: Resource): void => appendFileSync(ledger, `${JSON.stringify(resource)}\n`);
  const scratch = join(folder, "scratch");
  mkdirSync(scratch);
  record({ kind: "mount", path: scratch });
  await runCommand(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch]);
  const makeFolder = (...names: readonly string[]): string => {
    const path = join(scratch, ...names);
    mkdirSync(path, { recursive: true });
    return path;
  };
  return { id, folder, logs, scratch, makeFolder, record };
}

/** Gives back everything that a run holds, last first, then removes its folder, or all of it but the logs. Safe to repeat.
 *  @throws when something does not go away within its time. */
export async function releaseRun(folder: string, options: ReleaseOptions): Promise<void> {
  const ledger = readLedger(folder).reverse();
  for (const resource of ledger) {
    if (resource.kind !== "process") continue;
    killIdentity(resource);
    await waitForEnd(resource.name, resource);
  }
  await removeCgroups(ledger.flatMap((resource) => (resource.kind === "cgroup" ? [resource.path] : [])));
  for (const resource of ledger) if (resource.kind === "mount") await unmount(resource.path);
  for (const entry of existsSync(folder) ? readdirSync(folder) : []) {
    if (!(options.keepLogs && entry === "logs")) rmSync(join(folder, entry), { recursive: true, force: true });
  }
  if (!options.keepLogs) rmSync(folder, { recursive: true, force: true });
}

/** Gives back what earlier runs left behind whose owner is dead, and removes the oldest kept logs. Runs that live are left alone.
 *  @returns the ids of the runs cleaned up */
export async function releaseStaleRuns(runsFolder: string): Promise<string[]> {
  const stale: string[] = [];
  const kept: string[] = [];
  for (const id of existsSync(runsFolder) ? readdirSync(runsFolder) : []) {
    const folder = join(runsFolder, id);
    const owner = readIdentity(join(folder, "owner.json"));
    if (owner !== null && isAlive(owner)) continue;
    const guardian = readIdentity(join(folder, "guardian.json"));
    if (guardian !== null) await waitForEnd(`the guardian of run ${id}`, guardian);
    const hasLedger = existsSync(join(folder, "ledger.jsonl"));
    if (hasLedger) stale.push(id);
    if (hasLedger || !existsSync(join(folder, "logs"))) await releaseRun(folder, { keepLogs: false });
    else kept.push(folder);
  }
  kept.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const folder of kept.slice(KEPT_FAILURES)) rmSync(folder, { recursive: true, force: true });
  return stale;
}

/** Writes down who a process is, so that a reader never sees half of it. */
export function writeIdentity(file: string, pid: number): void {
  writeFileSync(`${file}.new`, JSON.stringify(tryIdentity(pid)));
  renameSync(`${file}.new`, file);
}

/** Busy for a moment when a command that looked into it is about to end. */
async function unmount(path: string): Promise<void> {
  const isMounted = (): boolean => readFileSync("/proc/self/mountinfo", "utf8").includes(` ${path} `);
  const look = async (): Promise<Look<true>> => {
    if (!isMounted()) return met(true);
    const { stderr } = await tryCommand(["umount", path]);
    return isMounted() ? notYet(stderr.trim()) : met(true);
  };
  await waitUntil(`the unmounting of ${path}`, look, { deadlineMs: 20_000 });
}

async function waitForEnd(name: string, identity: Identity): Promise<void> {
  const look = () => (isAlive(identity) ? notYet<true>("still there") : met(true as const));
  await waitUntil(`the end of ${name} (pid ${identity.pid})`, look, { deadlineMs: 60_000, everyMs: 10 });
}

function readLedger(folder: string): Resource[] {
  const file = join(folder, "ledger.jsonl");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Resource);
}

function readIdentity(file: string): Identity | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Identity) : null;
}
