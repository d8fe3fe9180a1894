// SPDX-License-Identifier: Apache-2.0
// A small process beside a run: it holds the read end of a pipe whose other end only the run holds. When the run dies, in
// whatever way, the pipe ends and the guardian gives back what the run left. `node guardian.ts RUN_FOLDER`
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RunFolder, releaseRun, writeIdentity } from "./run-folder.ts";

const DISMISS = "dismiss\n";

/** A run's guardian, as the run sees it. */
export interface Guardian {
  /** Tells the guardian that nothing is left to give back, and waits until it is gone. */
  dismiss(): Promise<void>;
}

/** Starts the guardian of a run, in a session of its own so that Ctrl-C does not reach it. */
export function startGuardian(run: RunFolder): Guardian {
  const log = openSync(join(run.logs, "guardian.log"), "a");
  const argv = [fileURLToPath(import.meta.url), run.folder];
  const child = spawn(process.execPath, argv, { detached: true, env: {}, stdio: ["pipe", log, log] });
  closeSync(log);
  if (child.pid === undefined || child.stdin === null) throw new Error("could not start the run's guardian");
  writeIdentity(join(run.folder, "guardian.json"), child.pid);
  child.unref();
  const pipe = child.stdin;
  if ("unref" in pipe && typeof pipe.unref === "function") pipe.unref();
  const gone = once(child, "exit");
  return {
    dismiss: async () => {
      child.ref();
      pipe.end(DISMISS);
      await gone;
    },
  };
}

async function guard(folder: string): Promise<void> {
  let said = "";
  for await (const chunk of process.stdin) said += String(chunk);
  if (said !== DISMISS) await releaseRun(folder, { keepLogs: true });
}

if (import.meta.main) await guard(process.argv[2] ?? "");
