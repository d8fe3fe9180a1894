// SPDX-License-Identifier: Apache-2.0
import type { DeviceHealth, DraHandlers, DraPluginPort, DraPublication } from "../../../src/kubelet/dra/port.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { WorldTime } from "./world-time.ts";

/** Kubelet's watcher of registration sockets looks once a second. */
const FOUND_AFTER_MS = 1_000;
/** A call is over so long after it began; what its handlers then say within the grace is still answered. */
const CALL_MS = 40_000;
const GRACE_MS = 2_000;
/** How long it waits for answers when it is closed. */
const CLOSE_MS = 3_000;
/** What it was told of a device's health counts for so long. */
const HEALTH_STALE_MS = 30_000;

/** Kubelet, as a DRA plugin sees it. */
export interface DraKubeletSide {
  readonly isRunning: boolean;
  /** Why it is refused; null when the driver is this plugin's now. */
  register(plugin: DraPluginModel): string | null;
  /** Its sockets are gone. */
  pluginGone(plugin: DraPluginModel): void;
}

export interface DraPluginParts {
  readonly process: number;
  readonly time: WorldTime;
  readonly turnstile: Turnstile;
  readonly kubelet: DraKubeletSide;
  readonly handlers: DraHandlers;
}

/** The DRA plugin of one agent process, as its contract reads, towards the kubelet model. */
export class DraPluginModel implements DraPluginPort {
  readonly process: number;
  readonly handlers: DraHandlers;
  readonly #parts: DraPluginParts;
  readonly #listeners = new Set<() => void>();
  readonly #inCalls: string[] = [];
  readonly #calls = new Set<AbortController>();
  /** The newest work on each claim. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #allEnded: (() => void) | null = null;
  #isServing = false;
  #isClosed = false;
  #isRegistered = false;
  #isLooked = false;
  #problem = "";
  #health: readonly DeviceHealth[] = [];
  #goneMs: number | null = null;

  constructor(parts: DraPluginParts) {
    this.#parts = parts;
    this.process = parts.process;
    this.handlers = parts.handlers;
  }

  serve(): void {
    if (this.#isServing || this.#isClosed) return;
    this.#isServing = true;
    this.lookedFor();
  }

  publication(): DraPublication {
    return { registered: this.#isRegistered, inCalls: [...new Set(this.#inCalls)].sort(), problem: this.#problem };
  }

  health(devices: readonly DeviceHealth[]): void {
    this.#health = devices;
  }

  /** As the pods' status shows it: the real plugin sends it again every 10 s for as long as it lives. */
  get shownHealth(): readonly DeviceHealth[] {
    const isStale = this.#goneMs !== null && this.#parts.time.nowMs - this.#goneMs >= HEALTH_STALE_MS;
    return isStale ? this.#health.map((one) => ({ ...one, health: "Unknown" as const })) : this.#health;
  }

  /** Its process has ended. */
  gone(): void {
    this.#goneMs ??= this.#parts.time.nowMs;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const call of this.#calls) call.abort();
    if (this.#calls.size > 0) await this.#ends();
    await this.#parts.turnstile.pass(this.process, "dra.close", () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      const wasServing = this.#isServing;
      this.#isServing = false;
      this.#isRegistered = false;
      this.gone();
      if (wasServing) this.#parts.kubelet.pluginGone(this);
      this.#tell();
    });
  }

  /** Kubelet finds its registration socket: a new one, or at kubelet's start. */
  lookedFor(): void {
    if (!this.#isServing || this.#isLooked) return;
    this.#isLooked = true;
    this.#parts.time.after(this.process, FOUND_AFTER_MS, () => {
      this.#isLooked = false;
      if (!this.#isServing || !this.#parts.kubelet.isRunning) return;
      const refusal = this.#parts.kubelet.register(this);
      this.#problem = refusal ?? "";
      this.#isRegistered = refusal === null;
      if (refusal !== null) this.lookedFor();
      this.#tell();
    });
  }

  /** A call of kubelet's. It is over after 40 s, when its caller is gone, or when the plugin is closed. */
  begin(): AbortController {
    const call = new AbortController();
    this.#calls.add(call);
    this.#parts.time.after(this.process, CALL_MS, () => call.abort());
    return call;
  }

  finished(call: AbortController): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#allEnded?.();
  }

  /** One claim of a call; never two at once for one claim. `done`: nothing works on it any more, whatever was answered. */
  work<T>(uid: string, signal: AbortSignal, ask: () => Promise<T>): { readonly answer: Promise<T | string>; readonly done: Promise<unknown> } {
    this.#inCalls.push(uid);
    this.#tell();
    const before = this.#turns.get(uid) ?? Promise.resolve();
    const done = before.then(async (): Promise<T | string> => (signal.aborted ? "its turn came after the end of the call" : await ask()));
    this.#turns.set(uid, done);
    const late = new Promise<string>((resolve) => {
      const wait = (): void => void this.#parts.time.after(this.process, GRACE_MS, () => resolve("not answered in time"));
      signal.addEventListener("abort", wait);
    });
    return { answer: Promise.race([done, late]), done };
  }

  ended(uid: string): void {
    this.#inCalls.splice(this.#inCalls.indexOf(uid), 1);
    this.#tell();
  }

  /** No call is being answered any more, or that took too long. */
  #ends(): Promise<void> {
    return new Promise((resolve) => {
      this.#allEnded = resolve;
      this.#parts.time.after(this.process, CLOSE_MS, resolve);
    });
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
