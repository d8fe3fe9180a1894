// SPDX-License-Identifier: Apache-2.0

/**
 * Runs a helper program of ours (native/writers) that writes to sysfs. A write that waits in the kernel cannot be killed, and keeps what its process has
 * open: the lock of the node, the device node, listening sockets. The helper has none of them, and ends with this process as long as it can.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { messageOf } from "./errors.ts";

/** What the helper wrote, in words: the first is `ok` or what failed, the second an errno. Or why there is none. */
export type HelperAnswer = { readonly kind: "Answered"; readonly words: readonly string[] } | { readonly kind: "Unanswered"; readonly why: string };

export interface HelperRun {
  /** File name of the program. */
  readonly name: string;
  /** Without the last argument, the pid of this process. */
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** Where the program is, when it is not where it is built or shipped. */
  readonly program?: string | null;
  readonly onStart?: (pid: number) => void;
}

/** Beside a shipped bundle; else where `make` leaves it. */
const FOLDERS = [".", "../../native/build/release", "../native/build/release"];

/** What the helper writes is one line of a few words; more is not read. */
const MOST_ANSWER = 256;

/** Resolves when the helper has ended, or at once when `signal` is aborted: what has begun in the kernel goes on. Never rejects. */
export function runHelper({ name, args, signal, program, onStart }: HelperRun): Promise<HelperAnswer> {
  const path = program ?? FOLDERS.map((folder) => fileURLToPath(new URL(`${folder}/${name}`, import.meta.url))).find((at) => existsSync(at));
  if (path === undefined) return Promise.resolve({ kind: "Unanswered", why: `the helper ${name} is not built: run \`make\` in native/` });
  if (signal.aborted) return Promise.resolve({ kind: "Unanswered", why: "the agent is stopping" });
  return new Promise((resolve) => {
    const child = spawn(path, [...args, String(process.pid)], { stdio: ["ignore", "pipe", "ignore"], env: {}, cwd: "/" });
    let text = "";
    const end = (answer: HelperAnswer): void => {
      signal.removeEventListener("abort", abort);
      resolve(answer);
    };
    // One that waits in the kernel does not end by it, and nobody waits for it any more.
    const abort = (): void => {
      child.kill("SIGKILL");
      child.unref();
      child.stdout.destroy();
      end({ kind: "Unanswered", why: "the agent is stopping" });
    };
    signal.addEventListener("abort", abort);
    if (child.pid !== undefined) onStart?.(child.pid);
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      if (text.length < MOST_ANSWER) text += more;
    });
    child.on("error", (thrown) => end({ kind: "Unanswered", why: `the helper ${name} cannot be started: ${messageOf(thrown)}` }));
    child.on("close", (code, by) => {
      const how = code === null ? `signal ${by ?? "unknown"}` : `exit code ${code}`;
      const none = { kind: "Unanswered" as const, why: `the helper ${name} ended without an answer (${how})` };
      end(text.trim() === "" ? none : { kind: "Answered", words: text.trim().split(" ") });
    });
  });
}

/** An errno as the helper writes it: `ENODEV`; null for anything else. */
export function errnoIn(words: readonly string[]): string | null {
  const errno = words[1] ?? "";
  return /^E[A-Z0-9]+$/.test(errno) ? errno : null;
}
