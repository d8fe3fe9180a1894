// SPDX-License-Identifier: Apache-2.0

/**
 * Writes `tsm/*` of sysfs from a helper process (native/link-writer). A write that waits in the kernel cannot be killed, and keeps what its process
 * has open: the lock of the node, the device node, listening sockets. The helper has none of them.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LinkWriteEnd } from "../domain/links/error.ts";
import { messageOf } from "../runtime/errors.ts";
import type { LinkPort, LinkWrite } from "./port.ts";

/** Beside a shipped bundle; else where `make` leaves it. */
const CANDIDATES = ["./link-writer", "../../native/build/release/link-writer", "../native/build/release/link-writer"];

/** @param root where `sys` is found: `/`, or the mounted host */
export function sysfsLinks(root: string, helper: string | null = null): LinkPort {
  const program = helper ?? CANDIDATES.map((at) => fileURLToPath(new URL(at, import.meta.url))).find((at) => existsSync(at)) ?? null;
  return {
    write(write, signal) {
      if (program === null) return Promise.resolve({ kind: "Unanswered", why: "the helper link-writer is not built: run `make` in native/" });
      return run(program, argumentsOf(root, write), signal);
    },
  };
}

function argumentsOf(root: string, { kind, owner, tsm, isWanted }: LinkWrite): readonly string[] {
  const attribute = kind === "Connect" ? "connect" : "disconnect";
  return [join(root, "sys/bus/pci/devices", owner), attribute, tsm, isWanted ? "awake" : "asleep", String(process.pid)];
}

/** What the helper writes is one line of a few words; more is not read. */
const MOST_ANSWER = 256;

function run(program: string, args: readonly string[], signal: AbortSignal): Promise<LinkWriteEnd> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve({ kind: "Unanswered", why: "the agent is stopping" });
      return;
    }
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], env: {}, cwd: "/" });
    let answer = "";
    const end = (value: LinkWriteEnd): void => {
      signal.removeEventListener("abort", abort);
      resolve(value);
    };
    // One that waits in the kernel does not end by it, and nobody waits for it any more.
    const abort = (): void => {
      child.kill("SIGKILL");
      child.unref();
      child.stdout.destroy();
      end({ kind: "Unanswered", why: "the agent is stopping" });
    };
    signal.addEventListener("abort", abort);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (answer.length < MOST_ANSWER) answer += text;
    });
    child.on("error", (thrown) => end({ kind: "Unanswered", why: `the helper link-writer cannot be started: ${messageOf(thrown)}` }));
    child.on("close", (code, by) => end(endOf(answer, code === null ? `signal ${by ?? "unknown"}` : `exit code ${code}`)));
  });
}

/** `ok`, or `open ERRNO`, or `write ERRNO`. */
function endOf(answer: string, how: string): LinkWriteEnd {
  const [word = "", errno = ""] = answer.trim().split(" ");
  if (word === "ok") return { kind: "Written" };
  if ((word === "open" || word === "write") && /^E[A-Z0-9]+$/.test(errno)) return { kind: "Refused", at: word, errno };
  return { kind: "Unanswered", why: `the helper link-writer ended without an answer (${how})` };
}
