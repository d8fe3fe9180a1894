// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { functionsInPods } from "../../src/domain/in-pods.ts";
import type { PodDevices } from "../../src/domain/view.ts";
import { aFunction } from "../support/builders.ts";

const DEVICE = "0000:1a:00.0";
const OTHER = "0000:1b:00.0";
const RESOURCE = "example.com/passthrough";
const ON_VFIO = [
  aFunction({ address: DEVICE, iommuGroup: "42", vfioCdev: "/dev/vfio/devices/vfio3" }),
  aFunction({ address: OTHER, iommuGroup: "43", vfioCdev: "/dev/vfio/devices/vfio33" }),
];
const IN_GROUP_1 = aFunction({ address: "0000:00:1f.0", iommuGroup: "1", vfioCdev: null, driver: "lpc_ich" });

interface Shown extends Partial<PodDevices> {
  readonly listed?: readonly string[];
}

function held({ listed = [], ...entry }: Shown, functions = [...ON_VFIO, IN_GROUP_1]): readonly string[] {
  const pods = [{ namespace: "ml", pod: "other", resource: RESOURCE, ids: [], ...entry }];
  const view = { kind: "Read" as const, allocatable: [{ resource: RESOURCE, ids: listed }], pods, kubeletSinceMs: 0 };
  return functionsInPods(view, functions).map(({ address }) => address);
}

it.each<readonly [string, Shown]>([
  ["its address", { ids: [DEVICE] }],
  ["its address in upper case", { ids: ["0000:1A:00.0"] }],
  ["its address without the segment", { ids: ["1a:00.0"] }],
  ["its address with a segment of eight digits", { ids: ["00000000:1A:00.0"] }],
  ["a name with its address in it", { ids: ["gpu-0000-1a-00-0"] }],
  ["a share of its address", { ids: ["0000:1a:00.0::2"] }],
  ["its vfio device", { ids: ["vfio3"], listed: ["vfio33", "vfio3"] }],
  ["its vfio device's path", { ids: ["/dev/vfio/devices/vfio3"], listed: ["/dev/vfio/devices/vfio3"] }],
  ["its vfio device, which is listed no more", { ids: ["vfio3"] }],
  ["its vfio device, while another one is gone", { ids: ["vfio3"], listed: ["vfio3", "vfio4"] }],
  ["its IOMMU group", { ids: ["42"], listed: ["42", "43"] }],
  ["its IOMMU group's path", { ids: ["/dev/vfio/42"], listed: ["/dev/vfio/42"] }],
  ["a claim's device", { ids: ["node-1/pci-0000-1a-00-0"], claim: "train" }],
  ["a claim's device with a CDI name", { ids: ["node-1/gpu-0"], claim: "train", aliases: ["example.com/gpu=0000:1a:00.0"] }],
])("a function in a pod's hands is known by %s", (_what, entry) => {
  expect(held(entry)).toEqual([DEVICE]);
});

it.each<readonly [string, Shown]>([
  ["a name that says nothing", { ids: ["GPU-4711"] }],
  ["a number of kvm", { ids: ["kvm42"], listed: ["kvm42"] }],
  ["a number among more than there are groups, as of fuse", { ids: ["42"], listed: ["0", "1", "42"] }],
  ["a number among small ones, as of a shared GPU", { ids: ["42"], listed: ["42", "43", "44"] }],
  ["the group of a function that is not on vfio", { ids: ["1"], listed: ["1", "42"] }],
  ["a vfio number that no function has", { ids: ["vfio4"], listed: ["vfio3", "vfio4"] }],
  ["a vfio number among other names", { ids: ["vfio3"], listed: ["vfio3", "slice-0"] }],
  ["a number that a pod of the same plugin makes implausible", { ids: ["42", "7"], listed: [] }],
  ["a number of a claim", { ids: ["42"], claim: "train" }],
])("no function is in a pod's hands by %s", (_what, entry) => {
  expect(held(entry)).toEqual([]);
});

it("all functions of a group are in the hands of the pod that has it", () => {
  const group = ON_VFIO.map((fn) => ({ ...fn, iommuGroup: "42" }));
  expect(held({ ids: ["42"], listed: ["42"] }, group)).toEqual([DEVICE, OTHER]);
});

it("a function is named by the first id that means it", () => {
  const pods = [{ namespace: "ml", pod: "other", resource: RESOURCE, ids: ["1A:00.0"], claim: "c", aliases: [DEVICE] }];
  const view = { kind: "Read" as const, allocatable: [], pods, kubeletSinceMs: 0 };
  expect(functionsInPods(view, ON_VFIO)).toEqual([{ address: DEVICE, resource: RESOURCE, pod: "ml/other", id: "1A:00.0" }]);
});
