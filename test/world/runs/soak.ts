// SPDX-License-Identifier: Apache-2.0

/**
 * Random histories by the thousand: `node test/world/runs/soak.ts --histories 100000 [--seed N] [--workers 2]`. Prints progress and, at the end,
 * what was counted. With `--depth N`: every history of N steps of a small node instead. Exit code 1 when an invariant broke, or when a kind of
 * step, a place to crash or a fault never came.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { systemClock } from "../../../src/runtime/clock.ts";
import { exhaust, THEATRES } from "./exhaustive.ts";
import { explainFailure } from "./shrink.ts";
import type { SoakNews, SoakShare } from "./soak-worker.ts";
import { Tally } from "./tally.ts";

const PROGRESS_MS = 10_000;
/** After so many broken histories more of them tell nothing new. */
const ENOUGH_BROKEN = 5;

interface Soak {
  readonly histories: number;
  readonly seed: number;
  readonly workers: number;
  /** Null: random histories. */
  readonly depth: number | null;
}

function soakFrom(args: readonly string[]): Soak {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args: [...args], options: { histories: text, seed: text, workers: text, depth: text } });
  const number = (name: keyof typeof values, otherwise: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} ${values[name]}: write a whole number above 0`);
    return value;
  };
  const depth = values.depth === undefined ? null : number("depth", 1);
  return { histories: number("histories", 100_000), seed: number("seed", 1), workers: number("workers", 2), depth };
}

/** Runs the shares side by side; resolves when all have ended, or when enough is broken. */
async function run({ histories, seed, workers }: Soak, onNews: (news: SoakNews) => boolean): Promise<void> {
  const running = Array.from({ length: workers }, (_, at) => {
    const count = Math.floor(histories / workers) + (at < histories % workers ? 1 : 0);
    const share: SoakShare = { first: seed + at, stride: workers, count };
    return new Worker(new URL("./soak-worker.ts", import.meta.url), { workerData: share });
  });
  await Promise.all(
    running.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.on("message", (news: SoakNews) => {
            if (!onNews(news)) void Promise.all(running.map((one) => one.terminate()));
          });
          worker.on("error", reject);
          worker.on("exit", () => resolve());
        }),
    ),
  );
}

/** Every history of so many steps; see exhaustive.ts. */
async function runAll(depth: number): Promise<number> {
  let isAnyBroken = false;
  for (const theatre of THEATRES) {
    const { histories, states, broken } = await exhaust({ ...theatre, depth, isCalmed: false });
    const over = `${histories} histories of ${depth} steps over ${theatre.alphabet.length} letters, ${states.size} different states`;
    console.log(`${theatre.name}: ${over}, ${broken.length} broken`);
    for (const { steps, violations } of broken.slice(0, ENOUGH_BROKEN)) console.log(JSON.stringify({ steps, violations }));
    isAnyBroken ||= broken.length > 0;
  }
  return isAnyBroken ? 1 : 0;
}

async function main(): Promise<number> {
  const soak = soakFrom(process.argv.slice(2));
  if (soak.depth !== null) return await runAll(soak.depth);
  const startedMs = systemClock.nowMs();
  const tally = new Tally();
  const broken: SoakNews["broken"][number][] = [];
  let saidMs = startedMs;
  const say = (): void => {
    const seconds = (systemClock.nowMs() - startedMs) / 1_000;
    const { histories } = tally.counts;
    console.log(`${histories} of ${soak.histories} histories, ${(histories / seconds).toFixed(1)} a second, ${broken.length} broken`);
  };
  await run(soak, (news) => {
    tally.add(news.counts);
    broken.push(...news.broken);
    for (const { seed, violations } of news.broken) console.log(`seed ${seed}: ${violations[0]}`);
    if (systemClock.nowMs() - saidMs > PROGRESS_MS) {
      saidMs = systemClock.nowMs();
      say();
    }
    return broken.length < ENOUGH_BROKEN;
  });
  say();
  for (const line of tally.lines()) console.log(line);
  for (const { seed, violations } of broken) console.log(await explainFailure(seed, violations));
  const missing = tally.missing();
  if (missing.length > 0) console.log(`never happened: ${missing.join(", ")}`);
  return broken.length > 0 || missing.length > 0 ? 1 : 0;
}

process.exitCode = await main();
