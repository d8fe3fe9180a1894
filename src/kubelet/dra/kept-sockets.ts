// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { backoffDelayMs, type Random } from "../../runtime/backoff.ts";
import { AppError, messageOf } from "../../runtime/errors.ts";
import { makeFolder } from "../../runtime/folder.ts";
import type { Jobs, LoopJob, RunAgain } from "../../runtime/jobs.ts";
import type { Log } from "../../runtime/log.ts";
import { createDirectoryWatch, type DirectoryWatch } from "../registration/directory-watch.ts";
import type { PlacedSocket } from "./placed-socket.ts";

export interface KeptSocketsOptions {
  /** Kubelet dials it when the other one comes: it is there first. Its folder is ours. */
  readonly plugin: PlacedSocket;
  /** In kubelet's own folder. */
  readonly registration: PlacedSocket;
  readonly jobs: Jobs;
  readonly log: Log;
  readonly random: Random;
  /** Bounds what the watch of the folders misses. */
  readonly pollMs: number;
  /** The registration socket is not there. */
  readonly onGone: () => void;
  /** `problem` has changed. */
  readonly onChange: () => void;
}

/** Between two looks: somebody else who wants the name, too, is not to make a fight of it. */
const MIN_INTERVAL_MS = 250;
const BACKOFF = { minMs: 25, maxMs: 5000, jitter: 0.5 };
/** Closing takes up to 4 s, binding 5 s, for each of the two; doubled. */
const BOUND_MS = 36_000;
/** As kubelet makes a plugin's folder (k8s.io/dynamic-resource-allocation kubeletplugin: 0750). */
const FOLDER_MODE = 0o750;

/** Both sockets, made anew at the start and whenever one was removed or replaced. */
export class KeptSockets {
  readonly #options: KeptSocketsOptions;
  readonly #watches: readonly DirectoryWatch[];
  readonly #job: LoopJob;
  #failures = 0;
  #problem = "";

  constructor(options: KeptSocketsOptions) {
    this.#options = options;
    const { jobs, log, pollMs, plugin, registration } = options;
    const loop = { minIntervalMs: MIN_INTERVAL_MS, everyMs: null, backoff: BACKOFF, boundMs: BOUND_MS, startAwake: true };
    this.#job = jobs.loop("kubelet-dra", loop, () => this.#step());
    this.#watches = [plugin, registration].map((socket) => createDirectoryWatch({ dir: dirname(socket.path), jobs, log, pollMs }));
    for (const watch of this.#watches) watch.onChange(() => this.#look());
  }

  /** Why one of them is not there, empty when both are. */
  get problem(): string {
    return this.#problem;
  }

  async close(): Promise<void> {
    const { plugin, registration } = this.#options;
    await Promise.all(this.#watches.map((watch) => watch.close()));
    await this.#job.stop();
    // Kubelet gives the plugin up before it finds it dead.
    for (const socket of [registration, plugin]) {
      if (!(await socket.close())) this.#options.log.error({ socket: socket.path }, "calls of an ended plugin stay open");
    }
    this.#options.onGone();
  }

  #look(): void {
    const { plugin, registration, onGone } = this.#options;
    if (!registration.isInPlace) onGone();
    // After a failure the loop comes back by itself.
    if (this.#failures === 0 && !(plugin.isInPlace && registration.isInPlace)) this.#job.wake();
  }

  async #step(): Promise<RunAgain | undefined> {
    const { plugin, registration, log, random } = this.#options;
    try {
      checkFolder(dirname(registration.path));
      await makeFolder(dirname(plugin.path), FOLDER_MODE);
      for (const socket of [plugin, registration]) {
        if (socket.isInPlace) continue;
        await socket.place();
        log.info({ socket: socket.path }, "serves a socket for DRA");
      }
      this.#failures = 0;
      this.#report("");
      return undefined;
    } catch (thrown) {
      this.#failures += 1;
      if (this.#problem !== messageOf(thrown)) log.warn({ err: thrown }, "the sockets for DRA are not there");
      this.#report(messageOf(thrown));
      return { afterMs: backoffDelayMs(BACKOFF, this.#failures, random) };
    }
  }

  #report(problem: string): void {
    if (this.#problem === problem) return;
    this.#problem = problem;
    this.#options.onChange();
  }
}

/** Kubelet makes it at its start; made by us, it would hide that there is none. @throws KUBELET_ABSENT */
function checkFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new AppError("KUBELET_ABSENT", `kubelet's folder for plugins is not there: ${path}`);
}
