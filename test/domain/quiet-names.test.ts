// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { groundFrom } from "../../src/domain/ground.ts";
import { emptyMemory, remember } from "../../src/domain/memory.ts";
import { offerFrom } from "../../src/domain/offer.ts";
import { NOTHING_PROVEN } from "../../src/domain/proofs.ts";
import { quietNames, rememberedNamesAfter } from "../../src/domain/quiet-names.ts";
import type { PodDevices, Publication } from "../../src/domain/view.ts";
import { aMemory, anIntent, aView, GPU, KUBELET } from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const LATER = "9:9:9";
const IN_DRA = anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] });
const about = { serving: true, registered: true, callsInFlight: 0, inCalls: [], ids: [], problem: "" };
const loud = (kubelet = KUBELET): Publication => ({ ...about, resource: GPU, kubelet });
const quiet = (kubelet = KUBELET): Publication => ({ ...loud(kubelet), isQuiet: true });
const viewWith = (...pods: readonly PodDevices[]) => groundFrom(aView({ podResources: { kind: "Read", allocatable: [], pods, kubeletSinceMs: 0 } }));
const given = { namespace: "ml", pod: "train", resource: GPU, ids: [DEVICE] };

const none = { remembered: new Map(), taken: new Map(), holds: new Map() };
const known = { ...none, remembered: new Map([[GPU, KUBELET]]) };

test("a name that has gone over to DRA is registered quietly while kubelet remembers it from the device plugin", () => {
  expect(quietNames(known, IN_DRA, viewWith())).toEqual([GPU]);
  expect(quietNames(none, IN_DRA, viewWith())).toEqual([]);
  expect(quietNames(known, anIntent(), viewWith())).toEqual([]);
  expect(quietNames(known, null, viewWith())).toEqual([]);
});

test.each([
  ["podresources shows a device plugin's pod that has one of its devices", known, viewWith(given)],
  [
    "one of its devices is held as such, whatever the views show",
    {
      ...known,
      holds: new Map([[DEVICE, { epoch: "e", resource: GPU, node: null, pod: "ml/train", kubelet: KUBELET, claim: null, freeSinceMs: 1 }]]),
    },
    viewWith(),
  ],
  ["another plugin serves it", { ...known, taken: new Map([[GPU, "kubelet lists it"]]) }, viewWith()],
  ["podresources cannot be read", known, groundFrom(aView({ podResources: { kind: "Unreadable", why: "ENOENT" } }))],
])("not while %s: its containers are to be asked for before they start", (_what, memory, ground) => {
  expect(quietNames(memory, IN_DRA, ground)).toEqual([]);
});

test("a claim of the same name is no device plugin's pod", () => {
  expect(quietNames(known, IN_DRA, viewWith({ ...given, claim: "c" }))).toEqual([GPU]);
});

test("a kubelet that was restarted remembers nothing of PreStart", () => {
  const registered = rememberedNamesAfter(new Map(), [loud()]);
  expect(registered).toEqual(new Map([[GPU, KUBELET]]));
  expect(rememberedNamesAfter(registered, [quiet()])).toEqual(registered);
  expect(rememberedNamesAfter(registered, [])).toEqual(registered);
  expect(rememberedNamesAfter(registered, [quiet(LATER)])).toEqual(new Map());
  expect(rememberedNamesAfter(registered, [loud(LATER)])).toEqual(new Map([[GPU, LATER]]));
});

test("a name that an earlier process listed may be remembered by the kubelet that runs, until that one is restarted", () => {
  const started = emptyMemory(0, 10_000, { ...NOTHING_PROVEN, names: new Set([GPU]) });
  expect(offerFrom(IN_DRA, [], { ground: viewWith(), memory: started })).toEqual([{ resource: GPU, devices: [], isQuiet: true }]);
  const seen = (kubelet: string, before = started) => remember(before, IN_DRA, groundFrom(aView({ publications: [quiet(kubelet)] })));
  const first = seen(KUBELET);
  expect(first.remembered).toEqual(new Map([[GPU, KUBELET]]));
  expect(seen(LATER, first).remembered).toEqual(new Map());
});

test("a name of the device plugin is listed as ever", () => {
  const memory = aMemory({ remembered: new Map([[GPU, KUBELET]]) });
  const ground = groundFrom(aView({ publications: [loud()] }));
  expect(offerFrom(anIntent(), [], { ground, memory })).toEqual([{ resource: GPU, devices: [], isQuiet: false }]);
});
