// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { Memory } from "../../src/domain/memory.ts";
import { type HolderInterest, wantsHolders } from "../../src/domain/wanted-holders.ts";
import { aDriver, aFunction, aMemory, anIntent, aUnit } from "../support/builders.ts";

const OFFERED = aFunction({ vfioCdev: "/dev/vfio/devices/vfio0" });
const OTHER = aFunction({ address: "0000:99:00.0", vendor: "ffff", device: "ffff", class: "0200", teeIo: "No", vfioCdev: null });
const HOLDS: Memory["holds"] = new Map([
  [OFFERED.address, { epoch: null, resource: null, node: null, claim: null, kubelet: null, pod: "", freeSinceMs: null }],
]);
const interest = (overrides: Partial<HolderInterest> = {}): HolderInterest => ({
  intent: anIntent(),
  memory: aMemory(),
  driver: aDriver(),
  ...overrides,
});

describe("who holds a device is asked", () => {
  it.each<[string, Partial<HolderInterest>, boolean]>([
    ["of one that may be offered", {}, true],
    ["of none without an intent", { intent: null }, false],
    ["of none that is no device of a resource", { intent: anIntent({ resources: [] }) }, false],
    ["of all while a unit is to be cleared", { intent: anIntent({ state: "Cleared", resources: [] }) }, true],
    ["of none when the unit was cleared", { intent: anIntent({ state: "Cleared" }), driver: aDriver([aUnit({ state: "Untrusted" })]) }, false],
    [
      "of all while a unit has an id and no trust",
      { intent: anIntent({ resources: [] }), driver: aDriver([aUnit({ state: "Failed", tdxIommuId: 1n })]) },
      true,
    ],
    ["of none while the driver cannot be read", { intent: anIntent({ state: "Cleared" }), driver: { kind: "Unreadable", why: "gone" } }, false],
    ["of one that is held, whatever the intent", { intent: null, memory: aMemory({ holds: HOLDS }) }, true],
  ])("%s", (_what, part, expected) => {
    expect(wantsHolders(interest(part))(OFFERED)).toBe(expected);
  });

  it("of no other function while only offers hang on it, and of every one before a CLEAR", () => {
    expect(wantsHolders(interest())(OTHER)).toBe(false);
    expect(wantsHolders(interest({ intent: anIntent({ state: "Cleared" }) }))(OTHER)).toBe(true);
  });

  it("of none that cannot be offered: without a vfio device, or without TEE-I/O", () => {
    for (const part of [{ vfioCdev: null }, { teeIo: "No" }] as const) expect(wantsHolders(interest())({ ...OFFERED, ...part })).toBe(false);
  });
});
