// SPDX-License-Identifier: Apache-2.0
// A machine within the machine: a network, mount and PID namespace. Its first process is a shell that only waits and reaps.
// When that one is killed, the kernel ends every process in it; mounts and links go with the last of them. So cleaning up
// needs no list of what ran inside.
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, type CommandResult, runCommand, tryCommand } from "./command.ts";
import { childrenOf, killIdentity, tryIdentity } from "./identity.ts";
import { type Program, startProgram, tailOf } from "./program.ts";
import type { RunFolder } from "./run-folder.ts";
import { type Look, met, notYet, waitUntil } from "./waiting.ts";

/** How a namespace is made. */
export interface NamespaceSpec {
  readonly name: string;
  /** Shell lines run inside before anything else: mounts. */
  readonly setup: readonly string[];
  /** Environment of everything that runs inside, unless a command says otherwise. */
  readonly env: Readonly<Record<string, string>>;
}

/** An open namespace. */
export interface Namespace {
  readonly name: string;
  /** Number of its first process, as the host counts: the name by which tools enter it. */
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command inside. @throws when it exits with another code than 0 */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a command inside and returns its exit code, whatever it is. */
  tryRun(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a host command in this network only (for `ip`, which names other namespaces by the host's process numbers). */
  runInNetwork(argv: readonly string[]): Promise<CommandResult>;
  /** Starts a long-running program inside, logging to `logs/NAME.log`. */
  start(name: string, argv: readonly string[]): Program;
  /** Ends everything inside at once. */
  kill(): void;
}

/** Makes a namespace and waits until its set-up is done. Recorded in the run's ledger. */
export async function openNamespace(run: RunFolder, spec: NamespaceSpec): Promise<Namespace> {
  const folder = run.makeFolder(spec.name);
  const ready = join(folder, "namespace-ready");
  const script = join(folder, "namespace.sh");
  const logFile = join(run.logs, `${spec.name}-namespace.log`);
  writeFileSync(script, renderScript(spec.setup, ready));
  const log = openSync(logFile, "a");
  const unshare = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
  const holder = spawn("unshare", [...unshare, "sh", script], { detached: true, env: spec.env, stdio: ["ignore", log, log] });
  closeSync(log);
  holder.unref();
  const holderPid = recordProcess(run, `${spec.name}'s holder`, holder.pid);
  const look = (): Look<number> => {
    if (tryIdentity(holderPid) === null) throw new Error(`${spec.name}: no namespace:\n${tailOf(logFile)}`);
    const [first] = childrenOf(holderPid);
    return first !== undefined && existsSync(ready) ? met(first) : notYet("set-up not finished");
  };
  const pid = await waitUntil(`${spec.name}'s namespace`, look, { deadlineMs: 20_000, everyMs: 10 });
  recordProcess(run, `${spec.name}'s first process`, pid);
  return enter(run, spec, pid);
}

function renderScript(setup: readonly string[], ready: string): string {
  // The shell waits on a child: so it also reaps whatever is left to it as the first process of the namespace.
  return ["set -eu", "mount --make-rshared /", "ip link set lo up", ...setup, `touch '${ready}'`, "sleep infinity & wait", ""].join("\n");
}

function recordProcess(run: RunFolder, name: string, pid: number | undefined): number {
  const identity = pid === undefined ? null : tryIdentity(pid);
  if (identity === null) throw new Error(`${name} could not be started`);
  run.record({ kind: "process", name, ...identity });
  return identity.pid;
}

function enter(run: RunFolder, spec: NamespaceSpec, pid: number): Namespace {
  const inside = (argv: readonly string[]) => ["nsenter", "-t", String(pid), "-m", "-n", "-p", "--", ...argv];
  const withEnv = (options: CommandOptions = {}): CommandOptions => ({ ...options, env: { ...spec.env, ...options.env } });
  return {
    name: spec.name,
    pid,
    env: spec.env,
    run: (argv, options) => runCommand(inside(argv), withEnv(options)),
    tryRun: (argv, options) => tryCommand(inside(argv), withEnv(options)),
    runInNetwork: (argv) => runCommand(["nsenter", "-t", String(pid), "-n", "--", ...argv], { env: spec.env }),
    start: (name, argv) => startProgram({ name, argv: inside(argv), env: spec.env, logFile: join(run.logs, `${name}.log`) }),
    kill: () => {
      const identity = tryIdentity(pid);
      if (identity !== null) killIdentity(identity);
    },
  };
}
