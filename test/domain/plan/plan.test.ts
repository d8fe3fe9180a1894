// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import { type Memory, remember } from "../../../src/domain/memory.ts";
import { noteCall, noteLate } from "../../../src/domain/notes.ts";
import { offerFrom, verdictsFor } from "../../../src/domain/offer.ts";
import { planOf, planUnit } from "../../../src/domain/plan/plan.ts";
import { repeatDelayMs } from "../../../src/domain/plan/repeat.ts";
import { UNIT_REASONS, type UnitReason } from "../../../src/domain/reason.ts";
import type { Link, LinkRead } from "../../../src/domain/slot.ts";
import type { DriverUnit, Leaf } from "../../../src/domain/unit.ts";
import type { NodeView } from "../../../src/domain/view.ts";
import {
  aDriver,
  aFunction,
  aHost,
  aHostUnit,
  aMemory,
  anIntent,
  aPod,
  aSlot,
  aUnit,
  aView,
  GPU,
  INSTANCE,
  KUBELET,
  linked,
  podsRead,
  REG_BASE,
  slotsFor,
} from "../../support/builders.ts";
import { randomIntent, randomMemory, randomView } from "../../support/random-world.ts";

const BUSY = 0x8000020000000001n;
const REJECTED = 0xc000010000000001n;
const PAGE_NOT_FREE = 0xc000030300000000n;
const IDE_ON = 0xc0000f0400000008n;
const INVALID_STATE = 0xc0000f0000000001n;
const CLEARED = anIntent({ state: "Cleared" });
const FREE = aMemory({ freeSince: new Map([[REG_BASE, 0]]) });

const OTHER_UNIT = aUnit({ regBase: "0xfeda0000", state: "SettingUp", tdxIommuId: null });

interface World {
  readonly unit?: Partial<DriverUnit>;
  readonly view?: Partial<NodeView>;
  readonly intent?: Intent | null;
  readonly memory?: Memory;
}

function plan({ unit = { state: "Untrusted" }, view = {}, intent = anIntent(), memory = aMemory() }: World) {
  const ground = groundFrom(aView({ driver: aDriver([aUnit(unit)]), ...view }));
  return planUnit({ intent, ground, memory }, REG_BASE);
}

const ended = (leaf: "TDH.IOMMU.SETUP" | "TDH.IOMMU.CLEAR", status: bigint) => ({ leaf, status, attempts: 1, durationNs: 0n });
const setupEnded = (status: bigint, state: DriverUnit["state"] = "Untrusted"): Partial<DriverUnit> => ({
  state,
  lastCall: ended("TDH.IOMMU.SETUP", status),
});
const clearEnded = (status: bigint): Partial<DriverUnit> => ({
  state: "Failed",
  tdxIommuId: 1n,
  setupSeq: 1n,
  lastCall: ended("TDH.IOMMU.CLEAR", status),
});
const attempted = (lastMs: number, leaf: Leaf = "TDH.IOMMU.SETUP") =>
  aMemory({ attempts: new Map([[REG_BASE, { leaf, instance: INSTANCE, count: 1, lastMs, problem: "" }]]), freeSince: new Map([[REG_BASE, 0]]) });
/** A reading that a write of this process overlaps. */
const WRITTEN: Partial<NodeView> = {
  host: {
    kind: "Read",
    value: aHost({
      slots: [aSlot({ link: { state: "Insecure", tsm: "", streamSecure: "No" }, linkRead: { tsm: "Writing", registers: "idle", problem: "" } })],
    }),
  },
};
const withLink = (state: "Secure" | "Unknown"): Partial<NodeView> => ({
  host: { kind: "Read", value: aHost(linked({ state, tsm: "", streamSecure: "Unknown" })) },
});
const hostUnits = (...units: ReturnType<typeof aHostUnit>[]): Partial<NodeView> => ({ host: { kind: "Read", value: aHost({ units }) } });
const published = {
  resource: GPU,
  serving: true,
  registered: true,
  kubelet: KUBELET,
  callsInFlight: 0,
  inCalls: [],
  ids: ["0000:17:00.0"],
  problem: "",
};

/** What a kernel that owns SETUP shows: no ids, no calls. */
const owned = (...units: Partial<DriverUnit>[]): Partial<NodeView> => ({
  driver: aDriver(
    units.map((unit) => aUnit({ tdxIommuId: null, lastCall: null, evidence: "tsm0", ...unit })),
    { kernelOwned: true },
  ),
});

/** A world per reason, and the step that goes with it. */
const CASES: readonly (readonly [UnitReason, "Setup" | "Clear" | null, World])[] = [
  ["SetupSucceeded", null, { unit: {} }],
  ["SetupPending", "Setup", {}],
  ["SetupRunning", null, { unit: { state: "SettingUp" } }],
  ["SetupRetrying", null, { unit: setupEnded(BUSY), memory: attempted(99_900) }],
  ["SetupRetrying", "Setup", { unit: setupEnded(BUSY), memory: attempted(90_000) }],
  ["SetupRetrying", "Setup", { unit: setupEnded(BUSY, "Failed") }],
  ["SetupRetrying", "Setup", { unit: setupEnded(IDE_ON, "Failed"), memory: attempted(0) }],
  ["SetupFailed", null, { unit: setupEnded(PAGE_NOT_FREE, "Failed") }],
  ["NotSelected", null, { intent: null }],
  ["NotSelected", null, { intent: anIntent({ units: { regBases: ["0x1000"] } }) }],
  ["TdxConnectMissing", null, { unit: { state: "Unsupported", ecap: 0n } }],
  ["TdxConnectMissing", null, { view: { driver: { kind: "Unreadable", why: "no driver" }, ...hostUnits(aHostUnit({ ecap: 0n })) } }],
  ["EvidenceIncomplete", null, { view: owned({ state: "Unknown", missing: "Evidence" }) }],
  ["LoadNotWatched", null, { view: owned({ state: "Unknown", missing: "WatchedLoad" }) }],
  ["KernelOwned", null, { view: owned({ state: "Untrusted" }) }],
  ["RejectedByModule", null, { unit: { state: "Unsupported" } }],
  ["LinkSecuredBeforeSetup", null, { view: withLink("Secure") }],
  ["LinkUnknown", null, { view: withLink("Unknown") }],
  ["LinkUnknown", null, { view: WRITTEN }],
  [
    "DomainIdsInUse",
    null,
    { view: { driver: aDriver([aUnit({ state: "Untrusted" })], { didUnreserved: true }), ...hostUnits(aHostUnit({ domainsUsed: 16_384 })) } },
  ],
  ["EnvironmentNotReady", null, { view: { driver: aDriver([aUnit({ state: "Untrusted" })], { environment: "Ud" }) } }],
  ["RealSetupDisabled", null, { view: { driver: aDriver([aUnit({ state: "Untrusted" })], { simulated: false }) } }],
  ["DriverUnreadable", null, { view: { driver: { kind: "Unreadable", why: "EIO" } } }],
  ["HostUnreadable", null, { view: { host: { kind: "Unreadable", why: "EIO" } } }],
  ["UnitMissing", null, { view: { driver: aDriver([]), ...hostUnits() } }],
  ["NotListedByDriver", null, { view: { driver: aDriver([]) } }],
  ["ForeignOwner", null, { unit: { state: "Foreign" } }],
  ["TrustLost", null, { view: { driver: aDriver([aUnit({ state: "Unknown" })], { environment: "Ud" }) } }],
  ["SetupPending", "Setup", { unit: { state: "Unknown" } }],
  ["ClearPending", "Clear", { unit: { state: "Unknown", tdxIommuId: 1n, setupSeq: 1n }, memory: FREE }],
  ["ClearPending", "Clear", { unit: { state: "Unknown", tdxIommuId: 1n, setupSeq: 1n }, memory: FREE, intent: CLEARED }],
  ["ClearPending", "Clear", { unit: { state: "Failed", tdxIommuId: 1n, lastCall: null }, memory: FREE }],
  ["Cleared", null, { unit: { state: "Unknown" }, intent: CLEARED }],
  ["Cleared", null, { unit: { ...clearEnded(PAGE_NOT_FREE), tdxIommuId: null }, intent: CLEARED }],
  ["SetupPending", "Setup", { unit: setupEnded(REJECTED) }],
  ["ClearPending", "Clear", { unit: {}, intent: CLEARED, memory: FREE }],
  ["ClearPending", null, { unit: {}, intent: CLEARED, memory: FREE, view: { publications: [published] } }],
  ["ClearPending", null, { unit: {}, intent: CLEARED, memory: FREE, view: { pods: { kind: "NotAsked" } } }],
  ["ClearPending", null, { unit: {}, intent: CLEARED, memory: FREE, view: { driver: aDriver([aUnit(), OTHER_UNIT]) } }],
  ["DriverTooOld", null, { unit: {}, intent: CLEARED, memory: FREE, view: { driver: aDriver([aUnit()], { honoursNotAfter: false }) } }],
  ["ClearSettling", null, { unit: {}, intent: CLEARED, memory: aMemory({ freeSince: new Map([[REG_BASE, 95_000]]) }) }],
  ["ClearSettling", null, { unit: {}, intent: CLEARED, memory: { ...FREE, startedMs: 95_000 } }],
  [
    "ClearSettling",
    null,
    { unit: {}, intent: CLEARED, memory: FREE, view: { podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 95_000 } } },
  ],
  ["ClearBlocked", null, { unit: {}, intent: CLEARED, memory: FREE, view: { podResources: { kind: "Unreadable", why: "ENOENT" } } }],
  ["ClearRunning", null, { unit: { state: "Clearing" }, intent: CLEARED }],
  ["ClearRetrying", "Clear", { unit: clearEnded(BUSY), intent: CLEARED, memory: attempted(0, "TDH.IOMMU.CLEAR") }],
  ["ClearRetrying", "Clear", { unit: clearEnded(BUSY), intent: anIntent(), memory: attempted(0, "TDH.IOMMU.CLEAR") }],
  ["ClearFailed", null, { unit: clearEnded(PAGE_NOT_FREE), intent: CLEARED, memory: FREE }],
  ["Cleared", null, { intent: CLEARED }],
];

describe("a unit to clear", () => {
  const cleared = (driver: NodeView["driver"]) => plan({ intent: CLEARED, memory: FREE, view: { driver } });

  it.each([
    ["SettingUp", "waits for SETUP of 0xfeda0000"],
    ["Clearing", "waits for CLEAR of 0xfeda0000"],
  ] as const)("waits while another one is %s", (state, message) => {
    expect(cleared(aDriver([aUnit(), { ...OTHER_UNIT, state }]))).toMatchObject({ reason: "ClearPending", message, step: null });
    expect(cleared(aDriver([aUnit(), { ...OTHER_UNIT, state: "Failed" }]))).toMatchObject({ step: { kind: "Clear" } });
  });

  it("is told which driver is loaded when that is too old, but first who uses its devices", () => {
    const old = { honoursNotAfter: false, abiVersion: 1 };
    expect(cleared(aDriver([aUnit()], old)).message).toMatch(/^simulated of version 1 is loaded, 2 is needed: .* reboot this node$/);
    const view: Partial<NodeView> = { driver: aDriver([aUnit()], old), podResources: { kind: "Unreadable", why: "ENOENT" } };
    expect(plan({ intent: CLEARED, memory: FREE, view }).reason).toBe("ClearBlocked");
  });

  it("is looked at anew when its turn came too late, which is no attempt", () => {
    const late = { regBase: REG_BASE, leaf: "TDH.IOMMU.CLEAR", instance: INSTANCE, repeat: true, problem: "its turn came late" } as const;
    const once = noteLate(FREE, { ...late, nowMs: 99_900 });
    expect(plan({ unit: {}, intent: CLEARED, memory: once })).toMatchObject({ reason: "ClearRetrying", message: late.problem, wakeAtMs: 100_150 });
    expect(plan({ unit: {}, intent: CLEARED, memory: noteLate(FREE, { ...late, nowMs: 90_000 }) }).step).toMatchObject({ kind: "Clear" });
    expect([...noteLate(once, { ...late, nowMs: 99_990 }).attempts.values()]).toMatchObject([{ count: 0 }]);
    // However often: a deadline that has always passed must not keep the agent busy.
    const again = noteLate(noteLate(FREE, { ...late, nowMs: 50_000 }), { ...late, nowMs: 99_900 });
    expect(plan({ unit: {}, intent: CLEARED, memory: again })).toMatchObject({ step: null, wakeAtMs: 100_150 });
    expect([...noteLate(noteCall(FREE, { ...late, nowMs: 50_000 }), { ...late, nowMs: 99_990 }).attempts.values()]).toMatchObject([
      { count: 1, lastMs: 50_000, problem: late.problem },
    ]);
  });
});

describe("the message of domain ids in use", () => {
  it("does not change with their number, which changes all the time", () => {
    const driver = aDriver([aUnit({ state: "Untrusted" })], { didUnreserved: true });
    const messages = [16_384, 16_385, 40_000].map((domainsUsed) => plan({ view: { driver, ...hostUnits(aHostUnit({ domainsUsed })) } }).message);
    expect(messages).toEqual(Array(3).fill("16384 or more of 65536"));
  });
});

describe("the plan of one unit", () => {
  it.each(CASES)("is %s with step %s", (reason, step, world) => {
    const verdict = plan(world);
    expect({ reason: verdict.reason, step: verdict.step?.kind ?? null }).toEqual({ reason, step });
  });

  it("has a case here for every reason a unit can have", () => {
    const covered = new Set(CASES.map(([reason]) => reason));
    expect(Object.keys(UNIT_REASONS).filter((reason) => !covered.has(reason as UnitReason))).toEqual([]);
  });

  it.each([
    [
      "it is in the intent",
      { intent: anIntent({ units: { regBases: [REG_BASE] } }) },
      "neither the kernel nor simulated lists it; spec.units.regBases names it",
    ],
    [
      "it was seen before",
      { memory: aMemory({ knownUnits: new Set([REG_BASE]) }) },
      "neither the kernel nor simulated lists it; it was there before",
    ],
  ] as readonly (readonly [string, World, string])[])("says of a missing unit why it is spoken of: %s", (_, world, message) => {
    expect(plan({ ...world, view: { driver: aDriver([]), ...hostUnits() } })).toMatchObject({ reason: "UnitMissing", message });
  });

  it("says why a link cannot be told", () => {
    const message = (link: Link, linkRead: Partial<LinkRead>, functions = [aFunction()]): string => {
      const slots = slotsFor(functions, { link, linkRead: { tsm: "Read", registers: null, problem: "", ...linkRead } });
      return plan({ view: { host: { kind: "Read", value: aHost({ functions, slots }) } } }).message;
    };
    const unknown: Link = { state: "Unknown", tsm: "", streamSecure: "Unknown" };
    expect(message(unknown, { problem: "EIO" })).toBe("0000:17:00.0 (EIO)");
    expect(message(unknown, { tsm: "Failed" })).toBe("0000:17:00.0 (tsm/ cannot be read)");
    expect(message(unknown, { tsm: "Blocked" })).toBe("0000:17:00.0 (reading tsm/ blocks)");
    const unread = [aFunction(), aFunction({ address: "0000:17:00.1", isIdeRead: false, configProblem: "EIO" })];
    expect(message({ ...unknown, state: "Insecure" }, {}, unread)).toBe("0000:17:00.1 (EIO)");
  });

  it("says of a SETUP that the unit's registers forbid that nobody was asked", () => {
    const lastCall = { ...ended("TDH.IOMMU.SETUP", INVALID_STATE), attempts: 0 };
    const { reason, message, step, wakeAtMs } = plan({ unit: { state: "Failed", lastCall }, memory: attempted(99_000) });
    expect({ reason, step, wakeAtMs }).toEqual({ reason: "SetupRetrying", step: null, wakeAtMs: 109_000 });
    expect(message).toBe("TDH.IOMMU.SETUP was not issued: the unit's registers forbid it, the kernel log says which");
  });

  it("names the blocker of a CLEAR", () => {
    const pods = [{ namespace: "ml", pod: "train", resource: GPU, ids: ["0000:17:00.0"] }];
    const held = plan({
      unit: {},
      intent: CLEARED,
      memory: FREE,
      view: { podResources: { kind: "Read", allocatable: [], pods, kubeletSinceMs: 0 } },
    });
    expect(held.message).toBe("0000:17:00.0 in use by pod ml/train");
  });

  it.each([
    ["a terminating pod that only the API shows", { pods: podsRead(aPod({ name: "old", terminating: true })) }],
    ["a vfio holder", { host: { kind: "Read", value: aHost({ functions: [aFunction({ holders: { kind: "Known", pids: [7] } })] }) } }],
    [
      "a TD",
      {
        host: { kind: "Read", value: aHost({ functions: [aFunction({ bound: "Yes" })] }) },
      },
    ],
    [
      "an answer younger than the settling time",
      { answers: [{ address: "0000:17:00.0", resource: GPU, atMs: 95_000, epoch: "", claim: null, kubelet: KUBELET }] },
    ],
    ["a kubelet call in flight", { publications: [{ ...published, ids: [], callsInFlight: 1 }] }],
    ["pods that cannot be read", { pods: { kind: "Unreadable", why: "timeout" } }],
    ["an unreadable unit that may be this one", { host: { kind: "Read", value: aHost({ unreadableUnits: [{ kernelName: "dmar3", why: "EIO" }] }) } }],
    [
      "a held function whose unit cannot be read",
      {
        host: {
          kind: "Read",
          value: aHost({ functions: [aFunction({ unit: { kind: "Unreadable", why: "EIO" }, holders: { kind: "Known", pids: [7] } })] }),
        },
      },
    ],
    [
      "a held device that nobody can place",
      {
        podResources: {
          kind: "Read",
          allocatable: [],
          pods: [{ namespace: "a", pod: "b", resource: GPU, ids: ["0009:01:00.0"] }],
          kubeletSinceMs: 0,
        },
      },
    ],
  ] as readonly (readonly [string, Partial<NodeView>])[])("never clears past %s", (_what, view) => {
    const memory = { ...FREE, resources: new Set([GPU]) };
    expect(plan({ unit: {}, intent: CLEARED, memory, view })).toMatchObject({ reason: "ClearBlocked", step: null });
  });

  it("backs off from a quarter of a second to half a minute", () => {
    expect([1, 2, 3, 8, 50].map((count) => repeatDelayMs(count, false))).toEqual([250, 500, 1000, 30_000, 30_000]);
  });
});

describe("a kernel that owns SETUP", () => {
  const OTHER = "0x1000";
  it("has trusted units without an id, and says what that was concluded from", () => {
    expect(plan({ view: owned({}) })).toMatchObject({ reason: "SetupSucceeded", message: "tsm0", step: null });
  });

  it("is told apart from one whose evidence is not enough, whatever is asked", () => {
    for (const intent of [anIntent(), CLEARED]) {
      expect(plan({ intent, memory: FREE, view: owned({ state: "Unknown" }) })).toMatchObject({
        reason: "EvidenceIncomplete",
        message: "tsm0",
        step: null,
      });
    }
  });

  it("says what a person can do when all that is missing is a load that was watched", () => {
    const view = owned({ state: "Unknown", missing: "WatchedLoad" });
    const message = "when no pod uses a device, unload tdx_host and load it again while this agent runs; tsm0";
    expect(plan({ view })).toMatchObject({ reason: "LoadNotWatched", message, step: null });
    expect(plan({ intent: CLEARED, memory: FREE, view })).toMatchObject({
      reason: "LoadNotWatched",
      message: "when no pod uses a device, unload tdx_host; tsm0",
      step: null,
    });
  });

  it("is never asked: a person loads its driver, and unloads it once no pod has a device", () => {
    expect(plan({ view: owned({ state: "Untrusted" }) })).toMatchObject({ reason: "KernelOwned", message: expect.stringContaining("load tdx_host") });
    expect(plan({ intent: CLEARED, memory: FREE, view: owned({}) })).toMatchObject({
      reason: "KernelOwned",
      message: expect.stringContaining("unload"),
    });
    expect(plan({ intent: CLEARED, view: owned({ state: "Untrusted" }) })).toMatchObject({ reason: "Cleared" });
    const held = aHost({ functions: [aFunction({ holders: { kind: "Known", pids: [7] } })] });
    expect(plan({ intent: CLEARED, memory: FREE, view: { ...owned({}), host: { kind: "Read", value: held } } }).reason).toBe("ClearBlocked");
  });

  it("sets up all units or none, and says so to who asks for some", () => {
    const some = anIntent({ units: { regBases: [REG_BASE] } });
    expect(plan({ intent: some, view: owned({ state: "Untrusted" }, { regBase: OTHER, state: "Untrusted" }) })).toMatchObject({
      reason: "KernelOwned",
      message: "1 of 2 units are to be set up: it sets up all or none",
    });
    const withoutConnect = owned({ state: "Untrusted" }, { regBase: OTHER, state: "Unsupported", ecap: 0n });
    expect(plan({ intent: some, view: withoutConnect }).message).toContain("load tdx_host");
  });

  it("clears all units or none, and says so to who asks for some", () => {
    const some = anIntent({ state: "Cleared", units: { regBases: [REG_BASE] } });
    expect(plan({ intent: some, memory: FREE, view: owned({}, { regBase: OTHER }) })).toMatchObject({
      reason: "KernelOwned",
      message: "1 of 2 units are to be cleared: it clears all or none",
    });
  });
});

describe("random worlds", () => {
  it("never ask a kernel that owns SETUP for anything", () => {
    fc.assert(
      fc.property(randomView, randomIntent, randomMemory, (view, intent, before) => {
        const ground = groundFrom(view);
        if (view.driver.kind !== "Read" || !view.driver.value.info.kernelOwned) return;
        for (const verdict of planOf({ intent, ground, memory: remember(before, intent, ground) }).units) expect(verdict.step).toBeNull();
      }),
      { numRuns: 3_000 },
    );
  });

  it("reach offers, set-ups and clears, so that the properties about them say something", () => {
    let seen = { offers: 0, setups: 0, clears: 0 };
    const worlds = fc.sample(fc.record({ view: randomView, intent: randomIntent, memory: randomMemory }), { numRuns: 3_000, seed: 1 });
    for (const { view, intent, memory: before } of worlds) {
      const ground = groundFrom(view);
      const memory = remember(before, intent, ground);
      const steps = planOf({ intent, ground, memory }).units.flatMap((verdict) => (verdict.step ? [verdict.step.kind] : []));
      const offers = offerFrom(intent, verdictsFor(intent, ground, memory), { ground, memory }).flatMap((offer) =>
        offer.devices.filter((device) => device.healthy),
      );
      seen = {
        offers: seen.offers + offers.length,
        setups: seen.setups + steps.filter((kind) => kind === "Setup").length,
        clears: seen.clears + steps.filter((kind) => kind === "Clear").length,
      };
    }
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(20);
  });
});
