// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { aBinding, aFunction, aMemory, anIntent, aUnit, aView, INSTANCE, REG_BASE } from "../testing/builders.ts";
import type { PciFunction } from "./device.ts";
import { GATE_RULES, type GateInputs, judge } from "./gate.ts";
import { groundFrom } from "./ground.ts";
import type { DeviceReason } from "./reason.ts";
import type { Binding, Reading } from "./view.ts";

const EPOCH = `${INSTANCE}/0x1`;

function inputs(overrides: Partial<GateInputs> & { binding?: Reading<Binding> } = {}): GateInputs {
  const { binding = aBinding(), ...rest } = overrides;
  const units = binding.kind === "Read" ? groundFrom(aView({ binding })).units : null;
  return { address: "0000:17:00.0", intent: anIntent(), fn: aFunction(), units, bindingProblem: "", memory: aMemory(), ...rest };
}

const fnWith = (overrides: Partial<PciFunction>) => inputs({ fn: aFunction(overrides) });
const secured = { state: "Secure", tsm: "tsm0", bound: "No", streamSecure: "Yes" } as const;
const unknownLink = { state: "Unknown", tsm: "", bound: "Unknown", streamSecure: "Unknown" } as const;
const heldSince = (epoch: string | null, resource: string | null) =>
  aMemory({ holds: new Map([["0000:17:00.0", { epoch, resource, pod: "", freeSinceMs: null }]]) });

/** One world per reason in which exactly that rule says no. */
const CASES: readonly (readonly [DeviceReason, GateInputs])[] = [
  ["DeviceMissing", inputs({ fn: null })],
  ["CapabilityUnknown", fnWith({ teeIo: "Unknown" })],
  ["NotTeeCapable", fnWith({ teeIo: "No" })],
  ["NoIntent", inputs({ intent: null })],
  ["NoResourceMatches", fnWith({ vendor: "8086" })],
  ["LedgerNotServed", inputs({ intent: anIntent({ resources: [{ name: "teeio.dev/gpu", ledger: "DRA", match: { vendors: ["10de"] } }] }) })],
  ["UnitUnreadable", fnWith({ unit: { kind: "Unreadable", why: "EIO" } })],
  ["NoUnit", fnWith({ unit: { kind: "None" } })],
  ["UnitNotSelected", inputs({ intent: anIntent({ units: { regBases: ["0x1000"] } }) })],
  ["IntentCleared", inputs({ intent: anIntent({ state: "Cleared" }) })],
  ["BindingUnreadable", inputs({ units: null })],
  ["LinkSecuredBeforeSetup", { ...inputs({ binding: aBinding([aUnit({ state: "Untrusted" })]) }), fn: aFunction({ link: secured }) }],
  ["LinkSecuredBeforeSetup", inputs({ memory: aMemory({ suspects: new Map([["0000:17:00.0", 0]]) }) })],
  ["UnitNotTrusted", inputs({ binding: aBinding([aUnit({ state: "Untrusted" })]) })],
  ["UnitNotTrusted", inputs({ binding: aBinding([]) })],
  ["LinkUnknown", fnWith({ link: unknownLink })],
  ["LinkUnknown", fnWith({ link: secured, linkRead: { tsm: "Failed", registers: "on" } })],
  ["LinkUnknown", fnWith({ link: secured, linkRead: { tsm: "Blocked", registers: "on" } })],
  ["LinkBroken", fnWith({ link: { ...secured, streamSecure: "No" } })],
  ["LinkBroken", fnWith({ link: { ...secured, streamSecure: "Unknown" } })],
  ["LinkBroken", fnWith({ link: { ...secured, tsm: "", streamSecure: "No" } })],
  ["HeldAcrossTrustLoss", inputs({ memory: heldSince(`${INSTANCE}/0x0`, "teeio.dev/gpu") })],
  ["HeldAcrossTrustLoss", inputs({ memory: heldSince(null, "teeio.dev/gpu") })],
  ["HeldUnderOtherName", inputs({ memory: heldSince(EPOCH, "teeio.dev/old") })],
  ["NoVfioDevice", fnWith({ vfioCdev: null })],
  ["CdiUnwritable", inputs({ memory: aMemory({ specs: { problem: "EROFS", names: new Set(["teeio.dev/old=0000:17:00.0"]) } }) })],
];

describe("the gate", () => {
  it("offers a capable, matched, free device behind a trusted unit, and names the epoch", () => {
    expect(judge(inputs())).toMatchObject({ offered: true, reason: "Offered", message: "", epoch: EPOCH });
  });

  it.each(CASES)("withholds as %s", (reason, world) => {
    expect(judge(world)).toMatchObject({ offered: false, reason });
  });

  it("has a case here for each of its rules", () => {
    const covered = new Set(CASES.map(([reason]) => reason));
    expect(GATE_RULES.map((rule) => rule.reason).filter((reason) => !covered.has(reason))).toEqual([]);
  });

  it("goes on offering a device whose link was secured after SETUP, and one held since this epoch", () => {
    expect(judge(fnWith({ link: secured })).offered).toBe(true);
    expect(judge(inputs({ memory: heldSince(EPOCH, "teeio.dev/gpu") })).offered).toBe(true);
  });

  it.each(["Unknown", "Unsupported", "Untrusted", "SettingUp", "Clearing", "Failed", "Foreign"] as const)(
    "stays closed while the unit is %s",
    (state) => {
      expect(judge(inputs({ binding: aBinding([aUnit({ state, tdxIommuId: 1n })]) })).offered).toBe(false);
    },
  );

  it("does not believe a trusted entry without an id, of another instance, or where TDX cannot be called", () => {
    const withoutId = aBinding([aUnit({ tdxIommuId: null })]);
    const otherInstance = aBinding([aUnit()], { instance: "f".repeat(32) });
    const noTdx = aBinding([aUnit()], { environment: "NotReady" });
    for (const binding of [withoutId, otherInstance, noTdx]) expect(judge(inputs({ binding })).reason).toBe("UnitNotTrusted");
  });

  it("does not say of an unreadable unit that there is no link to it, nor of specs that nobody writes that they are written", () => {
    const read = (world: GateInputs, reason: DeviceReason) => judge(world).rules.find((rule) => rule.reason === reason)?.read;
    expect(read(fnWith({ unit: { kind: "Unreadable", why: "no readable unit dmar9" } }), "NoUnit")).toBe(
      "iommu link to a unit that cannot be told: no readable unit dmar9",
    );
    expect(read(fnWith({ unit: { kind: "None" } }), "NoUnit")).toBe("no iommu link");
    expect(read(inputs(), "CdiUnwritable")).toBe("no CDI spec is written here");
    expect(read(fnWith({ teeIo: "No", teeIoWhy: "it has no PCI Express capability" }), "NotTeeCapable")).toBe(
      "TEE-I/O No: it has no PCI Express capability",
    );
  });

  it("shows every rule with what it read, also after the first that failed", () => {
    const { rules } = judge(fnWith({ vfioCdev: null, teeIo: "No" }));
    expect(rules).toHaveLength(GATE_RULES.length);
    expect(rules.filter((rule) => !rule.passed).map((rule) => rule.reason)).toEqual(["NotTeeCapable", "NoVfioDevice"]);
    expect(rules.every((rule) => rule.read !== "")).toBe(true);
    expect(rules.find((rule) => rule.reason === "NoUnit")?.read).toBe(`dmar0 at ${REG_BASE}`);
  });
});
