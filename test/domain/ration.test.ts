// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import type { PciFunction } from "../../src/domain/device.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { Hold } from "../../src/domain/holds.ts";
import { rationedSlots } from "../../src/domain/ration.ts";
import type { Slot } from "../../src/domain/slot.ts";
import { aDriver, aFunction, aHost, aMemory, anIntent, aSlot, aUnit, aView, GPU, INSTANCE, KUBELET } from "../support/builders.ts";

const [A, B, C] = ["0000:17:00.0", "0000:18:00.0", "0000:19:00.0"] as const;
const ON_PREPARE = anIntent({ link: { enable: "OnPrepare" } });
const HELD: Hold = { epoch: `${INSTANCE}/0x1`, resource: GPU, node: null, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null };

interface Given {
  readonly left: number | null;
  readonly slots?: Readonly<Record<string, Partial<Slot>>>;
  readonly functions?: Readonly<Record<string, Partial<PciFunction>>>;
  readonly held?: readonly string[];
  /** In which these were given away. */
  readonly epoch?: string | null;
  /** In the hands of a process that no pod accounts for. */
  readonly unknown?: readonly string[];
  readonly intent?: typeof ON_PREPARE;
}

function without({ left, slots = {}, functions = {}, held = [], epoch = HELD.epoch, unknown = [], intent = ON_PREPARE }: Given): readonly string[] {
  const all = [C, A, B];
  const host = aHost({
    functions: all.map((address) => aFunction({ address, ...functions[address] })),
    slots: all.map((owner) => aSlot({ owner, streamsLeft: left, ...slots[owner] })),
  });
  const view = aView({ host: { kind: "Read", value: host }, driver: aDriver([aUnit()]) });
  const unknownHolders = new Map(unknown.map((address) => [address, "pid 1"]));
  const lastUnits = new Map(all.map((address) => [address, aUnit().regBase]));
  const memory = aMemory({ unknownHolders, lastUnits, holds: new Map(held.map((address) => [address, { ...HELD, epoch }])) });
  return [...rationedSlots(intent, groundFrom(view), memory).withoutStream];
}

it("leaves the last in order of address without, as many as there are too few", () => {
  expect([3, 2, 1, 0].map((left) => without({ left }).toSorted())).toEqual([[], [C], [B, C], [A, B, C]]);
  expect(without({ left: null })).toEqual([]);
});

it("keeps one for each that is wanted, and takes none for those that are linked: a connect changes nothing", () => {
  expect(without({ left: 2, held: [C] })).toEqual([B]);
  const linked = { [C]: { link: { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } as const } };
  expect(without({ left: 1, slots: linked, held: [C] })).toEqual([B]);
  expect(without({ left: 0, held: [B] }).toSorted()).toEqual([A, C]);
});

it("keeps one for each that was given away, also while its unit or its link cannot be read, or the spec takes it no more", () => {
  const unknown = { link: { state: "Unknown", tsm: "", streamSecure: "Unknown" } as const };
  expect(without({ left: 2, held: [C], functions: { [C]: { unit: { kind: "Unreadable", why: "EIO" } } } })).toEqual([B]);
  expect(without({ left: 2, held: [C], slots: { [C]: unknown } })).toEqual([B]);
  expect(without({ left: 2, held: [C], functions: { [C]: { vendor: "1234" } } })).toEqual([B]);
  // What nobody was given is not offered, and takes none.
  expect(without({ left: 2, functions: { [C]: { unit: { kind: "Unreadable", why: "EIO" } } } })).toEqual([]);
  expect(without({ left: 2, slots: { [C]: unknown } })).toEqual([]);
});

it("keeps none for what was given away in another span of trust", () => {
  expect(without({ left: 2, held: [C], epoch: `${INSTANCE}/0x7` })).toEqual([]);
});

it("counts the register blocks of each root port, too, and those of the device itself", () => {
  const below = (rootPort: string, left: number | null, endpoint: number | null = 1) => ({ rootPort, blocksLeft: { endpoint, rootPort: left } });
  const [ONE, OTHER] = ["0000:16:01.0", "0000:16:02.0"] as const;
  expect(without({ left: 3, slots: { [A]: below(ONE, 1), [B]: below(ONE, 1), [C]: below(OTHER, 1) } })).toEqual([B]);
  expect(without({ left: 3, slots: { [A]: below(ONE, 1), [B]: below(ONE, 1), [C]: below(OTHER, 1) }, held: [B] })).toEqual([A]);
  // What has no block takes no stream of the host bridge.
  expect(without({ left: 1, slots: { [A]: below(ONE, 0), [B]: below(OTHER, 1), [C]: below(OTHER, 1) } }).toSorted()).toEqual([A, C]);
  expect(without({ left: null, slots: { [A]: below(ONE, null), [B]: below(ONE, null, 0) } })).toEqual([B]);
});

it("counts each host bridge by itself", () => {
  expect(without({ left: 1, slots: { [B]: { hostBridge: "pci0000:18", streamsLeft: 1 } } })).toEqual([C]);
});

it("keeps none for what is withheld for another reason", () => {
  expect(without({ left: 2, functions: { [A]: { holders: { kind: "Known", pids: [1] } } }, unknown: [A] })).toEqual([]);
  expect(without({ left: 2, functions: { [A]: { vfioCdev: null } } })).toEqual([]);
  expect(without({ left: 2, functions: { [A]: { vendor: "1234" } } })).toEqual([]);
});

it("rations nothing where the agent secures no links", () => {
  expect(without({ left: 0, intent: anIntent() })).toEqual([]);
  expect(without({ left: 0, intent: anIntent({ link: { enable: "External" } }) })).toEqual([]);
});
