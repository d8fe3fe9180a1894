// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";

/** What a finished command left behind. `code` is 128 + signal number when a signal ended it, as a shell says it. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command runs; everything may be left out. */
export interface CommandOptions {
  /** Written to the command's standard input, which is closed then. */
  readonly input?: string;
  /** The command's whole environment; ours when left out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The command is killed after this time; 120,000 ms unless given. */
  readonly timeoutMs?: number;
}

/** Runs a command to its end and returns its exit code, whatever it is.
 *  @throws when the command cannot be started or runs into its time limit. */
export function tryCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file, ...args] = argv;
  if (file === undefined) throw new Error("an empty command");
  const timeoutMs = options.timeoutMs ?? 120_000;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: "pipe", cwd: options.cwd, env: options.env });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
      // A grandchild may hold the pipes: without this, `close` would wait for it.
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new Error(`could not start ${file}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString();
      if (isLate) reject(new Error(`${argv.join(" ")}: not finished after ${timeoutMs / 1000} s\n${stderr}`));
      else resolve({ code: code ?? exitCodeOf(signal), stdout: Buffer.concat(out).toString(), stderr });
    });
    // A command that does not read its input closes the pipe early: its exit code says what matters.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a command to its end.
 *  @throws as `tryCommand` does, and when the exit code is not 0: the message has the command and what it printed. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await tryCommand(argv, options);
  if (result.code === 0) return result;
  throw new Error(`${argv.join(" ")}: exit code ${result.code}\n${result.stderr}${result.stdout}`.trimEnd());
}

function exitCodeOf(signal: NodeJS.Signals | null): number {
  return signal === "SIGKILL" ? 137 : signal === "SIGTERM" ? 143 : 128;
}
