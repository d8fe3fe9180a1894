// SPDX-License-Identifier: Apache-2.0

import type { PciFunction } from "../../src/domain/device.ts";
/** One builder per value of the domain: a whole, healthy default, and overrides. */
import type { NodeClaim } from "../../src/domain/dra/claim.ts";
import { type LinkTaintMemory, linkTaintsOfStart } from "../../src/domain/dra/link-taint-memory.ts";
import type { DraView, SlicesView } from "../../src/domain/dra/view.ts";
import type { HostUnit, HostView } from "../../src/domain/host.ts";
import type { Intent } from "../../src/domain/intent.ts";
import { emptyMemory, type Memory } from "../../src/domain/memory.ts";
import { bySlot, isBridge, type Link, type Slot } from "../../src/domain/slot.ts";
import type { DriverInfo, DriverUnit } from "../../src/domain/unit.ts";
import type { DriverView, NodePod, NodePodsView, NodeView, PodContainer, Reading } from "../../src/domain/view.ts";

export const INSTANCE = "0123456789abcdef0123456789abcdef";
export const ECAP = 0x7ee9e86f050dfn;
export const REG_BASE = "0xfed90000";
export const GPU = "teeio.dev/gpu";
/** The start of kubelet that runs. */
export const KUBELET = "1:2:3";

export function aFunction(overrides: Partial<PciFunction> = {}): PciFunction {
  return {
    address: "0000:17:00.0",
    vendor: "10de",
    device: "2901",
    class: "0302",
    numaNode: 0,
    iommuGroup: "12",
    unit: { kind: "Unit", regBase: REG_BASE, kernelName: "dmar0" },
    functionType: "Physical",
    physicalFunction: null,
    teeIo: "Yes",
    teeIoWhy: "",
    ideStreams: 1,
    bound: "No",
    boundRead: "Read",
    isIdeRead: true,
    configProblem: "",
    answers: true,
    hostBridge: "pci0000:16",
    rootPort: "0000:16:01.0",
    driver: "vfio-pci",
    vfioCdev: "/dev/vfio/devices/vfio0",
    holders: { kind: "Known", pids: [] },
    binding: null,
    ...overrides,
  };
}

export function aHostUnit(overrides: Partial<HostUnit> = {}): HostUnit {
  return { regBase: REG_BASE, kernelName: "dmar0", cap: 0x19ed008c40780c66n, ecap: ECAP, domainsSupported: 65536, domainsUsed: 8, ...overrides };
}

/** The slot of `aFunction`, insecure. */
export function aSlot(overrides: Partial<Slot> = {}): Slot {
  return {
    owner: "0000:17:00.0",
    port: null,
    hostBridge: "pci0000:16",
    rootPort: "0000:16:01.0",
    link: { state: "Insecure", tsm: "", streamSecure: "No" },
    dsm: "",
    tsms: ["tsm0"],
    streamsLeft: 4,
    blocksLeft: { endpoint: 1, rootPort: 4 },
    covers: [{ first: 0, last: 0xffff }],
    linkRead: { tsm: "Read", registers: "idle", problem: "" },
    ...overrides,
  };
}

/** The slots of functions, where all but the owner is as in `overrides`. */
export function slotsFor(functions: readonly PciFunction[], overrides: Partial<Slot> = {}): readonly Slot[] {
  return [...bySlot(functions)].map(([owner, [first]]) =>
    aSlot({
      port: first !== undefined && isBridge(first) ? "FarEnd" : null,
      hostBridge: first?.hostBridge ?? null,
      rootPort: first?.rootPort ?? null,
      ...overrides,
      owner,
    }),
  );
}

/** Functions whose slots have this link: `aFunction` unless others are given. */
export function linked(link: Link, functions: readonly PciFunction[] = [aFunction()]): Pick<HostView, "functions" | "slots"> {
  return { functions, slots: slotsFor(functions, { link }) };
}

/** With a slot for each of its functions, unless `slots` are given. */
export function aHost(overrides: Partial<HostView> = {}): HostView {
  const { functions = [aFunction()], slots = slotsFor(functions) } = overrides;
  return { bootId: "b7d2", units: [aHostUnit()], unreadableUnits: [], otherKinds: [], ...overrides, functions, slots };
}

/** Trusted unless told otherwise. */
export function aUnit(overrides: Partial<DriverUnit> = {}): DriverUnit {
  const trusted = (overrides.state ?? "Trusted") === "Trusted";
  return {
    regBase: REG_BASE,
    segment: 0,
    numaNode: 0,
    cap: 0x19ed008c40780c66n,
    ecap: ECAP,
    gsts: 0,
    state: "Trusted",
    tdxIommuId: trusted ? 1n : null,
    setupSeq: trusted ? 1n : 0n,
    retryable: false,
    lastCall: trusted ? { leaf: "TDH.IOMMU.SETUP", status: 0n, attempts: 1, durationNs: 21_000_000n } : null,
    pagesDonated: trusted ? 6 : 0,
    pagesRetained: 0,
    evidence: "",
    missing: null,
    ...overrides,
  };
}

export function anInfo(overrides: Partial<DriverInfo> = {}): DriverInfo {
  return {
    simulated: true,
    realSetup: false,
    kernelOwned: false,
    didUnreserved: false,
    honoursNotAfter: true,
    abiVersion: 2,
    abiProfile: "Newest",
    environment: "Ok",
    instance: INSTANCE,
    module: { version: "2.0.18", buildNum: 1, buildDate: 20260101 },
    features0: 1n << 6n,
    mtPageCount: 2,
    pagesDonated: 0,
    pagesRetained: 0,
    ...overrides,
  };
}

export function aDriver(units: readonly DriverUnit[] = [aUnit()], info: Partial<DriverInfo> = {}): Reading<DriverView> {
  return { kind: "Read", value: { name: "simulated", info: anInfo(info), table: { instance: INSTANCE, generation: 1n, units } } };
}

/** A node at rest: one trusted unit, one free device, kubelet up for long, an API server that agrees. */
export function aView(overrides: Partial<NodeView> = {}): NodeView {
  return {
    nowMs: 100_000,
    wallMs: Date.parse("2026-01-02T03:00:00Z"),
    host: { kind: "Read", value: aHost() },
    driver: aDriver(),
    podResources: { kind: "Read", allocatable: [], pods: [], kubeletSinceMs: 0 },
    pods: podsRead(),
    publications: [],
    answers: [],
    dra: null,
    ...overrides,
  };
}

/** What is known of failed links after the first look that has seen the slices. `failed`: reasons, by owner of the slot. */
export function linkTaints(failed: Readonly<Record<string, string>> = {}): LinkTaintMemory {
  const taint = { key: "teeio.dev/link-failed", effect: "NoSchedule", timeAdded: "2026-01-02T02:59:00Z" } as const;
  const standing = new Map(Object.entries(failed).map(([owner, value]) => [owner, { ...taint, value }]));
  return { ...linkTaintsOfStart(new Set()), standing, found: [], isAdopted: true };
}

/** A pod that runs, with one container that asks for one GPU. */
export function aPod(overrides: Partial<NodePod> = {}): NodePod {
  const one = { namespace: "ml", name: "train", uid: "1", phase: "Running", terminating: false, hasRunning: true };
  return { ...one, containers: [aContainer()], ...overrides };
}

export function aContainer(overrides: Partial<PodContainer> = {}): PodContainer {
  return { name: "main", role: "Main", state: "Running", asks: { [GPU]: 1 }, claims: {}, ...overrides };
}

export function podsRead(...pods: readonly NodePod[]): NodePodsView {
  return { kind: "Read", domains: new Set(["teeio.dev", "intel.com", "nvidia.com", "example.com"]), pods };
}

export function anIntent(overrides: Partial<Intent> = {}): Intent {
  return {
    state: "Trusted",
    units: { all: true },
    resources: [{ name: GPU, ledger: "DevicePlugin", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }],
    link: { enable: "Never" },
    ...overrides,
  };
}

export function aMemory(overrides: Partial<Memory> = {}): Memory {
  return { ...emptyMemory(0, 10_000), ...overrides };
}

/** DRA of a node at rest: nothing listed, no claims, no claim files, the plugin registered. */
export function aDraView({ slices, ...overrides }: Partial<Omit<DraView, "slices">> & { readonly slices?: Partial<SlicesView> } = {}): DraView {
  const atRest: SlicesView = { listed: [], asked: [], foreign: [], dropped: [], asPublished: true, withdrawn: "", problem: "" };
  return {
    claims: { kind: "Read", value: [] },
    areFresh: true,
    files: { files: [], unreadable: [] },
    slices: { kind: "Read", value: { ...atRest, ...slices } },
    plugin: { registered: true, inCalls: [], problem: "" },
    ...overrides,
  };
}

/** A claim of one pod for `aFunction`. */
export function aClaim(overrides: Partial<NodeClaim> = {}): NodeClaim {
  const device = { request: "gpu", pool: "n1/pci0000-16", device: "0000-17-00-0", adminAccess: false };
  return {
    namespace: "ml",
    name: "gpu",
    uid: "c-1",
    resourceVersion: "1",
    isForExtendedResources: false,
    podClaimName: null,
    reservedFor: [{ resource: "pods", name: "train", uid: "p-1" }],
    devices: [{ ...device, bindingConditions: [], bindingFailureConditions: [], conditions: [] }],
    parameters: [],
    ...overrides,
  };
}
