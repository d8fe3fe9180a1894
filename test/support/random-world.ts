// SPDX-License-Identifier: Apache-2.0

/** Random nodes for property tests of the decisions: small, and every field takes each of its values, the unreadable ones included. */
import fc from "fast-check";
import type { PciFunction, TsmRead } from "../../src/domain/device.ts";
import type { DraView } from "../../src/domain/dra/view.ts";
import type { HostView } from "../../src/domain/host.ts";
import type { Intent } from "../../src/domain/intent.ts";
import type { Memory } from "../../src/domain/memory.ts";
import { linkKey } from "../../src/domain/proofs.ts";
import { bySlot, type Link, type Slot } from "../../src/domain/slot.ts";
import { type DriverUnit, ENVIRONMENTS, UNIT_STATES } from "../../src/domain/unit.ts";
import type { DriverView, NodeView, PodContainer, Reading } from "../../src/domain/view.ts";
import { aFunction, aMemory, anInfo, anIntent, aSlot, aUnit, ECAP, GPU, INSTANCE } from "./builders.ts";

const BASES = ["0x1000", "0xfed90000", "0xd97fc000"] as const;
const ADDRESSES = ["0000:17:00.0", "0000:17:00.1", "0000:18:00.0", "0001:01:00.0"] as const;
const STATUSES = [
  0n,
  0x8000020000000001n,
  0x8000020300000000n,
  0x80000f5100000000n,
  0xc000010000000001n,
  0xc0000f0400000008n,
  0xc000030300000000n,
  0x8000ff0000000006n,
];
const base = fc.constantFrom(...BASES);
const address = fc.constantFrom(...ADDRESSES);
const resource = fc.constantFrom(GPU, "teeio.dev/nic");

/** Mostly the healthy value, so that deep states are reached, and now and then any other. */
const mostly = <T>(healthy: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(healthy) }, { weight: 1, arbitrary: fc.constantFrom(healthy, ...others) });

function reading<T>(value: fc.Arbitrary<T>): fc.Arbitrary<Reading<T>> {
  return fc.oneof(
    { weight: 12, arbitrary: value.map((read) => ({ kind: "Read" as const, value: read })) },
    { weight: 1, arbitrary: fc.constant({ kind: "Unreadable" as const, why: "EIO" }) },
  );
}

const link: fc.Arbitrary<Link> = fc.record({
  state: mostly<Link["state"]>("Insecure", "Secure", "Unknown"),
  tsm: fc.constantFrom("", "tsm0"),
  streamSecure: fc.constantFrom("No", "Yes", "Unknown"),
});

const slotAt = (owner: string): fc.Arbitrary<Slot> =>
  fc
    .record({ link, tsm: mostly<TsmRead>("Read", "Failed", "Blocked", "Stands"), registers: mostly<string | null>("idle", "on", null) })
    .map((drawn) => aSlot({ owner, link: drawn.link, linkRead: { tsm: drawn.tsm, registers: drawn.registers, problem: "" } }));

const functionAt = (at: string): fc.Arbitrary<PciFunction> =>
  fc
    .record({
      vendor: mostly("10de", "8086"),
      functionType: fc.constantFrom("Physical", "Virtual"),
      teeIo: mostly<PciFunction["teeIo"]>("Yes", "No", "Unknown"),
      unit: fc.oneof(
        { weight: 12, arbitrary: base.map((regBase) => ({ kind: "Unit" as const, regBase, kernelName: `dmar-${regBase}` })) },
        { weight: 1, arbitrary: fc.constantFrom({ kind: "None" as const }, { kind: "Unreadable" as const, why: "ELOOP" }) },
      ),
      bound: mostly<PciFunction["bound"]>("No", "Yes", "Unknown"),
      boundRead: mostly<TsmRead>("Read", "Failed", "Blocked", "Stands"),
      isIdeRead: mostly(true, false),
      vfioCdev: mostly<string | null>("/dev/vfio/devices/vfio0", null),
      holders: mostly<PciFunction["holders"]>({ kind: "Known", pids: [] }, { kind: "Known", pids: [4711] }, { kind: "Unreadable", why: "EACCES" }),
    })
    .map((fields) => aFunction({ ...fields, address: at } as Partial<PciFunction>));

const host: fc.Arbitrary<HostView> = fc
  .record({
    bases: fc.uniqueArray(base),
    addresses: fc.uniqueArray(address),
    ecap: mostly<bigint | null>(ECAP, 0x3ee9e86f050dfn, null),
    domainsUsed: mostly<number | null>(8, 40_000, null),
    unreadable: mostly<HostView["unreadableUnits"]>([], [{ kernelName: "dmar9", why: "EACCES" }]),
  })
  .chain(({ bases, addresses, ecap, domainsUsed, unreadable }) =>
    fc.tuple(...addresses.toSorted().map(functionAt)).chain((functions) =>
      fc.tuple(...[...bySlot(functions).keys()].map(slotAt)).map((slots) => ({
        bootId: "b7d2",
        units: bases.map((regBase) => ({ regBase, kernelName: `dmar-${regBase}`, cap: 0n, ecap, domainsSupported: 65536, domainsUsed })),
        unreadableUnits: unreadable,
        otherKinds: [],
        functions,
        slots,
      })),
    ),
  );

const unit = (regBase: string): fc.Arbitrary<DriverUnit> =>
  fc
    .record({
      state: fc.oneof(mostly<DriverUnit["state"]>("Trusted", ...UNIT_STATES), fc.constant("Untrusted" as const)),
      id: fc.constantFrom(null, 0n, 7n),
      setupSeq: fc.constantFrom(1n, 2n),
      leaf: fc.constantFrom("TDH.IOMMU.SETUP" as const, "TDH.IOMMU.CLEAR" as const, null),
      status: fc.constantFrom(...STATUSES),
      pagesRetained: mostly(0, 6),
      ecap: mostly(ECAP, 0x3ee9e86f050dfn),
    })
    // An untrusted unit has no id, most of the time.
    .map((drawn) => (drawn.state === "Untrusted" && drawn.setupSeq === 1n ? { ...drawn, id: null } : drawn))
    .map(({ state, id, leaf, status, ...rest }) => {
      const lastCall = leaf === null ? null : { leaf, status, attempts: 1, durationNs: 1_000_000n };
      return aUnit({ regBase, state, tdxIommuId: id, lastCall, ...rest });
    });

const driver: fc.Arbitrary<Reading<DriverView>> = reading(
  fc
    .record({
      bases: fc.uniqueArray(base),
      environment: mostly(...ENVIRONMENTS),
      instance: mostly(INSTANCE, "f".repeat(32)),
      kernelOwned: mostly(false, true),
      didUnreserved: fc.boolean(),
      simulated: fc.boolean(),
      realSetup: mostly(true, false),
    })
    .chain(({ bases, ...info }) =>
      fc.tuple(...bases.map(unit)).map((units) => ({ name: "simulated", info: anInfo(info), table: { instance: INSTANCE, generation: 1n, units } })),
    ),
);

const container: fc.Arbitrary<PodContainer> = fc.record({
  name: fc.constant("main"),
  role: fc.constantFrom("Init" as const, "Sidecar" as const, "Main" as const),
  state: fc.constantFrom("Waiting" as const, "Running" as const, "Ended" as const),
  asks: fc.dictionary(resource, fc.constantFrom(0, 1, 2, null), { maxKeys: 1 }),
  claims: fc.dictionary(resource, fc.constant("claim"), { maxKeys: 1 }),
});

export const randomView: fc.Arbitrary<NodeView> = fc.record({
  nowMs: mostly(100_000, 0, 5_000),
  wallMs: fc.constant(Date.parse("2026-01-02T03:00:00Z")),
  host: reading(host),
  driver,
  podResources: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("Read" as const),
        allocatable: fc.array(fc.record({ resource, ids: fc.uniqueArray(address) }), { maxLength: 1 }),
        pods: fc.array(
          fc.record({ namespace: fc.constant("default"), pod: fc.constantFrom("a", "b"), resource, ids: fc.uniqueArray(address, { maxLength: 1 }) }),
          {
            maxLength: 1,
          },
        ),
        kubeletSinceMs: mostly(0, 95_000),
      }),
    },
    { weight: 1, arbitrary: fc.constantFrom({ kind: "Unreadable" as const, why: "ENOENT" }, { kind: "None" as const }) },
  ),
  pods: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("Read" as const),
        domains: fc.constant(new Set(["teeio.dev", "example.com"])),
        pods: fc.array(
          fc.record({
            namespace: fc.constant("default"),
            name: fc.constantFrom("a", "b"),
            uid: fc.constant("u"),
            phase: fc.constantFrom("Succeeded", "Failed", "Pending", "Running", "Unknown"),
            terminating: fc.boolean(),
            hasRunning: fc.boolean(),
            containers: fc.array(container, { maxLength: 1 }),
          }),
          { maxLength: 1 },
        ),
      }),
    },
    { weight: 1, arbitrary: fc.constantFrom({ kind: "Unreadable" as const, why: "timeout" }, { kind: "None" as const }) },
  ),
  publications: fc.array(
    fc.record({
      resource,
      serving: fc.boolean(),
      registered: fc.boolean(),
      kubelet: mostly<string | null>("1:2:3", null),
      callsInFlight: mostly(0, 1),
      inCalls: fc.constant([]),
      ids: fc.uniqueArray(address, { maxLength: 1 }),
      problem: mostly("", "refused"),
    }),
    { maxLength: 1 },
  ),
  answers: fc.array(
    fc.record({
      address,
      resource,
      node: fc.constant("/dev/vfio/devices/vfio0"),
      atMs: fc.constantFrom(0, 99_000),
      kubelet: fc.constant("1:2:3"),
      epoch: fc.constant(`${INSTANCE}/0x1`),
      claim: fc.constant(null),
    }),
    { maxLength: 1 },
  ),
  dra: mostly<DraView | null>(null, null),
});

export const randomIntent: fc.Arbitrary<Intent | null> = fc.option(
  fc
    .record({
      state: fc.constantFrom("Trusted" as const, "Cleared" as const),
      units: fc.oneof(fc.constant({ all: true }), fc.record({ regBases: fc.uniqueArray(base, { minLength: 1 }) })),
      ledger: mostly<"DevicePlugin" | "DRA">("DevicePlugin", "DRA"),
      names: fc.uniqueArray(resource, { minLength: 1 }),
    })
    .map(({ names, ledger, ...rest }) =>
      anIntent({
        ...rest,
        resources: names.map((name) => ({
          name,
          ledger,
          driver: { bind: "Keep" as const },
          match: { functions: ["Physical" as const, "Virtual" as const] },
        })),
      }),
    ),
  { freq: 9 },
);

export const randomMemory: fc.Arbitrary<Memory> = fc
  .record({
    startedMs: mostly(0, 95_000),
    holds: fc.dictionary(
      address,
      fc.record({
        epoch: fc.constantFrom(null, `${INSTANCE}/0x1`, `${INSTANCE}/0x2`),
        resource: fc.constantFrom(null, GPU),
        node: mostly<string | null>("/dev/vfio/devices/vfio0", null),
        pod: fc.constantFrom("", "default/a"),
        claim: mostly<string | null>(null, "c-1"),
        kubelet: fc.constantFrom(null, "1:2:3", "1:2:4"),
        freeSinceMs: fc.constantFrom(null, 0, 99_000),
      }),
      { maxKeys: 1 },
    ),
    checked: fc.uniqueArray(fc.tuple(address, fc.constantFrom("0x1", "0x2")), { maxLength: 3 }),
    unknown: fc.uniqueArray(address, { maxLength: 1 }),
    proofProblem: mostly("", "ENOSPC"),
    attempts: fc.dictionary(
      base,
      fc.record({
        leaf: fc.constantFrom("TDH.IOMMU.SETUP" as const, "TDH.IOMMU.CLEAR" as const),
        instance: fc.constant(INSTANCE),
        count: fc.integer({ min: 1, max: 9 }),
        lastMs: fc.constantFrom(0, 99_999),
        problem: fc.constantFrom("", "EBUSY"),
      }),
      { maxKeys: 1 },
    ),
    freeSince: fc.dictionary(base, fc.constantFrom(0, 80_000, 95_000), { minKeys: 2, maxKeys: 3 }),
    known: fc.uniqueArray(base),
  })
  .map(({ startedMs, holds, checked, unknown, proofProblem, attempts, freeSince, known }) =>
    aMemory({
      startedMs,
      holds: new Map(Object.entries(holds)),
      checkedLinks: new Set(checked.map(([owner, seq]) => linkKey(owner, `${INSTANCE}/${seq}`))),
      unknownHolders: new Map(unknown.map((one) => [one, "pid 4711"])),
      proofProblem,
      attempts: new Map(Object.entries(attempts)),
      freeSince: new Map(Object.entries(freeSince)),
      knownUnits: new Set(known),
    }),
  );
