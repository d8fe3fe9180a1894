// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { PciFunction } from "../../src/domain/device.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { Intent } from "../../src/domain/intent.ts";
import { NO_LINK_WORK } from "../../src/domain/links/work.ts";
import { remember } from "../../src/domain/memory.ts";
import { verdictsFor } from "../../src/domain/offer.ts";
import { planOf } from "../../src/domain/plan/plan.ts";
import { reportFrom, stoppedReport } from "../../src/domain/report.ts";
import { absentAddresses } from "../../src/domain/selector.ts";
import type { Link } from "../../src/domain/slot.ts";
import { NO_SPECS } from "../../src/domain/specs.ts";
import type { Condition, NodeStatus } from "../../src/domain/status.ts";
import type { NodeView, PodDevices } from "../../src/domain/view.ts";
import {
  aDraView,
  aDriver,
  aFunction,
  aHost,
  aHostUnit,
  aMemory,
  anIntent,
  aUnit,
  aView,
  GPU,
  KUBELET,
  linked,
  REG_BASE,
} from "../support/builders.ts";
import { AGENT } from "../support/node-status.ts";

const REGISTERED = {
  resource: GPU,
  serving: true,
  registered: true,
  kubelet: KUBELET,
  callsInFlight: 0,
  inCalls: [],
  ids: ["0000:17:00.0"],
  problem: "",
};

const HIDDEN = { kind: "Unreadable", why: "open files of process 1: EACCES" } as const;
const inPods = (pods: readonly PodDevices[]) => ({ kind: "Read", allocatable: [], pods, kubeletSinceMs: 0 }) as const;
/** A pod was seen to hold the device, and nobody knows since when. */
const HELD = { before: { podResources: inPods([{ namespace: "ml", pod: "train", resource: GPU, ids: ["0000:17:00.0"] }]) } };

const SECURED: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
const INSECURE: Link = { state: "Insecure", tsm: "", streamSecure: "No" };
const BROKEN: Link = { ...SECURED, streamSecure: "No" };
const UNKNOWN: Link = { state: "Unknown", tsm: "", streamSecure: "Unknown" };
const UNTRUSTED = { driver: aDriver([aUnit({ state: "Untrusted" })]) } as const;

interface World {
  /** What the agent saw one look earlier. */
  readonly before?: Partial<NodeView>;
  readonly view?: Partial<NodeView>;
  readonly intent?: Intent | null;
  readonly intentProblem?: string;
  readonly specProblem?: string;
  readonly staleSpecs?: readonly string[];
  readonly proofProblem?: string;
  readonly auditProblem?: string;
  readonly hasKubelet?: boolean;
}

function report({
  view = {},
  before = {},
  intent = anIntent(),
  intentProblem = "",
  specProblem = "",
  staleSpecs = [],
  proofProblem = "",
  auditProblem = "",
  hasKubelet = true,
}: World): NodeStatus {
  const ground = groundFrom(aView({ publications: [REGISTERED], ...view }));
  // An agent that has looked at the healthy node before.
  const memory = remember(remember(aMemory(), intent, groundFrom(aView(before))), intent, ground);
  return reportFrom({
    ground,
    agent: AGENT,
    driver: "simulated",
    verdicts: verdictsFor(intent, ground, memory),
    plan: planOf({ intent, ground, memory }),
    hasIntent: intent !== null,
    namedUnits: new Set(intent?.units.regBases ?? []),
    holds: memory.holds,
    absentAddresses: absentAddresses(intent, ground),
    linkWork: NO_LINK_WORK,
    securesLinks: false,
    specs: { ...NO_SPECS, problem: specProblem, stale: new Set(staleSpecs) },
    proofProblem,
    auditProblem,
    hasKubelet,
    desiredState: intent?.state ?? null,
    generation: 3,
    intentProblem,
    previous: null,
    now: "2026-01-01T00:00:00Z",
  });
}

const summary = (status: NodeStatus): Record<string, string> =>
  Object.fromEntries(status.conditions.map((condition: Condition) => [condition.type, `${condition.status} ${condition.reason}`]));
/** A driver that cannot be asked for the CLEAR that all else allows. */
const TOO_OLD: World = {
  intent: anIntent({ state: "Cleared" }),
  before: { publications: [] },
  view: { nowMs: 500_000, publications: [], driver: aDriver([aUnit()], { honoursNotAfter: false }) },
};
const host = (value: Parameters<typeof aHost>[0]): Partial<NodeView> => ({ host: { kind: "Read", value: aHost(value) } });
const WITHOUT_CONNECT = aHostUnit({ ecap: 0x3ee9e86f050dfn });

describe("the conditions", () => {
  it("of a node that is as intended", () => {
    expect(summary(report({}))).toEqual({
      Supported: "True TdxConnectPresent",
      UnitsTrusted: "True AllTrusted",
      DevicesOffered: "True SomeOffered",
      Ready: "True AsIntended",
      Degraded: "False NoProblem",
      ClearBlocked: "False NothingToClear",
    });
  });

  it("name the addresses of the intent that are nowhere on the host", () => {
    const named = (addresses: readonly string[]): Intent =>
      anIntent({ resources: [{ name: GPU, ledger: "DevicePlugin", driver: { bind: "Keep" }, match: { addresses } }] });
    const offeredText = (intent: Intent): string | undefined =>
      report({ intent }).conditions.find((condition) => condition.type === "DevicesOffered")?.message;
    expect(offeredText(named(["0000:17:00.0"]))).toBe("1 offered, 0 withheld");
    expect(offeredText(named(["10000:01:00.0", "0000:99:00.0", "0000:17:00.0"]))).toBe(
      "1 offered, 0 withheld; not on this host: 0000:99:00.0, 10000:01:00.0 (match.addresses)",
    );
    expect(offeredText(named(["1", "2", "3", "4"].map((bus) => `0000:0${bus}:00.0`)))).toMatch(
      /^0 offered, .*: 0000:01:00\.0, 0000:02:00\.0, 0000:03:00\.0 and 1 more \(match\.addresses\)$/,
    );
  });

  const NO_DRIVER = { kind: "Unreadable", why: "/dev/tdx_iommu is not there", isMissing: true } as const;
  const text = (status: NodeStatus, type: string): string => status.conditions.find((condition) => condition.type === type)?.message ?? "";
  /** Nothing but what the agent sees now. */
  const firstLook = (world: World): NodeStatus => report({ ...world, before: world.view ?? {} });

  it.each([
    ["without a driver", NO_DRIVER],
    ["with one that lists no unit", aDriver([])],
  ])("of an ordinary machine, %s, say that it has no units and that nothing is wrong", (_what, driver) => {
    const status = firstLook({ view: { driver, ...host({ units: [], functions: [] }) } });
    expect(summary(status)).toMatchObject({
      Supported: "False NoUnits",
      UnitsTrusted: "False NoUnits",
      Ready: "False NoUnits",
      Degraded: "False NoProblem",
    });
    const amd = firstLook({ view: { driver, ...host({ units: [], functions: [], otherKinds: ["ivhd0"] }) } });
    expect(summary(amd)).toMatchObject({ Supported: "False NoUnits", Degraded: "False NoProblem" });
    expect(text(amd, "Supported")).toContain("of another kind: ivhd0");
    expect(amd.otherUnits).toEqual([{ kernelName: "ivhd0", reason: "OtherKind", message: "" }]);
  });

  it("of a machine whose driver is there and cannot be read do not take it for one without units", () => {
    const driver = { kind: "Unreadable", why: "EACCES" } as const;
    const status = firstLook({ view: { driver, ...host({ units: [], functions: [] }) } });
    expect(summary(status)).toMatchObject({ Supported: "Unknown DriverUnreadable", Degraded: "True DriverUnreadable" });
  });

  it("name a unit that cannot be told, and never call the host one without TDX Connect for the others' sake", () => {
    const unreadableUnits = [{ kernelName: "dmar2", why: 'address reads "garbage"' }];
    const named = { Supported: "Unknown UnitUnreadable", UnitsTrusted: "Unknown UnitUnreadable", Degraded: "True UnitUnreadable" };
    for (const driver of [NO_DRIVER, aDriver([aUnit({ state: "Unsupported", ecap: 0n })])]) {
      const status = report({ view: { driver, ...host({ units: [WITHOUT_CONNECT], unreadableUnits }) } });
      expect(summary(status)).toMatchObject({ ...named, Ready: "Unknown UnitUnreadable" });
      expect(text(status, "Degraded")).toBe('dmar2: address reads "garbage"');
      expect(status.otherUnits).toEqual([{ kernelName: "dmar2", reason: "UnitUnreadable", message: 'address reads "garbage"' }]);
    }
    expect(summary(firstLook({ view: { driver: NO_DRIVER, ...host({ units: [], functions: [], unreadableUnits }) } }))).toMatchObject(named);
    const trusted = summary(report({ view: host({ unreadableUnits }) }));
    expect(trusted).toMatchObject({ Supported: "True TdxConnectPresent", UnitsTrusted: "Unknown UnitUnreadable", Ready: "False UnitUnreadable" });
    const intent = anIntent({ units: { regBases: [REG_BASE] } });
    expect(summary(report({ intent, view: host({ unreadableUnits }) }))).toMatchObject({ UnitsTrusted: "True AllTrusted" });
  });

  it.each([
    ["with a driver", aDriver([aUnit({ state: "Unsupported", ecap: 0n })])],
    ["without any driver", { kind: "Unreadable", why: "no /dev/tdx_iommu" } as const],
  ])("of a host without TDX Connect, %s, say so and are no error", (_what, driver) => {
    expect(summary(report({ view: { driver, ...host({ units: [WITHOUT_CONNECT] }) } }))).toMatchObject({
      Supported: "False TdxConnectMissing",
      UnitsTrusted: "False TdxConnectMissing",
      Ready: "False TdxConnectMissing",
      Degraded: "False NoProblem",
    });
  });

  it("count a unit without TDX Connect only when the intent names it", () => {
    const units = [aUnit(), aUnit({ regBase: "0x1000", state: "Unsupported", ecap: 0n })];
    expect(summary(report({ view: { driver: aDriver(units) } }))).toMatchObject({ UnitsTrusted: "True AllTrusted" });
    const named = anIntent({ units: { regBases: [REG_BASE, "0x1000"] } });
    expect(summary(report({ view: { driver: aDriver(units) }, intent: named }))).toMatchObject({ UnitsTrusted: "False SomeNotTrusted" });
    const alone = anIntent({ units: { regBases: ["0x1000"] } });
    expect(summary(report({ view: { driver: aDriver(units) }, intent: alone }))).toMatchObject({ Ready: "False SomeNotTrusted" });
  });

  it.each([
    ["the resource is not registered", [{ ...REGISTERED, registered: false }], `${GPU} is not registered with kubelet yet`],
    ["the resource is not served", [], `${GPU} is not registered with kubelet yet`],
    ["kubelet was sent an older list", [{ ...REGISTERED, ids: [] }], "kubelet does not list 0000:17:00.0 yet"],
  ])("are neither ready nor offered while kubelet does not have them: %s", (_what, publications, summaryText) => {
    const status = report({ view: { publications } });
    expect(summary(status)).toMatchObject({ Ready: "False NotYetAsIntended", DevicesOffered: "False NoneOffered" });
    expect(status).toMatchObject({ summary: summaryText, counts: { devicesOffered: 0, devicesWithheld: 1 } });
    expect(status.devices).toMatchObject([{ offered: false, reason: "AwaitingKubelet" }]);
    expect(stoppedReport(status, "2026-01-01T00:00:09Z").devices).toMatchObject([{ offered: false, reason: "AgentStopped" }]);
    const without = report({ view: { publications }, hasKubelet: false });
    expect(summary(without)).toMatchObject({ Ready: "True AsIntended" });
    expect(without.devices).toMatchObject([{ offered: true, reason: "Offered" }]);
  });

  it.each([
    ["IntentInvalid", { intentProblem: "spec.units: wrong" }],
    ["HostUnreadable", { view: { host: { kind: "Unreadable", why: "EIO" } } }],
    ["DriverUnreadable", { view: { driver: { kind: "Unreadable", why: "EIO" } } }],
    ["PagesRetained", { view: { driver: aDriver([aUnit({ pagesRetained: 6 })]) } }],
    ["UnitFailed", { view: { driver: aDriver([aUnit({ state: "Unknown", tdxIommuId: 1n })]) } }],
    ["DriverTooOld", TOO_OLD],
    ["LinkSecuredOutside", { view: host(linked({ state: "Secure", tsm: "tsm0", streamSecure: "Yes" })) }],
    ["CdiUnwritable", { specProblem: "EROFS" }],
    ["CdiStale", { specProblem: "EROFS", staleSpecs: ["teeio.dev/gpu=0000:17:00.0"] }],
    ["ProofUnwritable", { proofProblem: "ENOSPC" }],
    ["AuditUnwritable", { auditProblem: "ENOSPC" }],
    ["RegistrationFailed", { view: { publications: [{ ...REGISTERED, problem: "refused" }] } }],
    ["ViewUnreadable", { view: { podResources: { kind: "Unreadable", why: "no kubelet" } } }],
    ["ViewUnreadable", { view: { pods: { kind: "Unreadable", why: "timeout" } } }],
    ["ViewUnreadable", { ...HELD, view: host({ functions: [aFunction({ holders: HIDDEN })] }) }],
    ["DevicesWithheld", { view: host(linked(BROKEN)) }],
    ["DevicesWithheld", { view: host(linked(UNKNOWN)) }],
    ["DevicesWithheld", { view: host({ functions: [aFunction({ teeIo: "Unknown" })] }) }],
    ["DevicesWithheld", { view: host({ functions: [aFunction({ unit: { kind: "Unreadable", why: "EIO" } })] }) }],
    ["DevicesWithheld", HELD],
    ["LinkSecuredBeforeSetup", { view: { ...UNTRUSTED, ...host(linked(SECURED)) } }],
    // What works all the same does not hide what does not.
    ["CdiUnwritable", { specProblem: "EROFS", view: { driver: aDriver([aUnit({ pagesRetained: 6 })]) } }],
  ] as readonly (readonly [string, World])[])("are degraded by %s", (reason, world) => {
    expect(summary(report(world))["Degraded"]).toBe(`True ${reason}`);
  });
});

describe("a unit that the loaded driver is too old to clear", () => {
  it("keeps the node from being ready, and ClearBlocked says what to load", () => {
    const status = report(TOO_OLD);
    expect(summary(status)).toMatchObject({ Ready: "False DriverTooOld", ClearBlocked: "True DriverTooOld" });
    expect(status.conditions.find(({ type }) => type === "ClearBlocked")?.message).toMatch(/^0xfed90000: .*load the installed one/);
  });
});

describe("devices that the spec wants and that are withheld", () => {
  const addresses = ["17", "18", "19", "1a"].map((bus) => `0000:${bus}:00.0`);
  const withheld = (functions: readonly PciFunction[], intent = anIntent(), link = BROKEN): Condition | undefined =>
    report({ view: host(linked(link, functions)), intent }).conditions.find(({ type }) => type === "Degraded");

  it("keep the node from being ready, and the message says why, which, and what to do, in bounds", () => {
    const broken = linked(
      BROKEN,
      addresses.map((address) => aFunction({ address })),
    );
    const unknown = linked(UNKNOWN, [aFunction({ address: "0000:1b:00.0" })]);
    const before = host({ functions: addresses.map((address) => aFunction({ address })) });
    const status = report({
      before,
      view: host({ functions: [...broken.functions, ...unknown.functions], slots: [...broken.slots, ...unknown.slots] }),
    });
    expect(summary(status)).toMatchObject({ Ready: "False DevicesWithheld", Degraded: "True DevicesWithheld" });
    expect(status.summary).toBe(
      "LinkUnknown: 0000:1b:00.0 (its IDE registers or tsm/connect cannot be read); " +
        "LinkBroken: 0000:17:00.0, 0000:18:00.0, 0000:19:00.0 and 1 more (disconnect the link, it was reset or lost)",
    );
  });

  it("with a stream that no TSM has made say what can be done instead of a disconnect", () => {
    const text = "no TSM is connected to it: let the program that made its IDE stream end it, else reboot the host";
    expect(withheld([aFunction()], anIntent(), { ...BROKEN, tsm: "" })?.message).toBe(`LinkBroken: 0000:17:00.0 (${text})`);
    const both = [linked(BROKEN, [aFunction({ address: "0000:18:00.0" })]), linked({ ...BROKEN, tsm: "" })];
    const view = host({ functions: both.flatMap((one) => one.functions), slots: both.flatMap((one) => one.slots) });
    const before = host({ functions: [aFunction(), aFunction({ address: "0000:18:00.0" })] });
    expect(report({ before, view }).conditions.find(({ type }) => type === "Degraded")?.message).toBe(
      `LinkBroken: 0000:18:00.0 (disconnect the link, it was reset or lost); LinkBroken: 0000:17:00.0 (${text})`,
    );
  });

  it("are named by the link that a person can release, once", () => {
    const functions = ["0000:17:00.0", "0000:17:00.1", "0000:17:00.2"].map((address) => aFunction({ address }));
    expect(withheld(functions)?.message).toBe("LinkBroken: 0000:17:00.0 (disconnect the link, it was reset or lost)");
  });

  it.each<[string, Partial<PciFunction>, Partial<Intent>, Link?]>([
    ["that no resource matches", { vendor: "8086" }, {}],
    ["below a unit that is not selected", {}, { units: { regBases: ["0x1000"] } }],
    ["while the intent is Cleared", {}, { state: "Cleared" }],
    ["that another driver has", { vfioCdev: null }, {}, INSECURE],
    ["that cannot do TEE-I/O", { teeIo: "No" }, {}],
  ])("are none %s", (_what, changed, intent, link = BROKEN) => {
    expect(withheld([aFunction(changed)], anIntent(intent), link)?.reason).not.toBe("DevicesWithheld");
  });

  it("are none below a unit without TDX Connect", () => {
    const view = { driver: aDriver([aUnit({ state: "Unsupported", ecap: 0n })]), ...host({ functions: [aFunction({ teeIo: "Unknown" })] }) };
    expect(summary(report({ view }))["Degraded"]).toBe("False NoProblem");
  });

  it("are none while SETUP of their unit runs", () => {
    expect(summary(report({ view: UNTRUSTED }))["Degraded"]).toBe("False NoProblem");
  });
});

describe("a link that was secured before SETUP", () => {
  const port = aFunction({ address: "0000:16:01.0", vendor: "8086", class: "0604", rootPort: null, teeIo: "No" });
  const virtual = aFunction({ address: "0000:17:00.4", functionType: "Virtual", physicalFunction: "0000:17:00.0" });

  it("is named by the endpoint that can release it, and not by its root port", () => {
    const status = report({ view: { ...UNTRUSTED, ...host(linked(SECURED, [port, aFunction(), virtual])) } });
    expect(status.units).toMatchObject([{ reason: "LinkSecuredBeforeSetup", message: "0000:17:00.0" }]);
    expect(status.conditions.find(({ type }) => type === "Degraded")?.message).toBe(`${REG_BASE}: release the link of 0000:17:00.0`);
    expect(status.devices.map(({ message }) => message)).toEqual([
      "link Secure, not read insecure since SETUP, unit Untrusted; release the link of 0000:17:00.0",
      "link Secure, not read insecure since SETUP, unit Untrusted; release the link of 0000:17:00.0",
    ]);
  });

  it("says so when there is nothing to release: no TSM has made the stream", () => {
    const status = report({ view: { ...UNTRUSTED, ...host(linked({ ...SECURED, tsm: "", streamSecure: "No" }, [port, aFunction()])) } });
    expect(status.units).toMatchObject([{ message: "0000:17:00.0 (no TSM is connected to it)" }]);
    expect(status.devices.map(({ message }) => message)).toEqual([
      expect.stringMatching(/; no TSM is connected to it: let the program that made its IDE stream end it, else reboot the host$/),
    ]);
  });

  it("is a matter of Degraded also when the spec wants no device behind it", () => {
    const other = linked(SECURED, [aFunction({ vendor: "8086" })]);
    expect(summary(report({ view: { ...UNTRUSTED, ...host(other) } }))["Degraded"]).toBe("True LinkSecuredBeforeSetup");
  });
});

describe("a unit that the driver does not list", () => {
  const other = aHostUnit({ regBase: "0x1000", kernelName: "dmar1" });
  const view = host({ units: [aHostUnit(), other] });

  it("makes a node that it is selected on degraded, and says who lists it", () => {
    const status = report({ view });
    expect(summary(status)).toMatchObject({ UnitsTrusted: "False SomeNotTrusted", Ready: "False UnitFailed", Degraded: "True UnitFailed" });
    expect(status.summary).toBe("0x1000: NotListedByDriver (the kernel lists it as dmar1, simulated does not)");
  });

  it("is no matter of a node whose intent leaves it out", () => {
    const status = report({ view, intent: anIntent({ units: { regBases: [REG_BASE] } }) });
    expect(summary(status)).toMatchObject({ UnitsTrusted: "True AllTrusted", Ready: "True AsIntended", Degraded: "False NoProblem" });
    expect(status.units.map((unit) => unit.reason)).toContain("NotListedByDriver");
  });
});

describe("a node that has lost pages", () => {
  it("is degraded and ready: its units are trusted all the same", () => {
    expect(summary(report({ view: { driver: aDriver([aUnit({ pagesRetained: 6 })]) } }))).toMatchObject({
      Degraded: "True PagesRetained",
      Ready: "True AsIntended",
    });
  });
});

describe("a view that cannot be read", () => {
  const podResources = { kind: "Unreadable", why: "no kubelet" } as const;

  it("keeps the node from being ready, and the condition names it", () => {
    const status = report({ view: { podResources } });
    expect(summary(status)["Ready"]).toBe("False ViewUnreadable");
    expect(status.summary).toBe("cannot read podresources: no kubelet");
  });

  it("is no matter of Degraded while the intent is Cleared: ClearBlocked tells", () => {
    const intent = anIntent({ state: "Cleared" });
    expect(summary(report({ view: { podResources }, intent }))).toMatchObject({ Degraded: "False NoProblem", ClearBlocked: "True ViewUnreadable" });
  });

  it("is none when it is the holders of a device that nobody holds", () => {
    expect(summary(report({ view: host({ functions: [aFunction({ holders: HIDDEN })] }) }))["Degraded"]).toBe("False NoProblem");
  });

  it.each([
    ["podresources: no kubelet", { podResources }],
    ["pods of this node: timeout", { pods: { kind: "Unreadable", why: "timeout" } as const }],
    ["0000:17:00.0 vfio holders: open files of process 1: EACCES", host({ functions: [aFunction({ holders: HIDDEN })] })],
  ])("is named by a device that waits to be seen free: %s", (what, view) => {
    const [device] = report({ ...HELD, view }).devices;
    expect(device).toMatchObject({ reason: "HeldAcrossTrustLoss", message: `held since epoch unproven; cannot read ${what}` });
  });
});

describe("the report of a stopped agent", () => {
  it("offers nothing and leaves units as they are", () => {
    const stopped = stoppedReport(report({}), "2026-01-01T00:00:09Z");
    expect(stopped.devices).toMatchObject([{ offered: false, reason: "AgentStopped" }]);
    expect(stopped.units).toMatchObject([{ state: "Trusted" }]);
    expect(summary(stopped)).toMatchObject({ Ready: "False AgentStopped", DevicesOffered: "False AgentStopped" });
    expect(stopped.conditions.find((condition) => condition.type === "Ready")?.lastTransitionTime).toBe("2026-01-01T00:00:09Z");
  });
});

it("Degraded says which pool is withdrawn, beside a write that failed", () => {
  const withdrawn = "pool n1/pci0000-16: a device is in it twice";
  const [rule] = anIntent().resources;
  if (rule === undefined) expect.fail("the intent of the builders has no resource");
  const intent = anIntent({ resources: [{ ...rule, ledger: "DRA" }] });
  const degraded = (slices: { withdrawn: string; problem: string }) =>
    report({ intent, view: { dra: aDraView({ slices }) } }).conditions.find(({ type }) => type === "Degraded");
  expect(degraded({ withdrawn, problem: "" })).toMatchObject({ reason: "SlicesUnwritable", message: expect.stringContaining(withdrawn) });
  expect(degraded({ withdrawn, problem: "403" })?.message).toContain(`${withdrawn}; 403`);
  expect(degraded({ withdrawn: "", problem: "" })?.reason).not.toBe("SlicesUnwritable");
});

it("Degraded says that slices cannot be written also when they only list what the spec takes back", () => {
  const problem = "resourceslices is forbidden";
  const degraded = (addresses: readonly string[]) => {
    const listed = addresses.map((address) => ({ address, pool: "n1/pci0000-16", taints: [], streams: 0 }));
    const registration = { registered: false, inCalls: [], problem: "no socket" };
    const dra = aDraView({ slices: { listed, problem }, plugin: registration });
    return report({ view: { dra } }).conditions.find(({ type }) => type === "Degraded");
  };
  expect(degraded(["0000:17:00.0"])).toMatchObject({ status: "True", reason: "SlicesUnwritable", message: problem });
  expect(degraded([])).toMatchObject({ status: "False" });
});

it("DevicesOffered names the fields of slices that the API server drops, and what the cluster does without them", () => {
  const [rule] = anIntent().resources;
  if (rule === undefined) expect.fail("the intent of the builders has no resource");
  const offered = (dropped: readonly string[], ledger: "DRA" | "DevicePlugin" = "DRA") =>
    report({ intent: anIntent({ resources: [{ ...rule, ledger }] }), view: { dra: aDraView({ slices: { dropped } }) } }).conditions.find(
      ({ type }) => type === "DevicesOffered",
    )?.message ?? "";
  expect(offered(["bindingConditions", "bindingFailureConditions", "consumesCounters", "sharedCounters", "taints"])).toMatch(
    /; the API server drops fields of ResourceSlices: bindingConditions, bindingFailureConditions \(pods are bound .*\); consumesCounters, sharedCounters \(.*IDE streams\); taints \(.*\)$/,
  );
  expect(offered(["taints"])).toMatch(/ResourceSlices: taints \(/);
  expect(offered([])).not.toContain("drops");
  expect(offered(["taints"], "DevicePlugin")).not.toContain("drops");
});
