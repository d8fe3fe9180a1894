// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { type HeldAgainst, specsAllowed, specsToKeep } from "../../src/agent/adopt.ts";
import type { AgentPorts } from "../../src/agent/ports.ts";
import type { PciFunction } from "../../src/domain/device.ts";
import { emptyMemory } from "../../src/domain/memory.ts";
import { linkKey, NOTHING_PROVEN, type Proofs } from "../../src/domain/proofs.ts";
import type { FunctionInSlot, Slot } from "../../src/domain/slot.ts";
import { aDriver, aFunction, anIntent, aSlot, aUnit, GPU, INSTANCE, REG_BASE } from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const NAME = `${GPU}=${DEVICE}`;
const SPEC = { node: "/dev/vfio/devices/vfio0", epoch: `${INSTANCE}/0x1` };
const proofs: Proofs = { ...NOTHING_PROVEN, specs: new Map([[NAME, SPEC]]), lastUnits: new Map([[DEVICE, REG_BASE]]) };
const keptOf = async (observe: () => Promise<FunctionInSlot | null>, driver = aDriver(), known = proofs) => {
  const host = { observeFunction: observe } as unknown as AgentPorts["host"];
  return [...(await specsToKeep({ host }, known.specs, { driver, memory: emptyMemory(0, 10_000, known), asked: null })).keys()];
};
const kept = (fn: Partial<PciFunction>, driver = aDriver(), known = proofs) =>
  keptOf(async () => ({ fn: aFunction(fn), slot: aSlot() }), driver, known);
const keptOn = (slot: Partial<Slot>, known = proofs) => keptOf(async () => ({ fn: aFunction(), slot: aSlot(slot) }), aDriver(), known);

test("a spec is kept while unit, epoch and node are as they were when it was written", async () => {
  expect(await kept({})).toEqual([NAME]);
});

test("a spec goes when its device has another node or none, or cannot be read", async () => {
  expect(await kept({ vfioCdev: "/dev/vfio/devices/vfio1" })).toEqual([]);
  expect(await kept({ vfioCdev: null })).toEqual([]);
  expect(await keptOf(async () => null)).toEqual([]);
  expect(await keptOf(() => Promise.reject(new Error("EIO")))).toEqual([]);
});

test("a spec goes when its device is below another unit by now, or below none", async () => {
  expect(await kept({ unit: { kind: "Unit", regBase: "0xd97fc000", kernelName: "dmar1" } })).toEqual([]);
  expect(await kept({ unit: { kind: "None" } })).toEqual([]);
});

test("a spec goes when the link of its device cannot be read, is broken, or is secured without a proof that it was not at SETUP", async () => {
  const secured = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } as const;
  expect(await keptOn({ linkRead: { tsm: "Blocked", registers: "idle", problem: "" } })).toEqual([]);
  expect(await keptOn({ linkRead: { tsm: "Failed", registers: null, problem: "" } })).toEqual([]);
  expect(await kept({ bound: "Unknown", boundRead: "Failed" })).toEqual([]);
  expect(await keptOn({ link: secured })).toEqual([]);
  const checked = { ...proofs, checkedLinks: new Set([linkKey(DEVICE, SPEC.epoch)]) };
  expect(await keptOn({ link: secured }, checked)).toEqual([NAME]);
  expect(await keptOn({ link: { ...secured, streamSecure: "No" } }, checked)).toEqual([]);
});

test.each([
  ["is not trusted any more", aDriver([aUnit({ state: "Untrusted" })])],
  ["was set up anew", aDriver([aUnit({ setupSeq: 2n })])],
  ["is not listed", aDriver([])],
  ["cannot be asked for", { kind: "Unreadable" as const, why: "ENOENT" }],
])("a spec goes when its unit %s", async (_what, driver) => {
  expect(await kept({}, driver)).toEqual([]);
});

test("a spec of a device whose unit was never noted goes", async () => {
  expect(await kept({}, aDriver(), { ...proofs, lastUnits: new Map() })).toEqual([]);
});

test("an intent that is known, and does not want the device under that name, takes its spec away before the first pass", () => {
  const adopted = new Map([[NAME, { proof: SPEC, seen: { fn: aFunction(), slot: aSlot() } }]]);
  const against = { driver: aDriver(), memory: emptyMemory(0, 10_000, proofs) };
  const allowed = (asked: HeldAgainst["asked"]) => [...specsAllowed(adopted, { ...against, asked }).keys()];
  expect(allowed(null)).toEqual([NAME]);
  expect(allowed({ intent: anIntent() })).toEqual([NAME]);
  const match = { vendors: ["10de"] };
  const byOther = [
    { name: "teeio.dev/other", ledger: "DevicePlugin" as const, driver: { bind: "Keep" as const }, match },
    { name: GPU, ledger: "DevicePlugin" as const, driver: { bind: "Keep" as const }, match },
  ];
  const unwanting = [
    null,
    anIntent({ state: "Cleared" }),
    anIntent({ units: { regBases: ["0x1000"] } }),
    anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" as const }, match }] }),
    anIntent({ resources: byOther }),
  ];
  for (const intent of unwanting) expect(allowed({ intent })).toEqual([]);
});

test("a table that is read anew takes the spec of a lost unit away before the first pass", () => {
  const adopted = new Map([[NAME, { proof: SPEC, seen: { fn: aFunction(), slot: aSlot() } }]]);
  const driver = aDriver([aUnit({ state: "Untrusted" })]);
  expect(specsAllowed(adopted, { driver, memory: emptyMemory(0, 10_000, proofs), asked: null }).size).toBe(0);
});
