// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { LoadsPort } from "../../../src/seamcall/port.ts";
import { PLAIN } from "../models/shape.ts";
import { advance, start, step, UP } from "../scenarios/scenario.ts";
import { Run } from "./history.ts";

/** A driver that has watched these loads, and what each process told it. */
class Loads implements LoadsPort {
  now: ReadonlySet<string> = new Set();
  readonly told: (readonly string[])[] = [];

  believe(loads: ReadonlySet<string>): void {
    this.told.push([...loads]);
  }

  watched(): ReadonlySet<string> {
    return this.now;
  }
}

test("what the driver has watched is told to the driver of the next process, and what is over is not", async () => {
  const run = new Run(PLAIN, null);
  const loads = new Loads();
  run.world.loads = loads;
  for (const one of UP) await run.take(one);
  loads.now = new Set(["5/6/10"]);
  for (const one of [advance(15_000), step("crashAgent"), start, advance(15_000)]) await run.take(one);
  loads.now = new Set();
  for (const one of [advance(15_000), step("crashAgent"), start, advance(5_000)]) await run.take(one);
  expect(loads.told).toEqual([[], ["5/6/10"], []]);
  run.abandon();
});
