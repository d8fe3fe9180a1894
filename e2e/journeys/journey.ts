// SPDX-License-Identifier: Apache-2.0

/** A person at a terminal: runs the built program, in a folder of its own, and waits for what can be seen. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../src/domain/status.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(ROOT, "bin", "trusted-iommu");
/** Generous: the machine may be busy. What is waited for is a condition, never the time. */
const DEADLINE_MS = 40_000;
const LOOK_EVERY_MS = 20;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningAgent {
  readonly process: ChildProcess;
  stderr(): string;
  /** Resolves when the process is gone; null = killed by a signal. */
  ended(): Promise<number | null>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

export interface Journey {
  readonly folder: string;
  readonly simulator: string;
  /** Runs a command to its end. */
  run(...args: readonly string[]): Promise<Ended>;
  /** Runs a `simulate` sub-command on this journey's host; fails unless it succeeds. */
  simulate(...args: readonly string[]): Promise<string>;
  manifest(spec: string): void;
  /** Starts an agent on this journey's host and manifest. */
  agent(...args: readonly string[]): RunningAgent;
  /** The same through a shell: `script` starts it as "$@", with what the shell does before and around it. Its outputs are the script's. */
  agentIn(script: string, ...args: readonly string[]): RunningAgent;
  status(): NodeStatus | null;
  /** Resolves to the first status for which `holds` is true. */
  until(what: string, holds: (status: NodeStatus) => boolean): Promise<NodeStatus>;
  /** Kills what still runs and removes the folder. */
  end(): Promise<void>;
}

export function startJourney(): Journey {
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-journey-"));
  const simulator = join(folder, "sim");
  const statusFile = join(folder, "status.json");
  const manifestFile = join(folder, "node.yaml");
  const agents: RunningAgent[] = [];

  const status = (): NodeStatus | null => {
    try {
      return (JSON.parse(readFileSync(statusFile, "utf8")) as { status: NodeStatus }).status;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw thrown;
    }
  };
  const words = ["agent", "--simulator", simulator, "--manifest", manifestFile, "--status", statusFile];
  const begin = (command: string, args: readonly string[]): RunningAgent => {
    const started = startAgent(command, args);
    agents.push(started);
    return started;
  };
  const run = (...args: readonly string[]): Promise<Ended> => runProgram(args);

  return {
    folder,
    simulator,
    run,
    async simulate(command, ...args) {
      const ended = await run("simulate", command ?? "", "--root", simulator, ...args);
      if (ended.code !== 0) throw new Error(`simulate ${command} ended with ${ended.code}: ${ended.stderr}`);
      return ended.stdout;
    },
    manifest: (spec) => writeFileSync(manifestFile, `apiVersion: teeio.dev/v1alpha1\nkind: TrustedIommu\nmetadata: {name: n1}\nspec:\n${spec}`),
    agent: (...args) => begin(PROGRAM, [...words, ...args]),
    agentIn: (script, ...args) => begin("/bin/sh", ["-c", script, "sh", PROGRAM, ...words, ...args]),
    status,
    async until(what, holds) {
      const deadline = performance.now() + DEADLINE_MS;
      for (;;) {
        const now = status();
        if (now !== null && holds(now)) return now;
        if (performance.now() > deadline)
          throw new Error(`not seen: ${what}\n${JSON.stringify(now, null, 1)}\n${agents.map((agent) => agent.stderr()).join("\n")}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    },
    async end() {
      for (const agent of agents) await agent.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function runProgram(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, ...output }));
  });
}

function startAgent(command: string, args: readonly string[]): RunningAgent {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const gone = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  return {
    process: child,
    stderr: () => stderr,
    ended: () => gone,
    kill(signal) {
      child.kill(signal);
      return gone;
    },
  };
}

/** Every unit of the host and every function, to be trusted. */
export const TRUST_ALL = `  state: Trusted
  units: {all: true}
  resources:
    - name: teeio.dev/device
      match: {functions: [Physical, Virtual]}
`;

export const CLEAR_ALL = TRUST_ALL.replace("state: Trusted", "state: Cleared");
