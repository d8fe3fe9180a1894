// SPDX-License-Identifier: Apache-2.0

/**
 * Properties of the decisions over random nodes. The statements are written out again from the plain view, without the code under test, so that a
 * rule lost from gate or plan is seen.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PciFunction } from "../../src/domain/device.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import { remember } from "../../src/domain/memory.ts";
import { offerFrom, verdictsFor } from "../../src/domain/offer.ts";
import { planOf } from "../../src/domain/plan/plan.ts";
import { CONDITION_TYPES, DEVICE_REASONS, UNIT_REASONS } from "../../src/domain/reason.ts";
import { reportFrom } from "../../src/domain/report.ts";
import { type Slot, slotOwnerOf } from "../../src/domain/slot.ts";
import { NO_SPECS } from "../../src/domain/specs.ts";
import type { NodeView } from "../../src/domain/view.ts";
import { AGENT } from "../support/node-status.ts";
import { randomIntent, randomMemory, randomView } from "../support/random-world.ts";

const RUNS = { numRuns: 3_000 };
const world = fc.record({ view: randomView, intent: randomIntent, memory: randomMemory });

function unitOf(view: NodeView, regBase: string) {
  return view.driver.kind === "Read" ? view.driver.value.table.units.find((unit) => unit.regBase === regBase) : undefined;
}

function below(view: NodeView, regBase: string): readonly PciFunction[] {
  const functions = view.host.kind === "Read" ? view.host.value.functions : [];
  return functions.filter((fn) => fn.unit.kind === "Unreadable" || (fn.unit.kind === "Unit" && fn.unit.regBase === regBase));
}

function slotOf(view: NodeView, fn: PciFunction): Slot | undefined {
  return view.host.kind === "Read" ? view.host.value.slots.find((slot) => slot.owner === slotOwnerOf(fn)) : undefined;
}

describe("the offer", () => {
  it("holds only capable functions, on the bus, behind a unit that the driver lists as trusted with an id, and only while the intent is Trusted", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory }) => {
        const ground = groundFrom(view);
        for (const { devices } of offerFrom(intent, verdictsFor(intent, ground, memory), { ground, memory })) {
          for (const { id } of devices.filter((device) => device.healthy)) {
            expect(intent?.state).toBe("Trusted");
            const fn = below(view, "")
              .concat(view.host.kind === "Read" ? view.host.value.functions : [])
              .find((other) => other.address === id);
            expect(fn).toMatchObject({ teeIo: "Yes", unit: { kind: "Unit" }, vfioCdev: expect.any(String) });
            expect(fn && slotOf(view, fn)?.link.state).not.toBe("Unknown");
            const unit = fn?.unit.kind === "Unit" ? unitOf(view, fn.unit.regBase) : undefined;
            expect(unit?.state).toBe("Trusted");
            const isKernelOwned = view.driver.kind === "Read" && view.driver.value.info.kernelOwned;
            if (!isKernelOwned) expect(unit?.tdxIommuId).not.toBeNull();
            expect(view.driver).toMatchObject({
              value: { info: { environment: "Ok", instance: view.driver.kind === "Read" && view.driver.value.table.instance } },
            });
          }
        }
      }),
      RUNS,
    );
  });

  it("lists a device once at most, over all resources", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory }) => {
        const ground = groundFrom(view);
        const ids = offerFrom(intent, verdictsFor(intent, ground, memory), { ground, memory }).flatMap(({ devices }) =>
          devices.filter((d) => d.healthy).map((d) => d.id),
        );
        expect(new Set(ids).size).toBe(ids.length);
      }),
      RUNS,
    );
  });
});

describe("the plan", () => {
  it("sets up only selected, untrusted units without an id, with every link below insecure", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory }) => {
        for (const { step } of planOf({ intent, ground: groundFrom(view), memory }).units) {
          if (step?.kind !== "Setup") continue;
          expect(intent?.state).toBe("Trusted");
          const unit = unitOf(view, step.regBase);
          expect(["Untrusted", "Failed", "Unknown"]).toContain(unit?.state);
          expect(unit?.tdxIommuId).toBeNull();
          expect(below(view, step.regBase).filter((fn) => slotOf(view, fn)?.link.state !== "Insecure" || !fn.isIdeRead)).toEqual([]);
        }
      }),
      RUNS,
    );
  });

  it("clears only what nobody uses in any view, with the id that the table shows, after the settling time of everything", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory: before }) => {
        const ground = groundFrom(view);
        const memory = remember(before, intent, ground);
        for (const { step } of planOf({ intent, ground, memory }).units) {
          if (step?.kind !== "Clear") continue;
          const unit = unitOf(view, step.regBase);
          expect(unit).toMatchObject({ tdxIommuId: step.tdxIommuId, setupSeq: step.setupSeq });
          if (intent?.state !== "Cleared") expect(["Failed", "Unknown"]).toContain(unit?.state);
          expect(view.host.kind === "Read" && view.host.value.unreadableUnits).toEqual([]);
          for (const fn of below(view, step.regBase)) {
            expect(fn).toMatchObject({ bound: "No", isIdeRead: true, holders: { kind: "Known", pids: [] } });
            expect(slotOf(view, fn)?.link.state).toBe("Insecure");
          }
          expect(view.podResources.kind).not.toBe("Unreadable");
          expect(view.pods.kind).not.toBe("Unreadable");
          expect(view.publications.filter((p) => p.callsInFlight > 0)).toEqual([]);
          if (view.podResources.kind === "Read") expect(view.nowMs - view.podResources.kubeletSinceMs).toBeGreaterThanOrEqual(memory.settleMs);
          expect(view.nowMs - memory.startedMs).toBeGreaterThanOrEqual(memory.settleMs);
          expect(view.nowMs - (before.freeSince.get(step.regBase) ?? view.nowMs)).toBeGreaterThanOrEqual(memory.settleMs);
          const held = view.podResources.kind === "Read" ? view.podResources.pods.flatMap((pod) => pod.ids) : [];
          const isBelow = new Set(below(view, step.regBase).map((fn) => fn.address));
          expect(held.filter((id) => isBelow.has(id))).toEqual([]);
          expect(view.publications.flatMap((p) => p.ids).filter((id) => isBelow.has(id))).toEqual([]);
        }
      }),
      RUNS,
    );
  });

  it("touches nothing without an intent, and no unit the intent does not select", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory }) => {
        for (const { step, selected } of planOf({ intent, ground: groundFrom(view), memory }).units) {
          if (step) expect(intent !== null && selected).toBe(true);
        }
      }),
      RUNS,
    );
  });
});

describe("the report", () => {
  it("gives every unit and device a reason of the closed lists, all six conditions, and counts that add up", () => {
    fc.assert(
      fc.property(world, ({ view, intent, memory: before }) => {
        const ground = groundFrom(view);
        const memory = remember(before, intent, ground);
        const verdicts = verdictsFor(intent, ground, memory);
        const plan = planOf({ intent, ground, memory });
        const status = reportFrom({
          ground,
          agent: AGENT,
          driver: "simulated",
          verdicts,
          plan,
          hasIntent: intent !== null,
          namedUnits: new Set(intent?.units.regBases ?? []),
          holds: memory.holds,
          absentAddresses: [],
          linkWork: memory.linkWork,
          securesLinks: intent?.link.enable === "OnPrepare",
          specs: NO_SPECS,
          proofProblem: "",
          auditProblem: "",
          hasKubelet: true,
          desiredState: intent?.state ?? null,
          generation: 3,
          intentProblem: "",
          previous: null,
          now: "2026-01-01T00:00:00Z",
        });
        for (const unit of status.units) expect(Object.keys(UNIT_REASONS)).toContain(unit.reason);
        for (const device of status.devices) {
          expect(Object.keys(DEVICE_REASONS)).toContain(device.reason);
          expect(device.offered).toBe(device.reason === "Offered");
        }
        expect(status.conditions.map((condition) => condition.type)).toEqual([...CONDITION_TYPES]);
        expect(status.counts.devicesOffered).toBe(status.devices.filter((device) => device.offered).length);
        expect(status.counts.devicesOffered + status.counts.devicesWithheld).toBe(status.devices.length);
        for (const device of status.devices.filter((d) => d.offered)) {
          expect(status.units.find((unit) => unit.regBase === device.regBase)).toMatchObject({ state: "Trusted", reason: "SetupSucceeded" });
        }
        // A wanted device that only a person can bring back is never passed over in silence.
        const needsPerson = (reason: string): boolean => /^Link|^HeldAcrossTrustLoss$|^HeldByUnknown$/.test(reason);
        const isTrusted = (regBase: string): boolean => status.units.some((unit) => unit.regBase === regBase && unit.state === "Trusted");
        const waiting = status.devices.filter((device) => needsPerson(device.reason) && isTrusted(device.regBase));
        if (waiting.length > 0) expect(status.conditions).toContainEqual(expect.objectContaining({ type: "Degraded", status: "True" }));
        if (waiting.length > 0) expect(status.conditions).not.toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
        expect(JSON.parse(JSON.stringify(status))).toEqual(status);
      }),
      RUNS,
    );
  });
});
