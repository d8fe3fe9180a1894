// SPDX-License-Identifier: Apache-2.0
import type { DeviceHealth, DraHandlers, DraPluginPort, DraPublication } from "../../../src/kubelet/dra/port.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { WorldTime } from "./world-time.ts";

/** Kubelet's watcher of registration sockets looks once a second. */
const FOUND_AFTER_MS = 1_000;
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
    return { registered: this.#isRegistered, inCalls: [...this.#inCalls], problem: this.#problem };
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

  close(): Promise<void> {
    return this.#parts.turnstile.pass(this.process, "dra.close", () => {
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

  called(uid: string): void {
    this.#inCalls.push(uid);
    this.#tell();
  }

  ended(uid: string): void {
    this.#inCalls.splice(this.#inCalls.indexOf(uid), 1);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
