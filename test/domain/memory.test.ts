// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { clearanceOf } from "../../src/domain/clearance.ts";
import type { PciFunction } from "../../src/domain/device.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { Hold } from "../../src/domain/holds.ts";
import { emptyMemory, type Memory, proofsOf, remember } from "../../src/domain/memory.ts";
import { noteAnswer, noteCall, notePreStart, noteReadAgain, noteSetup } from "../../src/domain/notes.ts";
import { linkKey, NOTHING_PROVEN, type Proofs } from "../../src/domain/proofs.ts";
import type { Link } from "../../src/domain/slot.ts";
import { NO_SPECS } from "../../src/domain/specs.ts";
import type { NodeView } from "../../src/domain/view.ts";
import {
  aContainer,
  aDriver,
  aFunction,
  aHost,
  aMemory,
  anIntent,
  aPod,
  aUnit,
  aView,
  GPU,
  INSTANCE,
  KUBELET,
  linked,
  podsRead,
  REG_BASE,
} from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const EPOCH = `${INSTANCE}/0x1`;
const NODE = "/dev/vfio/devices/vfio0";
const CLEARED = anIntent({ state: "Cleared" });
const at = (nowMs: number, overrides: Partial<NodeView> = {}) => groundFrom(aView({ nowMs, ...overrides }));
const PUBLISHED = { resource: GPU, serving: true, registered: true, kubelet: KUBELET, callsInFlight: 0, inCalls: [], ids: [DEVICE], problem: "" };
const held = (kubeletSinceMs = 0): Partial<NodeView> => ({
  podResources: { kind: "Read", allocatable: [], pods: [{ namespace: "ml", pod: "train", resource: GPU, ids: [DEVICE] }], kubeletSinceMs },
});

describe("holds", () => {
  it("remember the epoch of our answer, however often trust changes afterwards", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
    const later = remember(answered, anIntent(), at(2_000, { ...held(), driver: aDriver([aUnit({ setupSeq: 9n })]) }));
    expect(later.holds.get(DEVICE)).toEqual({
      epoch: EPOCH,
      resource: GPU,
      node: NODE,
      claim: null,
      kubelet: KUBELET,
      pod: "ml/train",
      freeSinceMs: null,
    });
  });

  it("under another name than the one we answered for are not ours to vouch for", () => {
    const answered = noteAnswer(aMemory(), {
      address: DEVICE,
      resource: "teeio.dev/other",
      node: NODE,
      atMs: 1_000,
      epoch: EPOCH,
      claim: null,
      kubelet: KUBELET,
    });
    expect(remember(answered, anIntent(), at(2_000, held())).holds.get(DEVICE)).toMatchObject({ epoch: null, resource: GPU });
  });

  it("of one device by two pods, under our name and under another, prove nothing", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
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

  it("found at start take what the proof of their answer says, and nothing without one", () => {
    const proofs = { ...NOTHING_PROVEN, holds: new Map([[DEVICE, { resource: GPU, node: NODE, epoch: EPOCH, kubelet: KUBELET }]]) };
    const holdAt = (known: Proofs, view = held()) => remember(emptyMemory(0, 10_000, known), anIntent(), at(2_000, view)).holds.get(DEVICE);
    expect(holdAt(proofs)).toEqual({ epoch: EPOCH, resource: GPU, node: NODE, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null });
    expect(holdAt(NOTHING_PROVEN)).toMatchObject({ epoch: null, node: null });
    // Kubelet has just started and shows no pod yet: the device is in the hands that it was given into.
    expect(holdAt(proofs, { podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 1_900 } })).toMatchObject({ freeSinceMs: null });
  });

  it("are proven for the next process as far as this one can prove them, and no longer when they end", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
    expect(proofsOf(answered).holds).toEqual(new Map([[DEVICE, { resource: GPU, node: NODE, epoch: EPOCH, kubelet: KUBELET }]]));
    expect(proofsOf(remember(aMemory(), anIntent(), at(2_000, held()))).holds.size).toBe(0);
    const free = remember(remember(answered, anIntent(), at(20_000)), anIntent(), at(40_000));
    expect(proofsOf(free).holds.size).toBe(0);
  });

  it("that ended prove nothing of a process that opens the device later", () => {
    const proofs = { ...NOTHING_PROVEN, holds: new Map([[DEVICE, { resource: GPU, node: NODE, epoch: EPOCH, kubelet: KUBELET }]]) };
    const free = remember(remember(emptyMemory(0, 10_000, proofs), anIntent(), at(20_000)), anIntent(), at(40_000));
    const fn = aFunction({ holders: { kind: "Known", pids: [4711] } });
    const opened = remember(free, anIntent(), at(50_000, { host: { kind: "Read", value: aHost({ functions: [fn] }) } }));
    expect(opened.holds.get(DEVICE)).toMatchObject({ epoch: null, resource: null });
    expect(opened.unknownHolders.get(DEVICE)).toBe("pid 4711");
  });

  it("of a second answer have its node: kubelet gives away only what it counts free", () => {
    const first = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
    const shown = remember(first, anIntent(), at(2_000, held()));
    const second = noteAnswer(shown, {
      address: DEVICE,
      resource: GPU,
      node: "/dev/vfio/devices/vfio7",
      atMs: 3_000,
      epoch: EPOCH,
      claim: null,
      kubelet: KUBELET,
    });
    expect(second.holds.get(DEVICE)).toMatchObject({ node: "/dev/vfio/devices/vfio7", freeSinceMs: null });
  });

  it("that are about to end begin to settle anew when a container may start", () => {
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
    expect(notePreStart(answered, { address: DEVICE, atMs: 9_000, kubelet: KUBELET }).holds.get(DEVICE)?.freeSinceMs).toBe(9_000);
    const shown = remember(answered, anIntent(), at(2_000, held()));
    expect(notePreStart(shown, { address: DEVICE, atMs: 9_000, kubelet: KUBELET })).toBe(shown);
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
    const answered = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 19_000, epoch: EPOCH, claim: null, kubelet: KUBELET });
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

  it("of another ledger do not end while podresources leaves out a pod that the API shows asking for its name", () => {
    const pods = [{ namespace: "ml", pod: "other", resource: "intel.com/vfio", ids: [DEVICE] }];
    const podResources = { kind: "Read" as const, allocatable: [], pods, kubeletSinceMs: 0 };
    const before = remember(remember(aMemory(), anIntent(), at(20_000, { podResources })), anIntent(), at(30_000));
    const alive = podsRead(aPod({ name: "other", containers: [aContainer({ asks: { "intel.com/vfio": 1 } })] }));
    expect(remember(before, anIntent(), at(90_000, { pods: alive })).holds.get(DEVICE)).toMatchObject({
      resource: "intel.com/vfio",
      freeSinceMs: null,
    });
    expect(remember(before, anIntent(), at(90_000)).holds.has(DEVICE)).toBe(false);
  });

  it("of another ledger go on while its pod is shown, although the number that it has the function by means none any more", () => {
    const functions = [aFunction({ address: DEVICE }), aFunction({ address: "0000:18:00.0", iommuGroup: "13" })];
    const pods = [{ namespace: "ml", pod: "other", resource: "example.com/vfio", ids: ["12"] }];
    const podResources = { kind: "Read" as const, allocatable: [{ resource: "example.com/vfio", ids: ["12", "13"] }], pods, kubeletSinceMs: 0 };
    const seen = (nowMs: number, shown: typeof functions) => at(nowMs, { podResources, host: { kind: "Read", value: aHost({ functions: shown }) } });
    const before = remember(aMemory(), CLEARED, seen(20_000, functions));
    const unbound = seen(
      90_000,
      functions.map((fn) => (fn.address === DEVICE ? fn : { ...fn, vfioCdev: null, driver: null })),
    );
    const after = remember(before, CLEARED, unbound);
    expect(after.holds.get(DEVICE)).toMatchObject({ resource: "example.com/vfio", freeSinceMs: null });
    expect(clearanceOf(after, unbound, REG_BASE).uses).toMatchObject([{ address: DEVICE, kind: "Pod", by: "pod ml/other (example.com/vfio)" }]);
  });

  it("of another ledger keep no unit from CLEAR when their device is below none", () => {
    const functions = [aFunction(), aFunction({ address: "0000:18:00.0", unit: { kind: "None" } })];
    const pods = [{ namespace: "ml", pod: "other", resource: "gpu.example.com", claim: "mine", ids: ["node-1/pci-0000-18-00-0"] }];
    const podResources = { kind: "Read" as const, allocatable: [], pods, kubeletSinceMs: 0 };
    const ground = at(20_000, { podResources, host: { kind: "Read", value: aHost({ functions }) } });
    const after = remember(aMemory(), CLEARED, ground);
    expect(after.holds.get("0000:18:00.0")).toMatchObject({ resource: "gpu.example.com" });
    expect(clearanceOf(after, ground, REG_BASE).uses.filter(({ kind }) => kind !== "NotAsked")).toEqual([]);
  });

  it("end after two seconds without a settling time, which is what kubelet needs to show them, and at once without a kubelet", () => {
    const answered = noteAnswer(aMemory({ settleMs: 0 }), {
      address: DEVICE,
      resource: GPU,
      node: NODE,
      atMs: 50_000,
      epoch: EPOCH,
      claim: null,
      kubelet: KUBELET,
    });
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
    const answers = [{ address: DEVICE, resource: GPU, node: NODE, atMs: 50_000, epoch: EPOCH, claim: null, kubelet: KUBELET }];
    const kinds = (nowMs: number, podResources: NodeView["podResources"] = aView().podResources): readonly string[] =>
      clearanceOf(aMemory({ settleMs: 0 }), at(nowMs, { answers, podResources }), REG_BASE).uses.map((use) => use.kind);
    expect([kinds(51_999), kinds(52_000)]).toEqual([["Answer"], []]);
    expect(kinds(50_000, { kind: "None" })).toEqual([]);
  });
});

describe("a CDI spec", () => {
  const name = `${GPU}=${DEVICE}`;
  const specs = { ...NO_SPECS, isServed: true };

  it("in place keeps its unit from CLEAR like an entry in kubelet's list", () => {
    const memory = aMemory({ specs: { ...specs, proven: new Map([[name, { node: NODE, epoch: EPOCH, kubelet: KUBELET }]]) } });
    expect(clearanceOf(memory, at(50_000), REG_BASE)).toEqual({ uses: [], listed: [DEVICE] });
    expect(clearanceOf(memory, at(50_000), "0x1000").listed).toEqual([]);
  });

  it("that cannot be removed is a use of the unit that its device was below, and of every unit when that is not known", () => {
    const memory = aMemory({ specs: { ...specs, stale: new Set([name]) } });
    const unlinked = at(50_000, { host: { kind: "Read", value: aHost({ functions: [aFunction({ unit: { kind: "None" } })] }) } });
    const usesOf = (lastUnits: Memory["lastUnits"], regBase: string) => clearanceOf({ ...memory, lastUnits }, unlinked, regBase).uses;
    expect(usesOf(new Map([[DEVICE, REG_BASE]]), REG_BASE)).toMatchObject([{ address: DEVICE, kind: "Spec" }]);
    expect(usesOf(new Map([[DEVICE, REG_BASE]]), "0x1000")).toEqual([]);
    expect(usesOf(new Map(), REG_BASE)).toMatchObject([{ address: DEVICE, kind: "Spec" }]);
    expect(usesOf(new Map(), "0x1000")).toMatchObject([{ address: DEVICE, kind: "Spec" }]);
    // It may have come back below another unit than it was last seen below.
    const untold = at(50_000, { host: { kind: "Read", value: aHost({ functions: [aFunction({ unit: { kind: "Unreadable", why: "EIO" } })] }) } });
    expect(clearanceOf({ ...memory, lastUnits: new Map([[DEVICE, REG_BASE]]) }, untold, "0x1000").uses).toMatchObject([
      { address: DEVICE, kind: "Spec" },
    ]);
  });

  it("that cannot be removed is a use of its unit; a file that cannot be read either, of every unit", () => {
    const stale = aMemory({ specs: { ...specs, stale: new Set([name]) } });
    expect(clearanceOf(stale, at(50_000), REG_BASE).uses).toMatchObject([{ address: DEVICE, kind: "Spec" }]);
    const unreadable = aMemory({ specs: { ...specs, unreadable: ["trusted-iommu_x.json"] } });
    expect(clearanceOf(unreadable, at(50_000), REG_BASE).uses).toMatchObject([{ address: null, kind: "Spec" }]);
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

describe("a link", () => {
  const SECURE: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
  const INSECURE: Link = { state: "Insecure", tsm: "", streamSecure: "No" };
  const device = aFunction();
  const shown = (nowMs: number, link: Link, functions: readonly PciFunction[] = [device], seq = 1n) =>
    at(nowMs, { host: { kind: "Read", value: aHost(linked(link, functions)) }, driver: aDriver([aUnit({ setupSeq: seq })]) });
  const checked = (memory: Memory, epoch = EPOCH, owner = DEVICE): boolean => memory.checkedLinks.has(linkKey(owner, epoch));

  it("that reads insecure in an epoch is checked in it, whatever is secured later", () => {
    const first = remember(aMemory(), anIntent(), at(1_000));
    expect(checked(first)).toBe(true);
    expect(checked(remember(first, anIntent(), shown(2_000, SECURE)))).toBe(true);
  });

  it.each(["Secure", "Unknown"] as const)("that is %s when its epoch is first seen is not checked until it reads insecure", (state) => {
    const first = remember(aMemory(), anIntent(), shown(1_000, { ...SECURE, state }));
    expect(checked(first)).toBe(false);
    expect(checked(remember(first, anIntent(), at(2_000)))).toBe(true);
  });

  it("that was off the bus in the epoch's first looks and comes back secure is not checked", () => {
    const other = aFunction({ address: "0000:18:00.0" });
    const gone = remember(aMemory(), anIntent(), shown(1_000, INSECURE, [other]));
    expect(checked(remember(gone, anIntent(), shown(2_000, SECURE, [other, device])))).toBe(false);
  });

  it("is its owner's: a virtual function has its physical function's, and nothing is checked while the owner is not on the bus", () => {
    const virtual = aFunction({ address: "0000:17:10.4", functionType: "Virtual", physicalFunction: "0000:17:00.1" });
    expect(checked(remember(aMemory(), anIntent(), shown(1_000, INSECURE, [virtual])))).toBe(false);
    expect(checked(remember(aMemory(), anIntent(), shown(1_000, SECURE, [device, virtual])))).toBe(false);
    expect(checked(remember(aMemory(), anIntent(), shown(1_000, INSECURE, [device, virtual])))).toBe(true);
  });

  it("is checked anew in each epoch, and the next process of this boot knows it", () => {
    const first = remember(aMemory(), anIntent(), at(1_000));
    const next = remember(first, anIntent(), shown(2_000, SECURE, [device], 2n));
    expect([checked(next), checked(next, `${INSTANCE}/0x2`)]).toEqual([false, false]);
    const restarted = remember(emptyMemory(0, 10_000, proofsOf(first)), anIntent(), shown(1_000, SECURE));
    expect(checked(restarted)).toBe(true);
  });

  it("is not checked while it is to be read again after SETUP", () => {
    const waiting = noteSetup(aMemory(), REG_BASE);
    expect(checked(remember(waiting, anIntent(), at(1_000)))).toBe(false);
    expect(checked(remember(noteReadAgain(waiting, REG_BASE), anIntent(), at(2_000)))).toBe(true);
  });
});

describe("a device in use that kubelet gives to no pod", () => {
  const open = (overrides: Partial<NodeView> = {}) => {
    const fn = aFunction({ holders: { kind: "Known", pids: [4711] } });
    return at(100_000, { host: { kind: "Read", value: aHost({ functions: [fn] }) }, ...overrides });
  };
  const unknown = (ground: ReturnType<typeof at>, memory = aMemory()) => remember(memory, anIntent(), ground).unknownHolders.get(DEVICE);
  it("has an unknown holder: a process, or a TD", () => {
    expect(unknown(open())).toBe("pid 4711");
    const bound = aFunction({ bound: "Yes" });
    expect(unknown(at(100_000, { host: { kind: "Read", value: aHost({ functions: [bound] }) } }))).toBe("a TD (tsm/bound)");
  });

  it("has one when it was given through an earlier start of kubelet, and the present one does not show it", () => {
    const given = noteAnswer(aMemory(), { address: DEVICE, resource: GPU, node: NODE, atMs: 1_000, epoch: EPOCH, claim: null, kubelet: "4:5:6" });
    const publications = [PUBLISHED];
    expect(unknown(at(100_000, { publications }), given)).toMatch(/given to before kubelet started/);
    expect(unknown(at(100_000, { publications, ...held() }), given)).toBeUndefined();
    expect(unknown(at(100_000, { publications: [{ ...PUBLISHED, kubelet: "4:5:6" }] }), given)).toBeUndefined();
    const young = { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 99_000 } as const;
    expect(unknown(at(100_000, { publications, podResources: young }), given)).toBeUndefined();
    const shown = remember(given, anIntent(), at(2_000, { publications, ...held() }));
    expect(shown.holds.get(DEVICE)?.kubelet).toBe(KUBELET);
    expect(unknown(at(100_000, { publications }), shown)).toBeUndefined();
    expect(notePreStart(given, { address: DEVICE, atMs: 2_000, kubelet: KUBELET }).holds.get(DEVICE)?.kubelet).toBe(KUBELET);
  });

  it("has one as soon as a process opens it after its pod has ended", () => {
    const ending = (hold: Partial<Hold>) =>
      aMemory({
        holds: new Map([[DEVICE, { epoch: EPOCH, resource: GPU, node: NODE, claim: null, kubelet: KUBELET, pod: "", freeSinceMs: 98_000, ...hold }]]),
        resources: new Set([GPU]),
      });
    const publications = [PUBLISHED];
    expect(unknown(open({ publications }), ending({ pod: "ml/train" }))).toBe("pid 4711");
    // The pod that was answered for is not shown yet: it may be this one.
    expect(unknown(open({ publications }), ending({}))).toBeUndefined();
    // An earlier start of kubelet asked for it: no answer of ours is on its way.
    expect(unknown(open({ publications }), ending({ kubelet: "4:5:6" }))).toBe("pid 4711");
    expect(unknown(at(100_000, { publications }), ending({ kubelet: "4:5:6" }))).toMatch(/given to before kubelet started/);
  });

  it("keeps it while kubelet cannot be asked, and loses it when the host shows nobody", () => {
    const before = remember(aMemory(), anIntent(), open());
    for (const podResources of [
      { kind: "Unreadable", why: "ENOENT" },
      { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 99_000 },
    ] as const) {
      expect(remember(before, anIntent(), open({ podResources })).unknownHolders.get(DEVICE)).toBe("pid 4711");
      expect(remember(before, anIntent(), at(100_000, { podResources })).unknownHolders.size).toBe(0);
    }
  });

  it.each<[string, Partial<NodeView>]>([
    ["podresources names its pod", held()],
    ["kubelet has just started", { podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 95_000 } }],
    ["podresources cannot be read", { podResources: { kind: "Unreadable", why: "ENOENT" } }],
    [
      "an answer of ours is on its way",
      { answers: [{ address: DEVICE, resource: GPU, node: NODE, atMs: 95_000, epoch: EPOCH, claim: null, kubelet: KUBELET }] },
    ],
    ["a pod of ours is terminating", { pods: podsRead(aPod({ terminating: true })) }],
  ])("has none while %s", (_what, overrides) => {
    expect(unknown(open(overrides), aMemory({ resources: new Set([GPU]) }))).toBeUndefined();
  });
});

describe("a hold of another epoch", () => {
  const stale = aMemory({
    holds: new Map([[DEVICE, { epoch: null, resource: GPU, node: null, claim: null, kubelet: null, pod: "ml/old", freeSinceMs: 0 }]]),
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
