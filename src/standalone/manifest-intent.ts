// SPDX-License-Identifier: Apache-2.0
import { type InForce, inForceAfter } from "../api/cleared.ts";
import { parseManifest } from "../api/parse.ts";
import type { IntentPort, IntentView } from "../cluster/port.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { faultOf } from "../runtime/errors.ts";
import type { Log } from "../runtime/log.ts";
import { createManifestFiles, type ManifestFiles } from "./manifest-files.ts";

export interface ManifestIntentOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The real file system when not given. */
  readonly files?: ManifestFiles;
}

export interface ManifestIntent extends IntentPort {
  /** metadata.name of the last good manifest; empty before there was one. */
  nodeName(): string;
  /** Reads the manifest once, then whenever it changes. Never rejects: what is wrong with it is in the view. Ends soon after `signal`. */
  start(signal: AbortSignal): Promise<void>;
  stop(): void;
}

/** What a lost notice costs. */
const POLL_MS = 5000;
/** An editor writes in several steps; the file is read when they are over. */
const CALM_MS = 50;

/**
 * The intent from a YAML file. A manifest that is broken, unreadable or gone leaves the last good one in force and says so in `problem`: a slip of
 * the editor must not withdraw a node's devices. One that says Cleared is heard all the same (api/cleared.ts). `generation` counts the good versions since the start.
 */
export function createManifestIntent(options: ManifestIntentOptions): ManifestIntent {
  const { path, clock, log, files = createManifestFiles(clock) } = options;
  const listeners = new Set<() => void>();
  let view: IntentView | null = null;
  let name = "";
  let lastText: string | null = null;
  let timer: Timer | null = null;
  let stopWatch: (() => void) | null = null;
  const stopped = new AbortController();

  const show = (next: IntentView): void => {
    if (JSON.stringify(view) === JSON.stringify(next)) return;
    view = next;
    if (next.problem !== "") log.warn({ path, problem: next.problem }, "manifest refused");
    for (const listener of listeners) listener();
  };
  const refuse = (inForce: InForce): void => show({ ...inForce, generation: view?.generation ?? 0 });

  const accept = (text: string): void => {
    if (text === lastText) return;
    lastText = text;
    const verdict = parseManifest(text);
    if (!verdict.ok) {
      refuse(inForceAfter(view?.intent ?? null, verdict));
      return;
    }
    name = verdict.value.name;
    show({ intent: verdict.value.intent, generation: (view?.generation ?? 0) + 1, problem: "" });
  };

  const read = async (signal: AbortSignal): Promise<void> => {
    const text = await files.read(path, signal).catch((thrown: unknown) => {
      lastText = null;
      refuse({ intent: view?.intent ?? null, problem: `cannot read ${path}: ${faultOf(thrown)}` });
      return null;
    });
    if (text !== null) accept(text);
  };

  /** Reads after `delayMs`, then polls. One timer: a notice takes the place of the next poll, also when it comes while the file is read. */
  const readIn = (delayMs: number): void => {
    timer?.stop();
    if (stopped.signal.aborted) return;
    const mine = clock.after(delayMs, () => {
      read(stopped.signal)
        .catch((thrown: unknown) => log.error({ err: thrown }, "manifest reader broke"))
        .finally(() => timer === mine && readIn(POLL_MS));
    });
    timer = mine;
  };

  const watchFile = (): (() => void) | null => {
    try {
      return files.watch(path, () => readIn(CALM_MS));
    } catch (thrown) {
      log.warn({ path, err: thrown }, "manifest cannot be watched; it is polled");
      return null;
    }
  };

  return {
    current: () => view,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    nodeName: () => name,
    async start(signal) {
      await read(signal);
      stopWatch = watchFile();
      readIn(POLL_MS);
    },
    stop() {
      stopped.abort();
      timer?.stop();
      stopWatch?.();
    },
  };
}
