// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { unitsSchema } from "../../../src/api/spec.ts";
import { hold } from "../../../src/cluster/node/held-object.ts";
import type { IntentView } from "../../../src/cluster/port.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import { verdictsFor } from "../../../src/domain/offer.ts";
import { planOf } from "../../../src/domain/plan/plan.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { createManifestIntent } from "../../../src/standalone/manifest-intent.ts";
import { aMemory, aView } from "../../support/builders.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { mutatedJson } from "../../support/mutations.ts";

const RESOURCES = [{ name: "teeio.dev/gpu", match: { vendors: ["10de"] } }];

function object(spec: object): object {
  const head = { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1", uid: "u1", generation: 1 } };
  return { ...head, spec: { state: "Trusted", units: { all: true }, resources: RESOURCES, ...spec } };
}

const TRUSTED = object({});
const CLEARED = object({ state: "Cleared" });

/** Both sources: what is in force after each of `objects` in turn. */
const SOURCES: readonly (readonly [string, (...objects: readonly unknown[]) => Promise<IntentView | null>])[] = [
  [
    "an object of the API server",
    async (...objects) => objects.reduce<ReturnType<typeof hold> | null>((held, next) => hold(held, next), null)?.view ?? null,
  ],
  ["a manifest", manifestInForce],
];

async function manifestInForce(...objects: readonly unknown[]): Promise<IntentView | null> {
  const clock = createFakeClock();
  const texts = objects.map((value) => stringify(value));
  const files = { read: async () => texts.shift() ?? "", watch: () => () => undefined };
  const intent = createManifestIntent({ path: "/m.yaml", clock, log: silentLog, files });
  await intent.start(new AbortController().signal);
  while (texts.length > 0) await clock.advance(5000);
  intent.stop();
  return intent.current();
}

const ground = groundFrom(aView());

function offered(intent: Intent | null): number {
  return verdictsFor(intent, ground, aMemory()).filter((verdict) => verdict.offered).length;
}

function clears(intent: Intent | null): number {
  const memory = aMemory({ freeSince: new Map([["0xfed90000", 0]]) });
  return planOf({ intent, ground, memory }).units.filter(({ step }) => step?.kind === "Clear").length;
}

describe.each(SOURCES)("%s", (_name, inForce) => {
  test("that is valid offers or clears: the two tests below can fail", async () => {
    expect(offered((await inForce(TRUSTED))?.intent ?? null)).toBe(1);
    expect(clears((await inForce(TRUSTED, CLEARED))?.intent ?? null)).toBe(1);
  });

  test("that says Cleared beside an unknown field withdraws and clears, with the problem", async () => {
    const view = await inForce(TRUSTED, object({ state: "Cleared", drain: { after: "1h" } }));
    expect(view).toMatchObject({ generation: 1, problem: expect.stringMatching(/spec\.drain is .*\n.*the units of spec\.units are cleared$/) });
    expect(view?.intent).toMatchObject({ state: "Cleared", units: { all: true }, resources: [{ name: "teeio.dev/gpu" }] });
    expect([offered(view?.intent ?? null), clears(view?.intent ?? null)]).toEqual([0, 1]);
  });

  test("that says Cleared with units that cannot be read withdraws and clears nothing", async () => {
    const view = await inForce(TRUSTED, object({ state: "Cleared", units: { all: true, pools: ["a"] } }));
    expect(view).toMatchObject({ intent: { state: "Cleared", units: {} }, problem: expect.stringContaining("no unit is cleared") });
    expect([offered(view?.intent ?? null), clears(view?.intent ?? null)]).toEqual([0, 0]);
  });

  test("that was never good and says Cleared knows the resources that are valid by themselves", async () => {
    const view = await inForce(object({ state: "Cleared", resources: [...RESOURCES, { name: "gpu", match: {} }] }));
    expect(view?.intent).toMatchObject({ state: "Cleared", units: { all: true }, resources: [{ name: "teeio.dev/gpu", ledger: "DevicePlugin" }] });
  });

  test("that says Cleared stays in force when the next one cannot be read, until one is good", async () => {
    const broken = object({ state: "trusted" });
    expect(await inForce(TRUSTED, object({ state: "Cleared", x: 1 }), broken)).toMatchObject({ intent: { state: "Cleared" } });
    expect(await inForce(TRUSTED, object({ state: "Cleared", x: 1 }), broken, TRUSTED)).toMatchObject({ intent: { state: "Trusted" }, problem: "" });
  });

  test("in which spec.state still reads Cleared offers nothing, whatever else is changed, and clears only by units that were read", async () => {
    await fc.assert(
      fc.asyncProperty(mutatedJson(CLEARED), async (mutant) => {
        const spec = memberOf(mutant, "spec");
        fc.pre(memberOf(spec, "state") === "Cleared");
        const view = await inForce(TRUSTED, mutant);
        expect(offered(view?.intent ?? null)).toBe(0);
        if (!unitsSchema.safeParse(memberOf(spec, "units")).success) expect(clears(view?.intent ?? null)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

test("another object of the same name that says Cleared has nothing to do with the last one's resources", () => {
  const other = { ...object({ state: "Cleared", x: 1, resources: [] }), metadata: { name: "n1", uid: "u2", generation: 1 } };
  expect(hold(hold(null, TRUSTED), other).view).toMatchObject({ intent: { state: "Cleared", resources: [] }, generation: 0 });
});

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
