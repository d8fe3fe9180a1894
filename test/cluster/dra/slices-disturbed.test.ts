// SPDX-License-Identifier: Apache-2.0

/** Whatever others, the watch and the API server do meanwhile: when they have had enough, the slices are those that were published last. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSlices } from "../../../src/cluster/dra/slices.ts";
import { createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { planSlices } from "../../../src/domain/dra/slices.ts";
import { createJobs } from "../../../src/runtime/jobs.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { plainAccess } from "../plain-access.ts";
import { pool } from "./pools.ts";
import { createSliceServer, type SliceServer } from "./slice-server.ts";

const CHOICES = [
  [],
  [pool("16", ["0000:17:00.0"])],
  [pool("16", ["0000:17:00.0", "0000:17:00.1"]), pool("29", ["0000:2a:00.0"])],
  [pool("29", ["0000:2a:00.0"], { streams: 2 })],
  [pool("16", ["0000:17:00.0"], { streams: 4 }), pool("29", ["0000:2a:00.0", "0000:2b:00.0"], { streams: 3 })],
];

type Step =
  | { readonly kind: "Publish"; readonly choice: number }
  | { readonly kind: "Wipe" | "Change" | "Remove" | "Hold" | "Release" | "Expire" | "Wait" | "Lose" | "Overtake" }
  | { readonly kind: "Refuse"; readonly status: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("Publish" as const), choice: fc.nat(CHOICES.length - 1) }),
  fc.record({ kind: fc.constant("Refuse" as const), status: fc.constantFrom(403, 409, 500) }),
  fc.record({ kind: fc.constantFrom("Wipe", "Change", "Remove", "Hold", "Release", "Expire", "Wait", "Lose", "Overtake") }),
);

function disturb(server: SliceServer, step: Step): void {
  const [first] = server.slices();
  const change = (): void => {
    if (first) server.put(first.metadata.name, { ...first.spec, devices: [] });
  };
  if (step.kind === "Wipe") for (const { metadata } of server.slices()) server.remove(metadata.name);
  else if (step.kind === "Remove" && first) server.remove(first.metadata.name);
  else if (step.kind === "Change") change();
  else if (step.kind === "Hold") server.hold();
  else if (step.kind === "Release") server.release();
  else if (step.kind === "Expire") server.expire();
  else if (step.kind === "Lose") server.next(() => "Lose");
  else if (step.kind === "Refuse") server.next(() => step.status);
  else if (step.kind === "Overtake") {
    server.next(() => {
      change();
      return "Carry out";
    });
  }
}

/** Long enough in real time for what is under way to be answered, then on to what waits for the clock. */
async function goOn(clock: FakeClock): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 4));
  if ((clock.nextDueMs() ?? Number.POSITIVE_INFINITY) <= clock.nowMs() + 31_000) await clock.advanceToNext();
}

async function history(steps: readonly Step[]): Promise<void> {
  const server = await createSliceServer();
  const clock = createFakeClock();
  const client = createApiClient(plainAccess(server.url), clock);
  const onFatal = (thrown: unknown): void => expect.fail(String(thrown));
  const jobs = createJobs({ owner: "cluster", clock, log: silentLog, metrics: noMetrics, random: () => 0, onFatal });
  const { port, start } = createSlices({ client, node: "n1", owner: async () => null, clock, random: () => 0, log: silentLog });
  start(jobs);
  let wanted = CHOICES[1] ?? [];
  port.publish(wanted);
  for (const step of steps) {
    if (step.kind === "Publish") wanted = CHOICES[step.choice] ?? [];
    if (step.kind === "Publish") port.publish(wanted);
    else if (step.kind === "Wait") await goOn(clock);
    else disturb(server, step);
  }
  server.release();
  const isDone = (): boolean => {
    const view = port.current();
    const seen = server.slices().map(({ metadata, spec }) => {
      const { name, generation, resourceSliceCount } = spec["pool"] as { name: string; generation: number; resourceSliceCount: number };
      return { ...metadata, pool: name, generation, sliceCount: resourceSliceCount, spec };
    });
    return view?.kind === "Read" && view.value.asPublished && planSlices("n1", wanted, seen, new Set()).length === 0;
  };
  for (let turns = 0; turns < 300 && !isDone(); turns += 1) await goOn(clock);
  const done = isDone();
  await jobs.stop();
  client.close();
  await server.close();
  expect(done).toBe(true);
}

test("slices end as they were published last", async () => {
  await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), history), { numRuns: 25 });
});
