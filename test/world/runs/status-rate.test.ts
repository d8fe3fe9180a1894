// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { PLAIN, type WorldShape } from "../models/shape.ts";
import { advance, intent, UP } from "../scenarios/scenario.ts";
import { Run } from "./history.ts";

/** A status that changes ten times a second, by its generation alone, for twenty seconds. */
async function restless(shape: Partial<WorldShape>): Promise<Run> {
  const run = new Run({ ...PLAIN, ...shape }, null);
  for (const step of [...UP, advance(20_000)]) await run.take(step);
  run.world.api.writtenMs.length = 0;
  for (let count = 0; count < 200; count += 1) for (const step of [intent("trusted"), advance(100)]) await run.take(step);
  return run;
}

test("a status that changes all the time is written to the API three times at once, and then every five seconds", async () => {
  const run = await restless({});
  const { writtenMs } = run.world.api;
  expect(writtenMs.length).toBeGreaterThanOrEqual(3);
  for (const [index, ms] of writtenMs.entries()) {
    const spanMs = ms - (writtenMs[0] ?? 0);
    expect(index + 1).toBeLessThanOrEqual(3 + spanMs / 5_000);
  }
  run.abandon();
});

test("a status that tells that the gate has closed does not wait for its turn, and the newest comes in the end", async () => {
  const run = await restless({});
  const { api } = run.world;
  await run.take(intent("cleared"));
  expect(api.writtenMs.at(-1)).toBe(run.world.time.nowMs);
  expect(api.status?.counts.devicesOffered).toBe(0);
  await run.take(advance(30_000));
  expect(api.status?.observedGeneration).toBe(api.spec.generation);
  run.abandon();
});

test("a file takes every status", async () => {
  const run = await restless({ isStandalone: true });
  expect(run.world.api.writtenMs.length).toBeGreaterThanOrEqual(200);
  run.abandon();
});
