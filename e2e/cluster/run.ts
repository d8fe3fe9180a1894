// SPDX-License-Identifier: Apache-2.0
// One run, from its folder to its end: whatever it is, it leaves nothing behind.
import type { Environment } from "./environment.ts";
import { startGuardian } from "./guardian.ts";
import type { Progress } from "./progress.ts";
import { openRunFolder, type RunFolder, releaseRun, releaseStaleRuns } from "./run-folder.ts";

/** Ends everything, last started first, and removes every trace; after a failure the logs stay, and their place is printed. Safe to repeat. */
export type StopRun = (outcome?: { readonly failed: boolean }) => Promise<void>;

export interface RunSpec {
  readonly environment: Environment;
  readonly progress: Progress;
}

/** Starts what `assemble` starts. What an earlier, killed run left is removed first.
 *  Ctrl-C and SIGTERM end it in order; when this process is killed outright, its guardian does. */
export async function startRun<T>(spec: RunSpec, assemble: (run: RunFolder, stop: StopRun) => Promise<T>): Promise<T> {
  const { runsFolder } = spec.environment;
  for (const id of await releaseStaleRuns(runsFolder)) spec.progress(`removed what run ${id} had left`);
  const run = await openRunFolder(runsFolder);
  const stop = prepareStop(run, spec);
  try {
    return await assemble(run, stop);
  } catch (error) {
    await stop({ failed: true });
    throw error;
  }
}

function prepareStop(run: RunFolder, spec: RunSpec): StopRun {
  const guardian = startGuardian(run);
  let stopping: Promise<void> | null = null;
  const stop: StopRun = (outcome = { failed: false }) => {
    stopping ??= (async () => {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      const keepLogs = outcome.failed || spec.environment.keepLogs;
      await releaseRun(run.folder, { keepLogs });
      await guardian.dismiss();
      spec.progress(keepLogs ? `all gone; logs are in ${run.logs}` : "all gone");
    })();
    return stopping;
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    spec.progress(`${signal}: stopping; logs stay in ${run.logs}`);
    // The signal is sent again once nothing of ours is left, and then has its usual effect.
    void stop({ failed: true }).finally(() => process.kill(process.pid, signal));
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  return stop;
}
