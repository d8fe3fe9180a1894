// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { PciFunction } from "../domain/device.ts";
import { NOTHING_PROVEN, type Proofs } from "../domain/proofs.ts";
import { aBinding, aFunction, anIntent, aUnit, GPU, INSTANCE, REG_BASE } from "../testing/builders.ts";
import { specsAllowed, specsToKeep } from "./adopt.ts";
import type { AgentPorts } from "./ports.ts";

const DEVICE = "0000:17:00.0";
const NAME = `${GPU}=${DEVICE}`;
const SPEC = { node: "/dev/vfio/devices/vfio0", epoch: `${INSTANCE}/0x1` };
const proofs: Proofs = { ...NOTHING_PROVEN, specs: new Map([[NAME, SPEC]]), lastUnits: new Map([[DEVICE, REG_BASE]]) };
const hostWith = (observeFunction: AgentPorts["host"]["observeFunction"]) => ({ host: { observeFunction } as AgentPorts["host"] });
const kept = async (node: string | null, binding = aBinding(), known = proofs) => [
  ...(
    await specsToKeep(
      hostWith(async () => aFunction({ vfioCdev: node })),
      { proofs: known, binding },
    )
  ).keys(),
];

test("a spec is kept while unit, epoch and node are as they were when it was written", async () => {
  expect(await kept(SPEC.node)).toEqual([NAME]);
});

test("a spec goes when its device has another node or none, or cannot be read", async () => {
  expect(await kept("/dev/vfio/devices/vfio1")).toEqual([]);
  expect(await kept(null)).toEqual([]);
  const gone = specsToKeep(
    hostWith(async () => null),
    { proofs, binding: aBinding() },
  );
  const failing = specsToKeep(
    hostWith(() => Promise.reject(new Error("EIO"))),
    { proofs, binding: aBinding() },
  );
  expect([(await gone).size, (await failing).size]).toEqual([0, 0]);
});

test("a spec goes when its device is below another unit by now, or below none", async () => {
  const below = (unit: PciFunction["unit"]) =>
    specsToKeep(
      hostWith(async () => aFunction({ unit })),
      { proofs, binding: aBinding() },
    );
  expect((await below({ kind: "Unit", regBase: "0xd97fc000", kernelName: "dmar1" })).size).toBe(0);
  expect((await below({ kind: "None" })).size).toBe(0);
});

test.each([
  ["is not trusted any more", aBinding([aUnit({ state: "Untrusted" })])],
  ["was set up anew", aBinding([aUnit({ setupSeq: 2n })])],
  ["is not listed", aBinding([])],
  ["cannot be asked for", { kind: "Unreadable" as const, why: "ENOENT" }],
])("a spec goes when its unit %s", async (_what, binding) => {
  expect(await kept(SPEC.node, binding)).toEqual([]);
});

test("a spec of a device whose unit was never noted goes", async () => {
  expect(await kept(SPEC.node, aBinding(), { ...proofs, lastUnits: new Map() })).toEqual([]);
});

test("an intent that is known, and does not want it, takes a spec away before the first pass", () => {
  const allowed = (asked: Parameters<typeof specsAllowed>[1]["asked"]) => [...specsAllowed(proofs, { binding: aBinding(), asked }).keys()];
  expect(allowed(null)).toEqual([NAME]);
  expect(allowed({ intent: anIntent() })).toEqual([NAME]);
  const rule = { name: GPU, ledger: "DRA" as const, match: { vendors: ["10de"] } };
  for (const intent of [null, anIntent({ state: "Cleared" }), anIntent({ units: { regBases: ["0x1000"] } }), anIntent({ resources: [rule] })])
    expect(allowed({ intent })).toEqual([]);
});
