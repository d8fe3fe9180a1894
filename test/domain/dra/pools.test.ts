// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { PciFunction } from "../../../src/domain/device.ts";
import type { NodeClaim } from "../../../src/domain/dra/claim.ts";
import { DRA_DRIVER, draDeviceName } from "../../../src/domain/dra/names.ts";
import type { Pool } from "../../../src/domain/dra/pool.ts";
import { poolsFrom } from "../../../src/domain/dra/pools.ts";
import type { DraView, ListedDevice } from "../../../src/domain/dra/view.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import { verdictsFor } from "../../../src/domain/offer.ts";
import type { Slot } from "../../../src/domain/slot.ts";
import { aClaim, aDraView, aDriver, aFunction, aHost, aMemory, anIntent, aSlot, aView, GPU, INSTANCE, linkTaints } from "../../support/builders.ts";

const [A, A1, B] = ["0000:17:00.0", "0000:17:00.1", "0000:18:00.0"] as const;
const NOW = "2026-01-01T00:00:09Z";
const IN_DRA = (link: Intent["link"]["enable"] = "Never"): Intent =>
  anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }], link: { enable: link } });

interface Given {
  readonly intent?: Intent;
  readonly functions?: readonly (Partial<PciFunction> & Pick<PciFunction, "address">)[];
  readonly slots?: Readonly<Record<string, Partial<Slot>>>;
  readonly claims?: readonly NodeClaim[];
  readonly listed?: readonly ListedDevice[];
  readonly asked?: readonly Pool[] | null;
  readonly held?: readonly string[];
  readonly dropped?: readonly string[];
  readonly units?: Parameters<typeof aDriver>[0];
  /** Reasons of taints of failed links, by owner. */
  readonly failed?: Readonly<Record<string, string>>;
}

function pools(given: Given) {
  const {
    intent = IN_DRA(),
    functions = [{ address: A }, { address: B }],
    slots = {},
    claims = [],
    listed = [],
    held = [],
    dropped = [],
    asked = null,
    failed = {},
    units,
  } = given;
  const fns = functions.map((fn) => aFunction({ hostBridge: "pci0000:16", ...fn }));
  const owners = [...new Set(fns.map(({ address }) => `${address.slice(0, -1)}0`))];
  const dra: DraView = aDraView({ claims: { kind: "Read", value: claims }, slices: { listed, dropped } });
  const host = aHost({ functions: fns, slots: owners.map((owner) => aSlot({ owner, hostBridge: "pci0000:16", ...slots[owner] })) });
  const ground = groundFrom(aView({ host: { kind: "Read", value: host }, driver: aDriver(units), dra }));
  const hold = { epoch: `${INSTANCE}/0x1`, resource: DRA_DRIVER, node: null, claim: "c-1", kubelet: null, pod: "", freeSinceMs: null };
  const memory = aMemory({
    isDraServed: true,
    holds: new Map(held.map((address) => [address, hold])),
    lastUnits: new Map(),
    linkTaints: linkTaints(failed),
  });
  return poolsFrom({ node: "n1", intent, ground, memory, verdicts: verdictsFor(intent, ground, memory), asked, nowIso: NOW });
}

const claimOf = (...addresses: readonly string[]): NodeClaim =>
  aClaim({ devices: addresses.map((address) => ({ ...aClaim().devices[0], device: draDeviceName(address) }) as NodeClaim["devices"][number]) });

describe("pools", () => {
  it("list what the gate is open for, one pool for each host bridge, with what a pod may ask for", () => {
    const functions = [{ address: A }, { address: B, hostBridge: "pci0000:97" }];
    expect(pools({ functions }).map(({ name, devices, streams }) => [name, devices.map(({ address }) => address), streams])).toEqual([
      ["n1/pci0000-16", [A], null],
      ["n1/pci0000-97", [B], null],
    ]);
    expect(pools({})[0]?.devices[0]).toMatchObject({
      taints: [],
      attributes: { "resource.kubernetes.io/pciBusID": A, "resource.kubernetes.io/pcieRoot": "pci0000:16", vendor: "10de", resource: GPU },
    });
  });

  it("leave out what is withheld and nobody has, and keep what is allocated or held, with a taint that says why", () => {
    const lost = { units: [] };
    expect(pools(lost)).toEqual([]);
    for (const given of [{ claims: [claimOf(A)] }, { held: [A] }]) {
      const [pool, ...others] = pools({ ...lost, ...given });
      expect(others).toEqual([]);
      expect(pool?.devices).toMatchObject([
        { address: A, taints: [{ key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: NOW }] },
      ]);
    }
  });

  it("keep a device whose link failed, free or not, with the taint as it was added, unless something else is wrong with it", () => {
    const failed = { [A]: "LinkFailed" };
    const taint = { key: "teeio.dev/link-failed", value: "LinkFailed", effect: "NoSchedule", timeAdded: "2026-01-02T02:59:00Z" };
    const virtual = { address: A1, functionType: "Virtual", physicalFunction: A } as const;
    const given = { intent: IN_DRA("OnPrepare"), failed, functions: [virtual, { address: B }], slots: { [A]: { tsms: ["tsm0"] } } };
    const taintsOf = (more: Given) => pools({ ...given, ...more }).flatMap(({ devices }) => devices.map(({ address, taints }) => [address, taints]));
    for (const more of [{}, { claims: [claimOf(A1)] }, { held: [A1] }, { held: [A1], dropped: ["taints"] }])
      expect(taintsOf(more)).toEqual([
        [A1, [taint]],
        [B, []],
      ]);
    // Where the API server keeps no taints it would be offered.
    expect(taintsOf({ dropped: ["taints"] })).toEqual([[B, []]]);
    expect(taintsOf({ functions: [{ ...virtual, vfioCdev: null }, { address: B }] })).toEqual([[B, []]]);
    const lost = taintsOf({ units: [], held: [A1] });
    expect(lost).toEqual([[A1, [{ key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: NOW }, taint]]]);
  });

  it("list what is held and not allocated no longer where the API server keeps no taints", () => {
    const none = { units: [], dropped: ["taints"] };
    expect(pools({ ...none, held: [A] })).toEqual([]);
    expect(pools({ ...none, claims: [claimOf(A)] })[0]?.devices).toHaveLength(1);
  });

  it("carry over when a taint was added, as long as it says the same", () => {
    const taint = { key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:01Z" } as const;
    const listed = [{ address: A, pool: "n1/pci0000-16", taints: [taint], streams: 1 }];
    expect(pools({ units: [], held: [A], listed })[0]?.devices[0]?.taints).toEqual([taint]);
    const other = [{ ...listed[0], taints: [{ ...taint, value: "DeviceMissing" }] } as ListedDevice];
    expect(pools({ units: [], held: [A], listed: other })[0]?.devices[0]?.taints).toEqual([{ ...taint, timeAdded: NOW }]);
  });

  it("keep the time of what was asked for last, whatever a look showed before that: two looks would overwrite each other without end", () => {
    const taint = { key: "teeio.dev/withheld", value: "UnitNotTrusted", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:01Z" } as const;
    const late = { ...taint, timeAdded: "2026-01-01T00:00:05Z" };
    const asked = pools({ units: [], held: [A], listed: [{ address: A, pool: "n1/pci0000-16", taints: [late], streams: 1 }] });
    const listed = [{ address: A, pool: "n1/pci0000-16", taints: [taint], streams: 1 }];
    expect(pools({ units: [], held: [A], listed, asked })).toEqual(asked);
  });

  it("keep an allocated device whose resource has gone over to the device plugin, and one that left the bus, where it was", () => {
    const listed = [{ address: A, pool: "n1/pci0000-16", taints: [], streams: 1 }];
    const plugin = pools({ intent: anIntent(), claims: [claimOf(A)], listed });
    expect(plugin[0]?.devices.map(({ address, taints }) => [address, taints[0]?.key])).toEqual([[A, "teeio.dev/withheld"]]);
    const gone = pools({ functions: [{ address: B }], held: [A], listed });
    expect(gone[0]?.devices.map(({ address, taints }) => [address, taints[0]?.value ?? ""])).toEqual([
      [A, "DeviceMissing"],
      [B, ""],
    ]);
  });

  it("keep one that left the bus where it was asked for last, whatever a look showed before that: two looks would take it out and put it back", () => {
    const given = { functions: [{ address: B }], held: [A] };
    const asked = pools({ ...given, listed: [{ address: A, pool: "n1/pci0000-16", taints: [], streams: 1 }] });
    expect(pools({ ...given, listed: [], asked })).toEqual(asked);
  });

  it("keep an allocated device that left the bus while no agent ran in the pool of its allocation, whatever slices show", () => {
    const [pool] = pools({ functions: [{ address: B }], held: [A], claims: [claimOf(A)] });
    expect([pool?.name, pool?.devices.map(({ address }) => address)]).toEqual(["n1/pci0000-16", [A, B]]);
  });
});

describe("IDE streams of a pool", () => {
  const intent = IN_DRA("OnPrepare");
  const secured = { link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } } as const;

  it("are those left and those that its slots have: a connect of ours changes nothing", () => {
    const before = pools({ intent, slots: { [A]: { streamsLeft: 2 }, [B]: { streamsLeft: 2 } } });
    const after = pools({ intent, slots: { [A]: { streamsLeft: 1, ...secured }, [B]: { streamsLeft: 1 } }, held: [A], claims: [claimOf(A)] });
    expect([before[0]?.streams, after[0]?.streams]).toEqual([2, 2]);
  });

  it("are not counted where no links are asked for or the host bridge does not tell", () => {
    expect(pools({ intent: IN_DRA("External") })[0]?.streams).toBeNull();
    expect(pools({ intent, slots: { [A]: { streamsLeft: null }, [B]: { streamsLeft: null } } })[0]?.streams).toBeNull();
  });

  it("are never fewer than what allocated devices take", () => {
    const slots = { [A]: { streamsLeft: 0 }, [B]: { streamsLeft: 0 } };
    expect(pools({ intent, slots, claims: [claimOf(A, B)] })[0]?.streams).toBe(2);
  });

  it("are taken once by a slot, by the function that is allocated", () => {
    const functions = [{ address: A }, { address: A1, functionType: "Virtual", physicalFunction: A } as const, { address: B }];
    const taken = (claims: readonly NodeClaim[]) =>
      Object.fromEntries(pools({ intent, functions, claims }).flatMap(({ devices }) => devices.map(({ address, streams }) => [address, streams])));
    expect(taken([])).toEqual({ [A]: 1, [A1]: 1, [B]: 1 });
    expect(taken([claimOf(A1)])).toEqual({ [A]: 0, [A1]: 1, [B]: 1 });
  });
});
