// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { foreignInGroup } from "../../../src/domain/binds/wish.ts";
import { NO_BIND_WORK, noteBindBegins, noteBindEnds, noteBindStuck, noteBindWaits } from "../../../src/domain/binds/work.ts";
import type { Binding, PciFunction } from "../../../src/domain/device.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Hold } from "../../../src/domain/holds.ts";
import type { DriverBind, Intent } from "../../../src/domain/intent.ts";
import { type Memory, remember } from "../../../src/domain/memory.ts";
import { planBind, planBinds } from "../../../src/domain/plan/binds.ts";
import type { Slot } from "../../../src/domain/slot.ts";
import type { NodeView } from "../../../src/domain/view.ts";
import { aDriver, aFunction, aHost, aMemory, anIntent, aSlot, aUnit, aView, GPU, INSTANCE, KUBELET } from "../../support/builders.ts";

const DEVICE = "0000:17:00.0";
const FREE: Binding = { override: "", virtualFunctions: 0, users: [], problem: "" };
const OWN = { driver: "nvme", vfioCdev: null, binding: FREE };
const ON_VFIO = { driver: "vfio-pci", binding: { ...FREE, override: "vfio-pci" } };
const withBind = (bind: DriverBind): Intent =>
  anIntent({ resources: [{ name: GPU, ledger: "DevicePlugin", driver: { bind }, match: { vendors: ["10de"] } }] });
const VFIO = withBind("Vfio");
const NATIVE = withBind("Native");
const HELD: Hold = { epoch: `${INSTANCE}/0x1`, resource: GPU, node: null, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null };
const publication = { resource: GPU, serving: true, registered: true, kubelet: KUBELET, callsInFlight: 0, inCalls: [], ids: [DEVICE], problem: "" };

interface Given {
  readonly fn?: Partial<PciFunction>;
  readonly slot?: Partial<Slot>;
  readonly memory?: Partial<Memory>;
  readonly view?: Partial<NodeView>;
}

function inputs(intent: Intent, { fn, slot, memory, view }: Given) {
  const host = { kind: "Read" as const, value: aHost({ functions: [aFunction({ ...fn })], slots: [aSlot({ ...slot })] }) };
  return { intent, ground: groundFrom(aView({ host, ...view })), memory: aMemory(memory) };
}

const toVfio = (given: Given = {}) => planBind(inputs(VFIO, { ...given, fn: { ...OWN, ...given.fn } }), DEVICE);
/** Free for longer than the settling time, at the time of `aView`. */
const freed = { bindWork: { ...NO_BIND_WORK, freeSince: new Map([[DEVICE, 0]]) } };
const toNative = (given: Given = {}) =>
  planBind(inputs(NATIVE, { ...given, fn: { ...ON_VFIO, ...given.fn }, memory: { ...freed, ...given.memory } }), DEVICE);

describe("which drivers are changed", () => {
  it("none where the spec keeps them, and none of a function that has the right one", () => {
    expect(planBinds(inputs(anIntent(), { fn: OWN }))).toEqual([]);
    expect(planBinds(inputs(VFIO, { fn: ON_VFIO }))).toEqual([]);
    expect(planBinds(inputs(NATIVE, { fn: OWN }))).toEqual([]);
    expect(planBinds(inputs(NATIVE, { fn: { driver: null, vfioCdev: null, binding: FREE } }))).toEqual([]);
  });

  it.each([
    ["no resource takes it", { vendor: "1234" }],
    ["it has no TEE-I/O", { teeIo: "No" }],
    ["it is below no unit", { unit: { kind: "None" } }],
  ] as const)("none where %s", (_why, fn) => {
    for (const intent of [VFIO, NATIVE]) expect(planBinds(inputs(intent, { fn: { ...OWN, ...fn } }))).toEqual([]);
  });

  it("none of a unit that is not selected, and not for pods while the intent is Cleared", () => {
    for (const intent of [VFIO, NATIVE]) expect(planBinds(inputs({ ...intent, units: { regBases: ["0x1000"] } }, { fn: ON_VFIO }))).toEqual([]);
    expect(planBinds(inputs({ ...VFIO, state: "Cleared" }, { fn: OWN }))).toEqual([]);
    expect(planBinds(inputs({ ...NATIVE, state: "Cleared" }, { fn: ON_VFIO, memory: freed }))[0]?.step).toMatchObject({ to: "Native" });
  });
});

describe("vfio-pci for a function", () => {
  it("comes when nothing else keeps it from being offered", () => {
    expect(toVfio()?.step).toEqual({ kind: "Bind", address: DEVICE, to: "Vfio" });
    // A helper was killed between its writes.
    expect(toVfio({ fn: { driver: null, binding: { ...FREE, override: "vfio-pci" } } })?.step).toMatchObject({ to: "Vfio" });
  });

  it.each([
    ["its unit is not trusted", { view: { driver: aDriver([aUnit({ state: "Untrusted" })]) } }, ""],
    ["it is mounted", { fn: { binding: { ...FREE, users: ["nvme0n1 is mounted at /"] } } }, "mounted at /"],
    ["that cannot be told", { fn: { binding: { ...FREE, problem: "net: EIO" } } }, "net: EIO"],
    ["it has not been read", { fn: { binding: null } }, "not been read"],
    ["somebody else has overridden it", { fn: { binding: { ...FREE, override: "nvgrace_gpu_vfio_pci" } } }, "nvgrace_gpu_vfio_pci"],
    ["it has virtual functions", { fn: { binding: { ...FREE, virtualFunctions: 2 } } }, "2 virtual functions"],
    ["a process has it open", { fn: { holders: { kind: "Known", pids: [4711] } } }, "4711"],
    ["that cannot be read", { fn: { holders: { kind: "Unreadable", why: "EACCES" } } }, "EACCES"],
    ["a TD has it", { fn: { bound: "Yes" } }, "tsm/bound"],
    ["its link is secured", { slot: { link: { state: "Secure", tsm: "", streamSecure: "Yes" } } }, "its link is secured"],
    [
      "its link is being written",
      { memory: { linkWork: { ...aMemory().linkWork, writing: { owner: DEVICE, kind: "Connect", sinceMs: 0 } } } },
      "written",
    ],
    ["a pod has it", { memory: { holds: new Map([[DEVICE, HELD]]) } }, "a pod has it"],
    ["its group is shared", { memory: { foreignInGroup: new Map([[DEVICE, ["0000:17:00.1"]]]) } }, ""],
  ] as const)("does not while %s", (_why, given, message) => {
    const verdict = toVfio(given as Given);
    expect(verdict?.step).toBeNull();
    expect(verdict?.message).toContain(message);
  });
});

describe("its own driver for a function", () => {
  it("comes back when it was free for the settling time, also where only the override is left", () => {
    expect(toNative()?.step).toEqual({ kind: "Bind", address: DEVICE, to: "Native" });
    expect(toNative({ fn: { driver: null, vfioCdev: null } })?.step).toMatchObject({ to: "Native" });
  });

  it("waits out the settling time, from the first free view and from the agent's start", () => {
    const since = (ms: number) => ({ bindWork: { ...NO_BIND_WORK, freeSince: new Map([[DEVICE, ms]]) } });
    expect(toNative({ memory: since(95_000) })).toMatchObject({ step: null, wakeAtMs: 105_000 });
    expect(toNative({ memory: { startedMs: 98_000 } })).toMatchObject({ step: null, wakeAtMs: 108_000 });
  });

  it.each([
    ["kubelet lists it", { view: { publications: [publication] } }, "kubelet still lists it"],
    ["a pod has it", { memory: { holds: new Map([[DEVICE, HELD]]) } }, "pod ml/train"],
    ["a process has it open", { fn: { holders: { kind: "Known", pids: [4711] } } }, "pid 4711"],
    ["podresources cannot be read", { view: { podResources: { kind: "Unreadable", why: "EPERM" } } }, "EPERM"],
    ["no view has shown it free", { memory: { bindWork: NO_BIND_WORK } }, "not known to be free"],
    ["it has virtual functions", { fn: { binding: { ...FREE, override: "vfio-pci", virtualFunctions: 1 } } }, "virtual functions"],
    ["its link is secured", { slot: { link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } } }, "its link is secured"],
  ] as const)("does not while %s", (_why, given, message) => {
    expect(toNative(given as Given)).toMatchObject({ step: null, message: expect.stringContaining(message) });
  });

  it("begins to count when every view shows it free, and forgets that when one does not", () => {
    const free = inputs(NATIVE, { fn: ON_VFIO });
    const after = remember(free.memory, free.intent, free.ground);
    expect(after.bindWork.freeSince.get(DEVICE)).toBe(100_000);
    const open = inputs(NATIVE, { fn: { ...ON_VFIO, holders: { kind: "Known", pids: [1] } }, memory: { ...after } });
    expect(remember(after, open.intent, open.ground).bindWork.freeSince.size).toBe(0);
    const blind = { ...open.ground, view: { ...open.ground.view, host: { kind: "Unreadable" as const, why: "EIO" } } };
    expect(remember(after, open.intent, blind).bindWork.freeSince.size).toBe(0);
  });
});

describe("changes of drivers over time", () => {
  const begun = noteBindBegins(NO_BIND_WORK, DEVICE, { to: "Vfio", sinceMs: 0, pid: 7 });
  const failed = (work: typeof NO_BIND_WORK, nowMs: number) =>
    noteBindEnds(work, { address: DEVICE, end: { kind: "Refused", at: "driver", errno: "ENODEV" }, nowMs });

  it("are not begun twice, also when one is stuck", () => {
    for (const bindWork of [begun, noteBindStuck(begun, DEVICE)]) expect(toVfio({ memory: { bindWork } })).toMatchObject({ step: null });
    const inUse = noteBindEnds(begun, { address: DEVICE, end: { kind: "Refused", at: "disk", errno: "EBUSY" }, nowMs: 0 });
    expect(inUse.failures.get(DEVICE)).toMatchObject({ isInUse: true, problem: expect.stringContaining("uses a disk of it") });
    expect(noteBindEnds(noteBindStuck(begun, DEVICE), { address: DEVICE, end: { kind: "Changed" }, nowMs: 0 })).toEqual(NO_BIND_WORK);
    expect(noteBindStuck(NO_BIND_WORK, DEVICE)).toBe(NO_BIND_WORK);
  });

  it("are tried again: soon three times, then every five minutes", () => {
    let work = NO_BIND_WORK;
    for (const delayMs of [1_000, 2_000, 300_000]) {
      work = failed(work, 99_000);
      expect(toVfio({ memory: { bindWork: work } })).toMatchObject(
        delayMs <= 1_000 ? { step: { to: "Vfio" } } : { step: null, wakeAtMs: 99_000 + delayMs, message: expect.stringContaining("vfio-pci loaded") },
      );
    }
  });

  it("forget their failures once the function has the driver", () => {
    const { ground, intent } = inputs(VFIO, { fn: ON_VFIO });
    expect(remember(aMemory({ bindWork: failed(begun, 0) }), intent, ground).bindWork.failures.size).toBe(0);
  });

  it("say what they wait for", () => {
    const waiting = noteBindWaits(NO_BIND_WORK, [{ address: DEVICE, message: "pid 1" }]);
    expect(waiting.waits.get(DEVICE)).toBe("pid 1");
    expect(noteBindWaits(waiting, []).waits.size).toBe(0);
    expect(noteBindWaits(NO_BIND_WORK, [])).toBe(NO_BIND_WORK);
  });
});

describe("functions that share an IOMMU group", () => {
  const other = (over: Partial<PciFunction>) => aFunction({ address: "0000:17:00.1", ...over });
  const shared = (one: PciFunction) => foreignInGroup(VFIO, { functions: new Map([aFunction(), one].map((fn) => [fn.address, fn])) });

  it("are named when no resource takes them", () => {
    expect(shared(other({ vendor: "8086" }))).toEqual(new Map([[DEVICE, ["0000:17:00.1"]]]));
  });

  it.each([
    ["a resource takes", {}],
    ["are in another group", { vendor: "8086", iommuGroup: "13" }],
    ["are in none", { vendor: "8086", iommuGroup: null }],
    ["are bridges", { vendor: "8086", class: "0604" }],
  ] as const)("are not when they %s", (_what, over) => {
    expect(shared(other(over)).size).toBe(0);
  });
});
