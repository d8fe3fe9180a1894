// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from "vitest";
import type { BindFailure } from "../../../src/domain/binds/error.ts";
import { NO_BIND_WORK, noteBindBegins } from "../../../src/domain/binds/work.ts";
import type { Binding, PciFunction, TsmRead } from "../../../src/domain/device.ts";
import { DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import { judge } from "../../../src/domain/gate/gate.ts";
import type { GateInputs } from "../../../src/domain/gate/inputs.ts";
import { GATE_RULES } from "../../../src/domain/gate/rules.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { DriverBind } from "../../../src/domain/intent.ts";
import type { LinkErrorKind } from "../../../src/domain/links/error.ts";
import { type LinkWork, NO_LINK_WORK } from "../../../src/domain/links/work.ts";
import type { Memory } from "../../../src/domain/memory.ts";
import { linkKey } from "../../../src/domain/proofs.ts";
import type { DeviceReason } from "../../../src/domain/reason.ts";
import type { Link } from "../../../src/domain/slot.ts";
import { NO_SPECS } from "../../../src/domain/specs.ts";
import type { DriverView, Reading } from "../../../src/domain/view.ts";
import { aDriver, aFunction, aMemory, anIntent, aSlot, aUnit, aView, INSTANCE, KUBELET, linkTaints, REG_BASE } from "../../support/builders.ts";

const EPOCH = `${INSTANCE}/0x1`;

function inputs(overrides: Partial<GateInputs> & { driver?: Reading<DriverView> } = {}): GateInputs {
  const { driver = aDriver(), ...rest } = overrides;
  const units = driver.kind === "Read" ? groundFrom(aView({ driver })).units : null;
  return {
    address: "0000:17:00.0",
    purpose: "List",
    intent: anIntent(),
    fn: aFunction(),
    slot: aSlot(),
    units,
    driverProblem: "",
    kubelet: KUBELET,
    claim: null,
    memory: aMemory(),
    ...rest,
  };
}

const fnWith = (overrides: Partial<PciFunction>) => inputs({ fn: aFunction(overrides) });
const secured: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
const unknownLink: Link = { state: "Unknown", tsm: "", streamSecure: "Unknown" };
const linkRead = (tsm: TsmRead) => ({ tsm, registers: "on", problem: "" });
const heldSince = (epoch: string | null, resource: string | null) =>
  aMemory({ holds: new Map([["0000:17:00.0", { epoch, resource, node: NODE, claim: null, kubelet: KUBELET, pod: "", freeSinceMs: null }]]) });
const NODE = "/dev/vfio/devices/vfio0";
const held = heldSince(EPOCH, "teeio.dev/gpu");
/** `aFunction`'s link, read insecure in the present epoch. */
const checkedLinks = new Set([linkKey("0000:17:00.0", EPOCH)]);
const unknownHolders = new Map([["0000:17:00.0", "pid 4711"]]);
const specs = (node: string | null) =>
  aMemory({ specs: { ...NO_SPECS, isServed: true, problem: "EROFS", proven: new Map([["teeio.dev/gpu=0000:17:00.0", { node, epoch: EPOCH }]]) } });
const busy = { kind: "Known", pids: [4711] } as const;

const ON_PREPARE = anIntent({ link: { enable: "OnPrepare" } });
const EXTERNAL = anIntent({ link: { enable: "External" } });
const START = { purpose: "PreStart" } as const;
/** A TSM is connected, and its stream is off. */
const lost: Link = { state: "Secure", tsm: "tsm0", streamSecure: "No" };
const failedAs = (kind: LinkErrorKind, count: number): LinkWork => ({
  ...NO_LINK_WORK,
  failures: new Map([["0000:17:00.0", { kind, problem: "EIO", count, lastMs: 0 }]]),
});
const blockedRepair: LinkWork = { ...NO_LINK_WORK, blocked: new Map([["0000:17:00.0", "0000:17:00.1 is open in pid 4711"]]) };

const carried = new Map([["0000:17:00.0", ["0000:17:02.1"]]]);

/** One world per reason in which exactly that rule says no. */
const withBind = (bind: DriverBind) =>
  anIntent({ resources: [{ name: "teeio.dev/gpu", ledger: "DevicePlugin", driver: { bind }, match: { vendors: ["10de"] } }] });
const changing = noteBindBegins(NO_BIND_WORK, "0000:17:00.0", { to: "Vfio", sinceMs: 0, pid: 7 });
const bindFailed = (failure: Omit<BindFailure, "lastMs">): Memory =>
  aMemory({ bindWork: { ...NO_BIND_WORK, failures: new Map([["0000:17:00.0", { ...failure, lastMs: 0 }]]) } });
const unbound = (binding: Partial<Binding>) =>
  inputs({
    intent: withBind("Vfio"),
    fn: aFunction({ driver: "nvme", vfioCdev: null, binding: { override: "", virtualFunctions: 0, users: [], problem: "", ...binding } }),
  });

const ADDRESS = "0000:17:00.0";
const IN_DRA = {
  intent: anIntent({ resources: [{ name: "teeio.dev/gpu", ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] }),
};
const LINKED_IN_DRA = { ...IN_DRA.intent, link: { enable: "OnPrepare" } } as const;
const PREPARE = { ...IN_DRA, purpose: "Prepare", claim: "c-1", kubelet: null } as const;
const servingDra = (memory: Partial<Memory> = {}): Memory => ({ ...aMemory(), ...memory, isDraServed: true });
const ofClaim = (claim: string | null, epoch = EPOCH): Memory =>
  servingDra({ holds: new Map([[ADDRESS, { epoch, resource: DRA_DRIVER, node: NODE, claim, kubelet: null, pod: "", freeSinceMs: null }]]) });
const tainted = (reason: string) => servingDra({ linkTaints: linkTaints({ [ADDRESS]: reason }) });

const CASES: readonly (readonly [DeviceReason, GateInputs])[] = [
  ["DeviceMissing", inputs({ fn: null, slot: null })],
  ["CapabilityUnknown", fnWith({ teeIo: "Unknown" })],
  ["NotTeeCapable", fnWith({ teeIo: "No" })],
  ["NoIntent", inputs({ intent: null })],
  ["NoResourceMatches", fnWith({ vendor: "8086" })],
  [
    "LedgerNotServed",
    inputs({ intent: anIntent({ resources: [{ name: "teeio.dev/gpu", ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] }) }),
  ],
  ["NameServedByOther", inputs({ memory: aMemory({ taken: new Map([["teeio.dev/gpu", "kubelet lists slice-0"]]) }) })],
  ["UnitUnreadable", fnWith({ unit: { kind: "Unreadable", why: "EIO" } })],
  ["NoUnit", fnWith({ unit: { kind: "None" } })],
  ["UnitNotSelected", inputs({ intent: anIntent({ units: { regBases: ["0x1000"] } }) })],
  ["IntentCleared", inputs({ intent: anIntent({ state: "Cleared" }) })],
  ["DriverUnreadable", inputs({ units: null })],
  ["LinkSecuredBeforeSetup", inputs({ driver: aDriver([aUnit({ state: "Untrusted" })]), slot: aSlot({ link: secured }) })],
  ["LinkSecuredBeforeSetup", inputs({ slot: aSlot({ link: secured }) })],
  [
    "LinkSecuredBeforeSetup",
    inputs({ slot: aSlot({ link: secured }), memory: aMemory({ checkedLinks: new Set([linkKey("0000:17:00.0", "i/0x9")]) }) }),
  ],
  ["UnitNotTrusted", inputs({ driver: aDriver([aUnit({ state: "Untrusted" })]) })],
  ["UnitNotTrusted", inputs({ driver: aDriver([]) })],
  ["LinkUnknown", inputs({ slot: aSlot({ link: unknownLink }) })],
  ["LinkUnknown", fnWith({ isIdeRead: false })],
  ["LinkUnknown", fnWith({ boundRead: "Failed", bound: "Unknown" })],
  ["LinkUnknown", fnWith({ boundRead: "Blocked", bound: "Unknown" })],
  ["LinkUnknown", inputs({ slot: aSlot({ link: secured, linkRead: linkRead("Failed") }), memory: aMemory({ checkedLinks }) })],
  ["LinkUnknown", inputs({ slot: aSlot({ link: secured, linkRead: linkRead("Blocked") }), memory: aMemory({ checkedLinks }) })],
  ["LinkBroken", inputs({ slot: aSlot({ link: { ...secured, streamSecure: "No" } }), memory: aMemory({ checkedLinks }) })],
  ["LinkBroken", inputs({ slot: aSlot({ link: { ...secured, streamSecure: "Unknown" } }), memory: aMemory({ checkedLinks }) })],
  ["LinkBroken", inputs({ slot: aSlot({ link: { ...secured, tsm: "", streamSecure: "No" } }), memory: aMemory({ checkedLinks }) })],
  ["DsmElsewhere", inputs({ slot: aSlot({ link: secured, dsm: "0000:16:02.0" }), memory: aMemory({ checkedLinks }) })],
  ["CarriesOthers", inputs({ intent: ON_PREPARE, memory: aMemory({ carried }) })],
  ["CarriesOthers", inputs({ intent: ON_PREPARE, purpose: "Allocate", memory: aMemory({ carried }) })],
  ["NoStreamFree", inputs({ intent: ON_PREPARE, memory: aMemory({ withoutStream: new Set(["0000:17:00.0"]) }) })],
  ["NoTsm", inputs({ intent: ON_PREPARE, slot: aSlot({ tsms: [] }) })],
  ["TsmAmbiguous", inputs({ intent: ON_PREPARE, slot: aSlot({ tsms: ["tsm0", "tsm1"] }) })],
  ["AuthenticationFailed", inputs({ intent: ON_PREPARE, memory: aMemory({ linkWork: failedAs("Authentication", 1) }) })],
  ["LinkFailed", inputs({ intent: ON_PREPARE, memory: aMemory({ linkWork: failedAs("Other", 3) }) })],
  ["AuthenticationFailed", inputs({ ...IN_DRA, intent: LINKED_IN_DRA, memory: tainted("AuthenticationFailed") })],
  ["LinkFailed", inputs({ ...PREPARE, intent: LINKED_IN_DRA, memory: tainted("LinkFailed") })],
  ["RepairBlocked", inputs({ intent: ON_PREPARE, slot: aSlot({ link: lost }), memory: aMemory({ checkedLinks, linkWork: blockedRepair }) })],
  [
    "RepairBlocked",
    inputs({ ...START, intent: ON_PREPARE, slot: aSlot({ link: lost }), memory: { ...held, checkedLinks, linkWork: blockedRepair } }),
  ],
  ["LinkBroken", inputs({ ...START, intent: ON_PREPARE, slot: aSlot({ link: lost }), memory: { ...held, checkedLinks } })],
  ["LinkBroken", inputs({ intent: EXTERNAL, slot: aSlot({ link: lost }), memory: aMemory({ checkedLinks }) })],
  ["NoStreamLeft", inputs({ ...START, intent: ON_PREPARE, memory: held, slot: aSlot({ streamsLeft: 0 }) })],
  ["NoStreamLeft", inputs({ ...START, intent: ON_PREPARE, memory: held, slot: aSlot({ blocksLeft: { endpoint: 1, rootPort: 0 } }) })],
  ["NoStreamLeft", inputs({ ...START, intent: ON_PREPARE, memory: held, slot: aSlot({ blocksLeft: { endpoint: 0, rootPort: 1 } }) })],
  ["LinkNotSecured", inputs({ ...START, intent: ON_PREPARE, memory: held })],
  ["LinkNotSecured", inputs({ ...START, intent: EXTERNAL, memory: held })],
  [
    "LinkNotSecured",
    inputs({
      ...START,
      intent: ON_PREPARE,
      slot: aSlot({ link: secured, linkRead: { tsm: "Writing", registers: null, problem: "" } }),
      memory: { ...held, checkedLinks },
    }),
  ],
  ["LinkNotCovering", inputs({ slot: aSlot({ link: secured, covers: [] }), memory: aMemory({ checkedLinks }) })],
  ["LinkNotCovering", inputs({ slot: aSlot({ link: secured, covers: [{ first: 0x1701, last: 0x17ff }] }), memory: aMemory({ checkedLinks }) })],
  ["HeldByUnknown", inputs({ memory: aMemory({ unknownHolders }) })],
  ["HeldByUnknown", inputs({ memory: heldSince(EPOCH, null) })],
  ["HeldByUnknown", inputs({ purpose: "Allocate", fn: aFunction({ holders: busy }) })],
  ["HeldByUnknown", inputs({ purpose: "Allocate", fn: aFunction({ holders: { kind: "Unreadable", why: "EACCES" } }) })],
  ["HeldByUnknown", inputs({ purpose: "Allocate", fn: aFunction({ bound: "Yes" }) })],
  [
    "HeldByUnknown",
    inputs({ purpose: "Allocate", fn: aFunction({ bound: "Unknown" }), slot: aSlot({ link: secured }), memory: aMemory({ checkedLinks }) }),
  ],
  ["HeldByUnknown", inputs({ purpose: "Allocate", memory: held, kubelet: "4:5:6" })],
  ["HeldAcrossTrustLoss", inputs({ purpose: "PreStart" })],
  ["GivenNodeChanged", inputs({ purpose: "PreStart", memory: held, fn: aFunction({ vfioCdev: "/dev/vfio/devices/vfio1" }) })],
  ["ProofUnwritable", inputs({ memory: aMemory({ proofProblem: "ENOSPC" }) })],
  ["HeldByOtherLedger", inputs({ memory: heldSince(null, "example.com/passthrough") })],
  ["HeldByOtherLedger", inputs({ memory: heldSince(null, "gpu.example.com") })],
  ["HeldAcrossTrustLoss", inputs({ memory: heldSince(`${INSTANCE}/0x0`, "teeio.dev/gpu") })],
  ["HeldAcrossTrustLoss", inputs({ memory: heldSince(null, "teeio.dev/gpu") })],
  ["HeldUnderOtherName", inputs({ memory: heldSince(EPOCH, "teeio.dev/old") })],
  ["DeviceUnreachable", fnWith({ answers: false, teeIo: "Unknown" })],
  ["NativeDriver", inputs({ intent: withBind("Native") })],
  ["GroupNotOurs", inputs({ memory: aMemory({ foreignInGroup: new Map([["0000:17:00.0", ["0000:17:00.1"]]]) }) })],
  ["DriverChanging", inputs({ memory: aMemory({ bindWork: changing }) })],
  ["DriverChanging", inputs({ purpose: "Allocate", memory: aMemory({ bindWork: changing }) })],
  ["BindStuck", inputs({ memory: aMemory({ bindWork: { ...changing, stuck: new Set(["0000:17:00.0"]) } }) })],
  ["DriverOverridden", unbound({ override: "other" })],
  ["HasVirtualFunctions", unbound({ virtualFunctions: 1 })],
  ["InUseByHost", unbound({ users: ["network interface eth0 is up"] })],
  ["InUseByHost", unbound({ problem: "net: EIO" })],
  ["InUseByHost", { ...unbound({}), memory: bindFailed({ problem: "EBUSY", isInUse: true, count: 1 }) }],
  ["BindFailed", { ...unbound({}), memory: bindFailed({ problem: "EIO", isInUse: false, count: 3 }) }],
  ["NoVfioDevice", unbound({})],
  ["NoVfioDevice", fnWith({ vfioCdev: null })],
  ["CdiUnwritable", inputs({ memory: aMemory({ specs: { ...NO_SPECS, isServed: true } }) })],
  ["CdiUnwritable", inputs({ memory: specs("/dev/vfio/devices/vfio1") })],
  ["StreamsShared", inputs({ intent: ON_PREPARE, memory: aMemory({ streamsShared: new Set([ADDRESS]) }) })],
  ["LedgerSwitching", inputs({ memory: aMemory({ inOtherLedger: new Map([[ADDRESS, "pool node-1/pci0000-16 lists it"]]) }) })],
  ["LedgerSwitching", inputs({ ...IN_DRA, memory: servingDra({ inOtherLedger: new Map([[ADDRESS, "kubelet lists it as teeio.dev/gpu"]]) }) })],
  ["HeldInOtherLedger", inputs({ memory: heldSince(EPOCH, DRA_DRIVER) })],
  ["HeldInOtherLedger", inputs({ ...IN_DRA, memory: servingDra({ holds: heldSince(EPOCH, "teeio.dev/gpu").holds }) })],
  ["HeldUnderOtherName", inputs({ ...IN_DRA, memory: servingDra({ holds: heldSince(EPOCH, "teeio.dev/old").holds }) })],
  ["OfferedByOther", inputs({ ...IN_DRA, memory: servingDra({ offeredByOthers: new Map([[ADDRESS, "example.com lists it"]]) }) })],
  ["DeviceBusy", inputs({ ...PREPARE, memory: ofClaim("c-2") })],
  ["HeldByOrphan", inputs({ ...PREPARE, memory: ofClaim(null), fn: aFunction({ holders: busy }) })],
  ["HeldByUnknown", inputs({ ...PREPARE, memory: servingDra(), fn: aFunction({ holders: busy }) })],
  ["HeldByUnknown", inputs({ ...PREPARE, memory: servingDra(), fn: aFunction({ holders: { kind: "Unreadable", why: "EIO" } }) })],
  ["GivenNodeChanged", inputs({ ...PREPARE, memory: ofClaim("c-1"), fn: aFunction({ vfioCdev: "/dev/vfio/devices/vfio9" }) })],
  ["HeldAcrossTrustLoss", inputs({ ...PREPARE, memory: ofClaim("c-1", `${INSTANCE}/0x0`) })],
  ["LinkNotSecured", inputs({ ...PREPARE, intent: { ...IN_DRA.intent, link: { enable: "OnPrepare" } }, memory: servingDra() })],
];

describe("the gate of DRA", () => {
  it("offers what DRA has, also while a claim has it", () => {
    for (const memory of [servingDra(), ofClaim("c-1")]) expect(judge(inputs({ ...IN_DRA, memory })).reason).toBe("Offered");
  });

  it("asks for no CDI spec of its own, and is not kept back by who serves the name to kubelet", () => {
    const memory = servingDra({ specs: { ...NO_SPECS, isServed: true }, taken: new Map([["teeio.dev/gpu", "GPU-1"]]) });
    expect(judge(inputs({ ...IN_DRA, memory })).reason).toBe("Offered");
  });

  it("prepares a claim again whose virtual machine monitor has the device open, and one after another that has ended", () => {
    expect(judge(inputs({ ...PREPARE, memory: ofClaim("c-1"), fn: aFunction({ holders: busy }) })).reason).toBe("Offered");
    expect(judge(inputs({ ...PREPARE, memory: ofClaim(null) })).reason).toBe("Offered");
  });
});

describe("the gate", () => {
  it("offers a capable, matched, free device behind a trusted unit, and names the epoch", () => {
    expect(judge(inputs())).toMatchObject({ offered: true, reason: "Offered", message: "", epoch: EPOCH });
  });

  it("offers a secure link that was read insecure in this epoch, a device held by its pod, and one whose spec in place is right", () => {
    for (const memory of [aMemory({ checkedLinks }), held, specs(NODE)])
      expect(judge(inputs({ memory, slot: aSlot(memory.checkedLinks.size > 0 ? { link: secured } : {}) })).reason).toBe("Offered");
  });

  it("keeps listing and giving what is put right before a container starts", () => {
    const memory = { ...held, checkedLinks };
    for (const purpose of ["List", "Allocate"] as const)
      for (const slot of [aSlot(), aSlot({ link: lost })])
        expect(judge(inputs({ purpose, intent: ON_PREPARE, slot, memory })).reason).toBe("Offered");
    const later = { fn: aFunction({ functionType: "Virtual" }), slot: aSlot({ link: secured, covers: [] }), intent: ON_PREPARE };
    expect(judge(inputs({ ...later, memory })).reason).toBe("Offered");
    // Nobody has it, so that it can wait.
    expect(judge(inputs({ ...later, memory: aMemory({ checkedLinks }) })).reason).toBe("LinkNotCovering");
    expect(judge(inputs({ ...later, ...START, memory })).reason).toBe("LinkNotCovering");
    expect(judge(inputs({ intent: ON_PREPARE, slot: aSlot({ link: lost }), memory: { ...memory, linkWork: blockedRepair } })).reason).toBe("Offered");
  });

  it("lets a container start without a link where nobody asks for one, and with a secured one", () => {
    expect(judge(inputs({ ...START, memory: held })).reason).toBe("Offered");
    for (const intent of [ON_PREPARE, EXTERNAL])
      expect(judge(inputs({ ...START, intent, slot: aSlot({ link: secured }), memory: { ...held, checkedLinks } })).reason).toBe("Offered");
  });

  it("lets who was given function 0 keep it when virtual functions come", () => {
    for (const purpose of ["List", "PreStart"] as const)
      expect(judge(inputs({ intent: ON_PREPARE, purpose, slot: aSlot({ link: secured }), memory: { ...held, checkedLinks, carried } })).reason).toBe(
        "Offered",
      );
  });

  it("does not hold an old failure against a link that is secured", () => {
    const memory = aMemory({ checkedLinks, linkWork: failedAs("Authentication", 3) });
    expect(judge(inputs({ intent: ON_PREPARE, slot: aSlot({ link: secured }), memory })).reason).toBe("Offered");
  });

  it("keeps no device with a failed link from who has it, nor one of a device plugin, nor one whose link is not asked for", () => {
    const memory = { ...tainted("LinkFailed"), ...{ holds: ofClaim("c-1").holds } };
    expect(judge(inputs({ ...IN_DRA, intent: LINKED_IN_DRA, memory })).reason).toBe("Offered");
    expect(judge(inputs({ ...PREPARE, intent: LINKED_IN_DRA, memory })).reason).toBe("LinkNotSecured");
    expect(judge(inputs({ ...PREPARE, claim: "c-2", intent: LINKED_IN_DRA, memory })).reason).toBe("LinkFailed");
    expect(judge(inputs({ intent: ON_PREPARE, memory: tainted("LinkFailed") })).reason).toBe("Offered");
    expect(judge(inputs({ ...IN_DRA, memory: tainted("LinkFailed") })).reason).toBe("Offered");
  });

  it("withholds no function of DRA for streams that a device plugin's functions of its slot may not have", () => {
    const streamsShared = new Set([ADDRESS]);
    expect(judge(inputs({ intent: ON_PREPARE, memory: aMemory({ streamsShared }) })).reason).toBe("StreamsShared");
    const intent = { ...ON_PREPARE, resources: IN_DRA.intent.resources };
    expect(judge(inputs({ intent, memory: servingDra({ streamsShared }) })).reason).toBe("Offered");
  });

  it("lets a container start whose own virtual machine monitor has the device open", () => {
    const memory = { ...held, unknownHolders };
    expect(judge(inputs({ purpose: "PreStart", memory, fn: aFunction({ holders: busy }) })).offered).toBe(true);
  });

  it("gives again what this kubelet gave, and lets start what an earlier one gave", () => {
    expect(judge(inputs({ purpose: "Allocate", memory: held })).offered).toBe(true);
    expect(judge(inputs({ purpose: "PreStart", memory: held, kubelet: "4:5:6" })).offered).toBe(true);
  });

  it("does not ask for a scan of holders to keep a device listed", () => {
    expect(judge(inputs({ fn: aFunction({ holders: { kind: "Unreadable", why: "not finished" } }) })).offered).toBe(true);
  });

  it.each(CASES)("withholds as %s", (reason, world) => {
    expect(judge(world)).toMatchObject({ offered: false, reason });
  });

  it("has a case here for each of its rules", () => {
    const covered = new Set(CASES.map(([reason]) => reason));
    expect(GATE_RULES.map((rule) => rule.reason).filter((reason) => !covered.has(reason))).toEqual([]);
  });

  it("names the pod and the other ledger that gave it the function", () => {
    const hold = { epoch: null, resource: "example.com/passthrough", node: null, claim: null, kubelet: null, pod: "ml/other", freeSinceMs: null };
    const memory = aMemory({ holds: new Map([["0000:17:00.0", hold]]) });
    expect(judge(inputs({ memory })).message).toBe("held by pod ml/other as example.com/passthrough");
  });

  it("goes on offering a device whose link was secured after SETUP, and one held since this epoch", () => {
    expect(judge(inputs({ slot: aSlot({ link: secured }), memory: aMemory({ checkedLinks }) })).offered).toBe(true);
    expect(judge(inputs({ memory: heldSince(EPOCH, "teeio.dev/gpu") })).offered).toBe(true);
  });

  it.each(["Unknown", "Unsupported", "Untrusted", "SettingUp", "Clearing", "Failed", "Foreign"] as const)(
    "stays closed while the unit is %s",
    (state) => {
      expect(judge(inputs({ driver: aDriver([aUnit({ state, tdxIommuId: 1n })]) })).offered).toBe(false);
    },
  );

  it("does not believe a trusted entry without an id, of another instance, or where TDX cannot be called", () => {
    const withoutId = aDriver([aUnit({ tdxIommuId: null })]);
    const otherInstance = aDriver([aUnit()], { instance: "f".repeat(32) });
    const noTdx = aDriver([aUnit()], { environment: "NotReady" });
    for (const driver of [withoutId, otherInstance, noTdx]) expect(judge(inputs({ driver })).reason).toBe("UnitNotTrusted");
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
