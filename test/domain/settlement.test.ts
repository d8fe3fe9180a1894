// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { Verdict } from "../../src/domain/gate/inputs.ts";
import type { Intent } from "../../src/domain/intent.ts";
import { type SettlementInputs, settlementFrom } from "../../src/domain/settlement.ts";
import { anIntent } from "../support/builders.ts";

const settle = (inputs: Partial<SettlementInputs>) =>
  settlementFrom({
    intent: anIntent(),
    plan: { units: [], links: [], binds: [] },
    verdicts: [],
    specs: { problem: "" },
    offer: [],
    publications: [],
    dra: null,
    hasKubelet: true,
    unreadableUnits: [],
    ...inputs,
  });

test("a unit that cannot be told fails an intent that wants all units trusted, and no other", () => {
  const failures = (intent: Intent) => settle({ intent, unreadableUnits: [{ kernelName: "dmar2", why: "EIO" }] }).failures;
  expect(failures(anIntent())).toEqual(["dmar2: UnitUnreadable (EIO)"]);
  expect(failures(anIntent({ state: "Cleared" }))).toEqual([]);
  expect(failures(anIntent({ units: { regBases: ["0xfed90000"] } }))).toEqual([]);
});

test("a device whose CDI spec is due keeps the node from being settled; one whose spec cannot be written does not", () => {
  const verdict = (reason: Verdict["reason"]): Verdict => ({
    address: "0000:17:00.0",
    offered: reason === "Offered",
    reason,
    message: "",
    resource: null,
    rules: [],
    epoch: null,
  });
  const due = settle({ verdicts: [verdict("CdiUnwritable")] });
  expect(due).toMatchObject({ settled: false, waitingFor: ["0000:17:00.0: its CDI spec is not written yet"] });
  expect(settle({ verdicts: [verdict("CdiUnwritable")], specs: { problem: "ENOSPC" } }).settled).toBe(true);
  expect(settle({ verdicts: [verdict("Offered"), verdict("NoVfioDevice")] }).settled).toBe(true);
});

test("a device whose unit is trusted while its verdict is of before keeps the node from being settled", () => {
  const untrusted = (epoch: Verdict["epoch"]): Verdict => ({
    address: "0000:17:00.0",
    offered: false,
    reason: "UnitNotTrusted",
    message: "",
    resource: null,
    rules: [],
    epoch,
  });
  expect(settle({ verdicts: [untrusted("instance/0x1")] })).toMatchObject({
    settled: false,
    waitingFor: ["0000:17:00.0: the links below its unit are read again"],
  });
  expect(settle({ verdicts: [untrusted(null)] }).settled).toBe(true);
});
