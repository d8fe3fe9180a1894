// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { Intent } from "../../src/domain/intent.ts";
import { settlementFrom } from "../../src/domain/settlement.ts";
import { anIntent } from "../support/builders.ts";

test("a unit that cannot be told fails an intent that wants all units trusted, and no other", () => {
  const unreadableUnits = [{ kernelName: "dmar2", why: "EIO" }];
  const failures = (intent: Intent) =>
    settlementFrom({ intent, unitVerdicts: [], offer: [], publications: [], hasKubelet: true, unreadableUnits }).failures;
  expect(failures(anIntent())).toEqual(["dmar2: UnitUnreadable (EIO)"]);
  expect(failures(anIntent({ state: "Cleared" }))).toEqual([]);
  expect(failures(anIntent({ units: { regBases: ["0xfed90000"] } }))).toEqual([]);
});
