// SPDX-License-Identifier: Apache-2.0
import { parentPort, workerData } from "node:worker_threads";
import { runHistory } from "./history.ts";
import { Tally, type TallyCounts } from "./tally.ts";

/** Which seeds a worker runs: `first`, `first + stride`, and so on, `count` of them. */
export interface SoakShare {
  readonly first: number;
  readonly stride: number;
  readonly count: number;
}

/** What a worker tells after each batch: counts since the last time, and what broke. */
export interface SoakNews {
  readonly counts: TallyCounts;
  readonly broken: readonly { readonly seed: number; readonly violations: readonly string[] }[];
}

const BATCH = 50;

async function work(share: SoakShare): Promise<void> {
  for (let done = 0; done < share.count; done += BATCH) {
    const tally = new Tally();
    const broken: { seed: number; violations: readonly string[] }[] = [];
    for (let at = done; at < Math.min(done + BATCH, share.count); at += 1) {
      const seed = share.first + at * share.stride;
      const { violations } = await runHistory(seed, tally);
      if (violations.length > 0) broken.push({ seed, violations });
    }
    const news: SoakNews = { counts: tally.counts, broken };
    parentPort?.postMessage(news);
  }
}

await work(workerData as SoakShare);
