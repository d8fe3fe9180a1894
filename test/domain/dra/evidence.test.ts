// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { clearanceOf } from "../../../src/domain/clearance.ts";
import type { ClaimFile } from "../../../src/domain/dra/claim-file.ts";
import { addressOfDraDevice, DRA_DRIVER, draDeviceName } from "../../../src/domain/dra/names.ts";
import { mayBeOrphaned, orphanedFiles } from "../../../src/domain/dra/orphaned-files.ts";
import { inOtherLedger, offeredByOthers } from "../../../src/domain/dra/other-ledger.ts";
import type { DraView } from "../../../src/domain/dra/view.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Hold } from "../../../src/domain/holds.ts";
import { usesOfSlot, wantingOn } from "../../../src/domain/links/use.ts";
import { type Memory, remember } from "../../../src/domain/memory.ts";
import { noteUnprepared } from "../../../src/domain/notes.ts";
import type { NodeView } from "../../../src/domain/view.ts";
import { aClaim, aDraView, aMemory, anIntent, aView, GPU, INSTANCE, KUBELET, REG_BASE } from "../../support/builders.ts";

const DEVICE = "0000:17:00.0";
const NODE = "/dev/vfio/devices/vfio0";
const EPOCH = `${INSTANCE}/0x1`;
const IN_DRA = anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] });
const read = <T>(value: T) => ({ kind: "Read", value }) as const;
const listed = [{ address: DEVICE, pool: "n1/pci0000-16", taints: [], streams: 1 }];
const aFile = (overrides: Partial<ClaimFile> = {}): ClaimFile => ({
  namespace: "ml",
  name: "gpu",
  uid: "c-1",
  podClaimName: null,
  bootId: "b7d2",
  devices: [{ address: DEVICE, request: "gpu", pool: "n1/pci0000-16", node: NODE, epoch: EPOCH, attributes: {} }],
  simulated: true,
  isVoid: false,
  ...overrides,
});
const files = (...all: readonly ClaimFile[]) => ({ files: all, unreadable: [] });
const ground = (dra: DraView, view: Partial<NodeView> = {}) => groundFrom(aView({ dra, ...view }));
const HELD: Hold = { epoch: EPOCH, resource: DRA_DRIVER, node: NODE, claim: "c-1", kubelet: null, pod: "", freeSinceMs: null };
const lastUnits = new Map([[DEVICE, REG_BASE]]);

it("a device has one name in DRA, and a name that is not its own means none", () => {
  expect(draDeviceName(DEVICE)).toBe("0000-17-00-0");
  expect(addressOfDraDevice("0000-17-00-0")).toBe(DEVICE);
  for (const name of ["gpu-0000-17-00-0", "0000-17-00", "00000000-17-00-0", "0000:17:00.0", ""]) expect(addressOfDraDevice(name)).toBeNull();
});

describe("CLEAR and release", () => {
  const blockers = (dra: DraView): readonly string[] => {
    const { uses, listed: still } = clearanceOf(aMemory({ lastUnits }), ground(dra), REG_BASE);
    return [...uses.map(({ by }) => by), ...still];
  };

  it("wait for what is allocated, prepared, being prepared, listed or not to be read", () => {
    expect(blockers(aDraView())).toEqual([]);
    expect(blockers(aDraView({ claims: read([aClaim({ reservedFor: [] })]) }))).toEqual(["claim ml/gpu"]);
    expect(blockers(aDraView({ files: files(aFile()) }))).toEqual(["claim ml/gpu, which is prepared"]);
    expect(blockers(aDraView({ files: files(aFile({ isVoid: true })) }))).toHaveLength(1);
    expect(blockers(aDraView({ files: { files: [], unreadable: ["x.json: EIO"] } }))).toEqual(["a claim file that cannot be read (x.json: EIO)"]);
    expect(blockers(aDraView({ plugin: { registered: true, inCalls: ["c-9"], problem: "" } }))).toEqual([
      "a kubelet call for the claim with UID c-9",
    ]);
    expect(blockers(aDraView({ slices: { listed } }))).toEqual([DEVICE]);
    expect(blockers(aDraView({ slices: { asked: [DEVICE] } }))).toEqual([DEVICE]);
    expect(blockers(aDraView({ claims: { kind: "Unreadable", why: "403" } }))).toEqual(["claims: 403"]);
    expect(blockers({ ...aDraView(), slices: { kind: "Unreadable", why: "403" } })).toEqual(["ResourceSlices: 403"]);
  });

  it("are not kept by a claim file of another boot, nor by an API server that has no DRA", () => {
    expect(blockers(aDraView({ files: files(aFile({ bootId: "before" })) }))).toEqual([]);
    const none = { kind: "Unreadable", why: "404", isMissing: true } as const;
    expect(blockers({ ...aDraView({ claims: none }), slices: none })).toEqual([]);
  });

  it("take no watch's word for it that nobody has a claim", () => {
    expect(blockers(aDraView({ areFresh: false }))).toEqual(["the claims of this node"]);
  });

  it("count a claim that is not reserved for anybody, which secures no link but keeps one", () => {
    const linked = (claim: Partial<ReturnType<typeof aClaim>>) => {
      const inputs = { ground: ground(aDraView({ claims: read([aClaim(claim)]) })), memory: aMemory({ lastUnits }) };
      return [wantingOn(inputs, DEVICE).length, usesOfSlot(inputs, DEVICE).length];
    };
    expect(linked({})).toEqual([1, 1]);
    expect(linked({ reservedFor: [] })).toEqual([0, 1]);
  });
});

describe("holds of claims", () => {
  const looked = (memory: Memory, dra: DraView, view: Partial<NodeView> = {}) => remember(memory, IN_DRA, ground(dra, view));

  it("are what the claim files say, to a process that knows nothing else", () => {
    expect(looked(aMemory(), aDraView({ files: files(aFile()) })).holds.get(DEVICE)).toEqual(HELD);
    expect(looked(aMemory(), aDraView({ files: files(aFile({ bootId: "before" })) })).holds.size).toBe(0);
  });

  it("begin to end when the file is gone, and not while a call about the claim is answered or a file cannot be read", () => {
    const memory = aMemory({ holds: new Map([[DEVICE, HELD]]), resources: new Set([GPU]) });
    expect(looked(memory, aDraView()).holds.get(DEVICE)?.freeSinceMs).not.toBeNull();
    const inCall = { registered: true, inCalls: ["c-1"], problem: "" };
    for (const dra of [aDraView({ plugin: inCall }), aDraView({ files: { files: [], unreadable: ["x.json"] } })])
      expect(looked(memory, dra).holds.get(DEVICE)?.freeSinceMs).toBeNull();
  });

  it("are no claim's once it is unprepared, and end when every view has shown the device free", () => {
    const memory = noteUnprepared(aMemory({ holds: new Map([[DEVICE, HELD]]), resources: new Set([GPU]) }), "c-1");
    expect(memory.holds.get(DEVICE)?.claim).toBeNull();
    const once = looked(memory, aDraView());
    expect(looked(once, aDraView(), { nowMs: 200_000 }).holds.size).toBe(0);
  });
});

describe("the other ledger", () => {
  const found = (intent: typeof IN_DRA, dra: DraView, more: Partial<Memory> = {}, view: Partial<NodeView> = {}) =>
    inOtherLedger(aMemory({ resources: new Set([GPU]), ...more }), intent, ground(dra, view)).get(DEVICE);

  it("keeps a device from the device plugin that a slice may list as soon as a write without an answer arrives", () => {
    expect(found(anIntent(), aDraView())).toBeUndefined();
    expect(found(anIntent(), aDraView({ slices: { asked: [DEVICE] } }))).toBe("a ResourceSlice that lists it may be being written");
    expect(found(anIntent(), aDraView({ slices: { asked: [DEVICE], listed } }))).toBe("pool n1/pci0000-16 lists it");
  });

  const publication = { resource: GPU, serving: true, registered: true, kubelet: KUBELET, callsInFlight: 0, inCalls: [], ids: [DEVICE], problem: "" };

  it("keeps a device from DRA that kubelet is still shown, and a whole name of which a pod has a device", () => {
    expect(found(IN_DRA, aDraView())).toBeUndefined();
    expect(found(IN_DRA, aDraView(), {}, { publications: [publication] })).toBe(`kubelet lists it as ${GPU}`);
    const podResources = { kind: "Read", allocatable: [{ resource: GPU, ids: [DEVICE] }], pods: [], kubeletSinceMs: 0 } as const;
    expect(found(IN_DRA, aDraView(), {}, { podResources })).toBe(`kubelet lists it as ${GPU}`);
    const other = new Map([["0000:99:00.0", { ...HELD, resource: GPU, claim: null }]]);
    expect(found(IN_DRA, aDraView(), { holds: other })).toBe(`0000:99:00.0 is held as ${GPU}, by a device plugin's pod`);
  });

  it("keeps a device from DRA while nobody can tell what kubelet lists, where a device plugin has served a name, and the device is in no slice", () => {
    const view = { podResources: { kind: "Unreadable", why: "EIO" } } as const;
    const served = new Set([GPU]);
    expect(found(IN_DRA, aDraView(), { served }, view)).toBe("podresources cannot be read: EIO");
    expect(found(IN_DRA, aDraView(), { served: new Set() }, view)).toBeUndefined();
    expect(found(IN_DRA, aDraView({ slices: { listed } }), { served }, view)).toBeUndefined();
    expect(found(IN_DRA, aDraView({ slices: { asked: [DEVICE] } }), { served }, view)).toBeUndefined();
  });

  it("keeps a device from kubelet that a slice lists, a claim has, or of which neither can be told", () => {
    expect(found(anIntent(), aDraView())).toBeUndefined();
    expect(found(anIntent(), aDraView({ slices: { listed } }))).toBe("pool n1/pci0000-16 lists it");
    expect(found(anIntent(), aDraView({ claims: read([aClaim()]) }))).toBe("it is allocated to claim ml/gpu");
    expect(found(anIntent(), { ...aDraView(), slices: { kind: "Unreadable", why: "403" } })).toBe("ResourceSlices cannot be read: 403");
    expect(found(anIntent(), { ...aDraView(), slices: { kind: "Unreadable", why: "404", isMissing: true } })).toBeUndefined();
  });

  it("is another driver's, where that lists the same address", () => {
    const foreign = [{ driver: "gpu.example.com", pool: "n1", device: "gpu-0", address: DEVICE }];
    expect(offeredByOthers(ground(aDraView({ slices: { foreign } }))).get(DEVICE)).toBe("gpu.example.com lists it as gpu-0 in pool n1");
  });
});

describe("claim files that nobody will unprepare", () => {
  const orphans = (dra: DraView, view: Partial<NodeView> = {}) => orphanedFiles(dra.files.files, ground(dra, view), { settleMs: 2_000 });
  const inPod = { namespace: "ml", pod: "train", resource: DRA_DRIVER, ids: [draDeviceName(DEVICE)], claim: "gpu" };

  it("are those whose claim is gone by a fresh read and that no pod has", () => {
    const dra = aDraView({ files: files(aFile()) });
    expect(orphans(dra)).toEqual(["c-1"]);
    expect(orphans({ ...dra, areFresh: false })).toEqual([]);
    expect(orphans({ ...dra, claims: read([aClaim()]) })).toEqual([]);
    expect(orphans({ ...dra, plugin: { registered: true, inCalls: ["c-1"], problem: "" } })).toEqual([]);
    expect(orphans(dra, { podResources: { kind: "Read", allocatable: [], pods: [inPod], kubeletSinceMs: 0 } })).toEqual([]);
    expect(orphans(dra, { podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 99_999 } })).toEqual([]);
    expect(mayBeOrphaned(ground({ ...dra, areFresh: false }))).toBe(true);
  });

  it("are those of another boot, whatever else can be read", () => {
    const dra = aDraView({ files: files(aFile({ bootId: "before" })), claims: { kind: "Unreadable", why: "403" } });
    expect(orphans(dra)).toEqual(["c-1"]);
  });
});
