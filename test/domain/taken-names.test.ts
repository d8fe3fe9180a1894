// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { groundFrom } from "../../src/domain/ground.ts";
import { takenNames } from "../../src/domain/taken-names.ts";
import type { PodResourcesView } from "../../src/domain/view.ts";
import { aFunction, aHost, anIntent, aView, GPU } from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const NIC = aFunction({ address: "0000:18:00.0", vendor: "8086" });
const NONE = { served: new Set<string>(), taken: new Map<string, string>() };
const listed = (...ids: string[]) => ({ allocatable: [{ resource: GPU, ids }], pods: [] });
const given = (...ids: string[]) => ({ allocatable: [], pods: [{ namespace: "ml", pod: "train", resource: GPU, ids }] });

function taken(shown: Partial<PodResourcesView>, memory = NONE): readonly string[] {
  const podResources = { kind: "Read", kubeletSinceMs: 0, allocatable: [], pods: [], ...shown } as PodResourcesView;
  const host = { kind: "Read" as const, value: aHost({ functions: [aFunction(), NIC] }) };
  return [...takenNames(memory, anIntent(), groundFrom(aView({ podResources, host }))).values()];
}

it.each([
  ["kubelet lists an id of another kind", listed("slice-0"), "kubelet lists teeio.dev/gpu slice-0, which is none of this spec's devices"],
  ["kubelet lists one beside ours", listed(DEVICE, "slice-0"), "kubelet lists teeio.dev/gpu slice-0, which is none of this spec's devices"],
  ["kubelet lists a function that the name does not take", listed(NIC.address), expect.stringContaining(NIC.address)],
  ["a pod has an id of another kind", given("slice-0"), "pod ml/train has teeio.dev/gpu slice-0, which is none of this spec's devices"],
])("a name is another plugin's when %s", (_what, shown, text) => {
  expect(taken(shown)).toEqual([text]);
});

it.each([
  ["nobody serves it", {}],
  ["kubelet lists our own devices, of an agent that is gone", listed(DEVICE)],
  ["a pod has one of ours", given(DEVICE)],
  ["a claim has devices of a driver of that name", { pods: [{ ...given("gpu-0").pods[0], claim: "train" }] } as Partial<PodResourcesView>],
])("a name is ours when %s", (_what, shown) => {
  expect(taken(shown)).toEqual([]);
});

it("a name that we have listed in this boot stays ours, whatever is shown", () => {
  expect(taken(listed("slice-0"), { ...NONE, served: new Set([GPU]) })).toEqual([]);
});

it("what was known stands while podresources cannot be read", () => {
  const memory = { ...NONE, taken: new Map([[GPU, "kubelet lists slice-0"]]) };
  expect(taken({ kind: "Unreadable", why: "ENOENT" }, memory)).toEqual(["kubelet lists slice-0"]);
});
