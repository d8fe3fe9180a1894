// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { aBinding, aFunction, aHost, aMemory, anIntent, aPod, aUnit, aView, GPU, INSTANCE, podsRead, REG_BASE } from "../testing/builders.ts";
import { deviceStatus, nodeStatus, unitStatus } from "../testing/node-status.ts";
import { groundFrom } from "./ground.ts";
import { clearanceOf, emptyMemory, noteAnswer, noteCall, noteSuspects, noteUnchecked, remember } from "./memory.ts";
import type { DeviceStatus, NodeStatus } from "./status.ts";
import type { NodeView } from "./view.ts";

const DEVICE = "0000:17:00.0";
const EPOCH = `${INSTANCE}/0x1`;
const CLEARED = anIntent({ state: "Cleared" });
const at = (nowMs: number, overrides: Partial<NodeView> = {}) => groundFrom(aView({ nowMs, ...overrides }));
const held = (kubeletSinceMs = 0): Partial<NodeView> => ({
  podResources: { kind: "Read", allocatable: [], pods: [{ namespace: "ml", pod: "train", resource: GPU, ids: [DEVICE] }], kubeletSinceMs },
});

describe("holds", () => {
  it("remember the epoch of our answer, however often trust changes afterwards", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, atMs: 1_000, epoch: EPOCH });
    const later = remember(answered, anIntent(), at(2_000, { ...held(), binding: aBinding([aUnit({ setupSeq: 9n })]) }));
    expect(later.holds.get(DEVICE)).toEqual({ epoch: EPOCH, resource: GPU, pod: "ml/train", freeSinceMs: null });
  });

  it("under another name than the one we answered for are not ours to vouch for", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: "teeio.dev/other", atMs: 1_000, epoch: EPOCH });
    expect(remember(answered, anIntent(), at(2_000, held())).holds.get(DEVICE)).toMatchObject({ epoch: null, resource: GPU });
  });

  it("of one device by two pods, under our name and under another, prove nothing", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, atMs: 1_000, epoch: EPOCH });
    const ours = { namespace: "ml", pod: "train", resource: GPU, ids: [DEVICE] };
    const other = { namespace: "ml", pod: "older", resource: "teeio.dev/other", ids: [DEVICE] };
    for (const pods of [
      [ours, other],
      [other, ours],
    ]) {
      const podResources = { kind: "Read" as const, allocatable: [], pods, kubeletSinceMs: 0 };
      expect(remember(answered, anIntent(), at(2_000, { podResources })).holds.get(DEVICE)?.epoch).toBeNull();
    }
  });

  it("of which nobody knows the beginning have no epoch", () => {
    expect(remember(aMemory(), anIntent(), at(2_000, held())).holds.get(DEVICE)?.epoch).toBeNull();
  });

  it("found at start take the epoch that the last status proves: it showed the device in use and offered all the same", () => {
    const units = [unitStatus({ regBase: REG_BASE, setupSeq: "0x1" })];
    const tdxModule = { ...nodeStatus().tdxModule, instance: INSTANCE };
    const epochAfter = (device: Partial<DeviceStatus>): string | null | undefined => {
      const last = nodeStatus({ tdxModule, units, devices: [deviceStatus({ address: DEVICE, regBase: REG_BASE, ...device })] });
      return remember(emptyMemory(0, 10_000, last), anIntent(), at(2_000, held())).holds.get(DEVICE)?.epoch;
    };
    const usedBy = { pod: "ml/train" };
    expect(epochAfter({ usedBy })).toBe(EPOCH);
    expect(epochAfter({ usedBy, offered: false, reason: "AgentStopped" })).toBe(EPOCH);
    expect(epochAfter({ usedBy, offered: false, reason: "HeldAcrossTrustLoss" })).toBeNull();
    expect(epochAfter({ usedBy: null })).toBeNull();
  });

  it("are of PCI devices only: podresources names those of every plugin", () => {
    const pods = [{ namespace: "ml", pod: "train", resource: "nvidia.com/gpu", ids: ["GPU-4711"] }];
    const view: Partial<NodeView> = { podResources: { kind: "Read", allocatable: [], pods, kubeletSinceMs: 0 } };
    const memory = remember(aMemory(), CLEARED, at(2_000, view));
    expect(memory.holds.size).toBe(0);
    expect(clearanceOf(memory, at(2_000, view), REG_BASE).uses).toEqual([]);
  });

  it("outlive a podresources that is empty just after a kubelet start", () => {
    const before = remember(aMemory(), anIntent(), at(2_000, held()));
    const restarted = { podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 50_000 } } as const;
    const empty = remember(before, anIntent(), at(50_500, restarted));
    expect(remember(empty, anIntent(), at(51_000, held(50_000))).holds.get(DEVICE)?.epoch).toBeNull();
  });

  it("end when every view has shown the device free for the settling time", () => {
    const first = remember(remember(aMemory(), anIntent(), at(20_000, held())), anIntent(), at(30_000));
    expect(remember(first, anIntent(), at(39_999)).holds.has(DEVICE)).toBe(true);
    expect(remember(first, anIntent(), at(40_000)).holds.has(DEVICE)).toBe(false);
  });

  it("of the unit's present epoch do not end while podresources leaves out a pod that the API shows alive, as a kubelet does that is cut off from it", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, atMs: 19_000, epoch: EPOCH });
    const first = remember(remember(answered, anIntent(), at(20_000, held())), anIntent(), at(30_000));
    const blind = { pods: podsRead(aPod()) };
    expect(first.holds.get(DEVICE)).toMatchObject({ epoch: EPOCH, freeSinceMs: 30_000 });
    expect(remember(first, anIntent(), at(3_600_000, blind)).holds.get(DEVICE)).toMatchObject({ freeSinceMs: null });
  });

  it("begin to end, and end, only when the API was asked", () => {
    const notAsked = { pods: { kind: "NotAsked" as const } };
    const before = remember(aMemory(), anIntent(), at(20_000, held()));
    expect(remember(before, anIntent(), at(30_000, notAsked)).holds.get(DEVICE)?.freeSinceMs).toBeNull();
    const ending = remember(before, anIntent(), at(30_000));
    expect(remember(ending, anIntent(), at(35_000, notAsked)).holds.get(DEVICE)?.freeSinceMs).toBe(30_000);
    expect(remember(ending, anIntent(), at(90_000, notAsked)).holds.get(DEVICE)?.freeSinceMs).toBe(30_000);
    expect(remember(ending, anIntent(), at(90_000)).holds.has(DEVICE)).toBe(false);
  });

  it("end after two seconds without a settling time, which is what kubelet needs to show them, and at once without a kubelet", () => {
    const answered = noteAnswer(aMemory({ settleMs: 0 }), { address: DEVICE, resource: GPU, atMs: 50_000, epoch: EPOCH });
    const isHeld = (ground: ReturnType<typeof at>): boolean => remember(answered, anIntent(), ground).holds.has(DEVICE);
    expect([isHeld(at(50_000)), isHeld(at(51_999)), isHeld(at(52_000))]).toEqual([true, true, false]);
    expect(isHeld(at(50_000, { podResources: { kind: "None" } }))).toBe(false);
  });

  it("do not end while the function's holders cannot be read", () => {
    const first = remember(aMemory(), anIntent(), at(20_000, held()));
    const hidden = aFunction({ holders: { kind: "Unreadable", why: "EACCES" } });
    const blind: Partial<NodeView> = { host: { kind: "Read", value: aHost({ functions: [hidden] }) } };
    expect(remember(first, anIntent(), at(90_000, blind)).holds.get(DEVICE)?.freeSinceMs).toBeNull();
  });

  it("do not end while podresources cannot be read", () => {
    const first = remember(aMemory(), anIntent(), at(20_000, held()));
    const blind = { podResources: { kind: "Unreadable", why: "ENOENT" } } as const;
    expect(remember(first, anIntent(), at(90_000, blind)).holds.get(DEVICE)?.freeSinceMs).toBeNull();
  });
});

describe("an answer of ours", () => {
  it("stands against CLEAR until kubelet must have shown it, whatever is configured", () => {
    const answers = [{ address: DEVICE, resource: GPU, atMs: 50_000, epoch: EPOCH }];
    const kinds = (nowMs: number, podResources: NodeView["podResources"] = aView().podResources): readonly string[] =>
      clearanceOf(aMemory({ settleMs: 0 }), at(nowMs, { answers, podResources }), REG_BASE).uses.map((use) => use.kind);
    expect([kinds(51_999), kinds(52_000)]).toEqual([["Answer"], []]);
    expect(kinds(50_000, { kind: "None" })).toEqual([]);
  });
});

describe("the settling time", () => {
  it("starts anew whenever a view shows a use", () => {
    const free = remember(aMemory(), CLEARED, at(20_000));
    expect(free.freeSince.get(REG_BASE)).toBe(20_000);
    const used = remember(
      free,
      CLEARED,
      at(25_000, { host: { kind: "Read", value: aHost({ functions: [aFunction({ holders: { kind: "Known", pids: [1] } })] }) } }),
    );
    expect(used.freeSince.has(REG_BASE)).toBe(false);
    expect(remember(used, CLEARED, at(28_000)).freeSince.get(REG_BASE)).toBe(28_000);
  });

  it("does not run while the intent is Trusted", () => {
    expect(remember(aMemory(), anIntent(), at(20_000)).freeSince.size).toBe(0);
  });
});

describe("suspects", () => {
  it("stay until their link reads insecure", () => {
    const suspicious = noteSuspects(aMemory(), REG_BASE, { addresses: [DEVICE], nowMs: 0 });
    const secure = aFunction({ link: { state: "Secure", tsm: "tsm0", bound: "No", streamSecure: "Yes" } });
    expect(remember(suspicious, anIntent(), at(1, { host: { kind: "Read", value: aHost({ functions: [secure] }) } })).suspects.has(DEVICE)).toBe(
      true,
    );
    expect(remember(suspicious, anIntent(), at(1)).suspects.has(DEVICE)).toBe(false);
  });
});

describe("an epoch that is seen for the first time", () => {
  const secure = aFunction({ link: { state: "Secure", tsm: "tsm0", bound: "No", streamSecure: "Yes" } });
  const secured = (nowMs: number) => at(nowMs, { host: { kind: "Read", value: aHost({ functions: [secure] }) } });
  const status = (unit: object, device: object) =>
    ({
      tdxModule: { instance: INSTANCE },
      units: [{ regBase: REG_BASE, state: "Trusted", setupSeq: "0x1", reason: "SetupSucceeded", ...unit }],
      devices: [{ address: DEVICE, regBase: REG_BASE, reason: "Offered", resource: GPU, usedBy: null, ...device }],
    }) as unknown as NodeStatus;

  it("makes every link that is not insecure suspect: nobody saw what came first", () => {
    expect(remember(aMemory(), anIntent(), secured(1_000)).suspects.has(DEVICE)).toBe(true);
  });

  it("believes the status of an earlier process that had checked this epoch", () => {
    expect(remember(emptyMemory(0, 10_000, status({}, {})), anIntent(), secured(1_000)).suspects.size).toBe(0);
  });

  it.each(["LinkUnknown", "HeldAcrossTrustLoss", "NoVfioDevice", "AgentStopped"])(
    "believes one that went on to withhold the device as %s",
    (reason) => {
      expect(remember(emptyMemory(0, 10_000, status({}, { reason })), anIntent(), secured(1_000)).suspects.size).toBe(0);
    },
  );

  it.each([
    ["suspected the device", status({}, { reason: "LinkSecuredBeforeSetup" })],
    ["may have suspected it: an earlier rule of the gate withheld it", status({}, { reason: "IntentCleared" })],
    ["did not know whether it can do TEE-I/O", status({}, { reason: "CapabilityUnknown" })],
    ["knew another epoch", status({ setupSeq: "0x7" }, {})],
    ["was still reading links again", status({ reason: "SetupRunning" }, {})],
  ])("does not when that process %s", (_what, last) => {
    expect(remember(emptyMemory(0, 10_000, last), anIntent(), secured(1_000)).suspects.has(DEVICE)).toBe(true);
  });

  it("in a table that is newer than the links is told from one whose links were looked at", () => {
    const known = remember(aMemory(), anIntent(), at(1_000));
    const verifying = (setupSeq: bigint) => noteUnchecked(known, at(2_000, { binding: aBinding([aUnit({ setupSeq })]) }).units).verifying;
    expect([...verifying(1n)]).toEqual([]);
    expect([...verifying(2n)]).toEqual([REG_BASE]);
  });

  it("suspects nobody who is secured later", () => {
    const checked = remember(aMemory(), anIntent(), at(1_000));
    expect(remember(checked, anIntent(), secured(2_000)).suspects.size).toBe(0);
  });

  it("suspects a virtual function that is made later, for the link of its physical function", () => {
    const virtual = aFunction({ ...secure, address: "0000:17:10.4", functionType: "Virtual", physicalFunction: "0000:17:00.1" });
    const found = remember(aMemory(), anIntent(), secured(1_000));
    const shown = (fn: typeof virtual) => at(2_000, { host: { kind: "Read", value: aHost({ functions: [secure, fn] }) } });
    expect(remember(found, anIntent(), shown(virtual)).suspects.has(virtual.address)).toBe(true);
    expect(remember(found, anIntent(), shown({ ...virtual, physicalFunction: "0000:18:00.0" })).suspects.has(virtual.address)).toBe(false);
    expect(remember(found, anIntent(), shown({ ...virtual, link: aFunction().link })).suspects.has(virtual.address)).toBe(false);
  });

  it("keeps a suspect that an older view shows insecure", () => {
    const noted = noteSuspects(aMemory(), REG_BASE, { addresses: [DEVICE], nowMs: 5_000 });
    expect(remember(noted, anIntent(), at(4_000)).suspects.has(DEVICE)).toBe(true);
    expect(remember(noted, anIntent(), at(6_000)).suspects.has(DEVICE)).toBe(false);
  });
});

describe("a hold of another epoch", () => {
  const stale = aMemory({
    holds: new Map([[DEVICE, { epoch: null, resource: GPU, pod: "ml/old", freeSinceMs: 0 }]]),
    lastUnits: new Map([[DEVICE, REG_BASE]]),
    resources: new Set([GPU]),
  });
  const pod = aPod({ name: "old", terminating: true });

  it("lasts while the API shows a terminating pod that podresources leaves out", () => {
    expect(remember(stale, anIntent(), at(90_000, { pods: podsRead(pod) })).holds.has(DEVICE)).toBe(true);
  });

  it.each([{ kind: "NotAsked" as const }, { kind: "Unreadable" as const, why: "timeout" }])("lasts while the pods are %j", (pods) => {
    expect(remember(stale, anIntent(), at(90_000, { pods })).holds.has(DEVICE)).toBe(true);
  });

  it("ends when the API agrees", () => {
    expect(remember(stale, anIntent(), at(90_000)).holds.has(DEVICE)).toBe(false);
  });
});

describe("resource names", () => {
  it("of other plugins whose devices cannot do TEE-I/O are not taken for ours", () => {
    const pods = [{ namespace: "ml", pod: "net", resource: "intel.com/nic", ids: [DEVICE] }];
    const host = { kind: "Read" as const, value: aHost({ functions: [aFunction({ teeIo: "No" })] }) };
    const view = at(1_000, { host, podResources: { kind: "Read", allocatable: [], pods, kubeletSinceMs: 0 } });
    expect(remember(aMemory(), anIntent(), view).resources.has("intel.com/nic")).toBe(false);
  });
});

describe("attempts", () => {
  it("count repeats and forget them at the first success", () => {
    const call = { regBase: REG_BASE, leaf: "TDH.IOMMU.SETUP" as const, instance: INSTANCE, repeat: true, nowMs: 5, problem: "WRITER_BUSY" };
    const twice = noteCall(noteCall(aMemory(), call), call);
    expect(twice.attempts.get(REG_BASE)).toMatchObject({ count: 2, lastMs: 5, problem: "WRITER_BUSY" });
    expect(noteCall(twice, { ...call, repeat: false }).attempts.size).toBe(0);
  });
});
