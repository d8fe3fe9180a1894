// SPDX-License-Identifier: Apache-2.0
import { DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import type { DraApi } from "./dra-api.ts";
import { WORLD } from "./world-time.ts";

const AFTER_START_MS = 350;
const AFTER_PLUGIN_MS = 30_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 300_000;

/** Kubelet deletes slices of its node: all at its start, ours 30 s after the plugin is gone. Late, when the API server was away, and whoever is back. */
export class SliceWiper {
  readonly #api: DraApi;
  #incarnation = 0;
  /** When it did. */
  readonly wipedMs: number[] = [];

  constructor(api: DraApi) {
    this.#api = api;
  }

  kill(): void {
    this.#incarnation += 1;
  }

  start(): void {
    this.#incarnation += 1;
    this.#in(AFTER_START_MS, null, FIRST_RETRY_MS);
  }

  pluginGone(): void {
    this.#in(AFTER_PLUGIN_MS, DRA_DRIVER, FIRST_RETRY_MS);
  }

  #in(ms: number, driver: string | null, retryMs: number): void {
    const incarnation = this.#incarnation;
    this.#api.time.after(WORLD, ms, () => {
      if (this.#incarnation !== incarnation) return;
      if (this.#api.wipe(driver)) this.wipedMs.push(this.#api.time.nowMs);
      else this.#in(retryMs, driver, Math.min(LAST_RETRY_MS, 2 * retryMs));
    });
  }
}
