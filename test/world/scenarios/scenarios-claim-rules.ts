// SPDX-License-Identifier: Apache-2.0

/** One rule of claims, slices and binding conditions each: what the scheduler is told, what kubelet is answered, and what stands in the way of a CLEAR. */
import { PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { GPU, GPU_VENDOR, NIC_VENDOR, plainIntent, REG_BASES, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import {
  all,
  claimPod,
  conditions,
  DRA,
  ELSEWHERE,
  FIRST,
  files,
  LINKED,
  links,
  pod,
  REJECTED,
  ready,
  refused,
  slices,
  streams,
} from "./claim-scenario.ts";
import { advance, intent, type Scenario, start, step } from "./scenario.ts";

/** A claim for two devices, of which the second one has failed, whose pod was deleted before the scheduler freed it: nobody frees it any more. */
const LEFT_ALLOCATED = [
  ...ready,
  step("linkFault", { at: 1, word: REJECTED }),
  claimPod("named", 2),
  advance(6_000),
  step("terminateClaimPod", { word: "claim-pod-0" }),
  step("finishClaimPod", { word: "claim-pod-0" }),
  advance(60_000),
];

const GPUS_BY_DRA = resourcesWith("Keep")
  .slice(0, 1)
  .map((rule) => ({ ...rule, ledger: "DRA" as const }));
const ABOUT = { regBase: REG_BASES[0], isTeeCapable: true };
const PHYSICAL = "0000:17:00.0";
export const VIRTUALS: Partial<WorldShape> = {
  ...LINKED,
  devices: [
    { ...ABOUT, address: PHYSICAL, vendor: NIC_VENDOR },
    { ...ABOUT, address: "0000:17:02.1", vendor: GPU_VENDOR, physicalFunction: PHYSICAL },
    { ...ABOUT, address: "0000:17:02.2", vendor: GPU_VENDOR, physicalFunction: PHYSICAL },
  ],
  streams: 1,
  spec: specOf(plainIntent({ link: { enable: "OnPrepare" }, resources: GPUS_BY_DRA })),
};
/** Claim files outlive a reboot. */
const ON_DISK: Partial<WorldShape> = { ...DRA, dra: { ...PLAIN_DRA_WORLD, isCdiTmpfs: false } };

export const CLAIM_RULES: readonly Scenario[] = [
  {
    name: "a claim's second device fails while the link of the first cannot be read: the failure is said of both, and the pod does not wait for the first",
    shape: { ...LINKED, dra: ELSEWHERE, linkMs: 1_000 },
    steps: [
      ...ready,
      step("linkFault", { at: 1, word: REJECTED }),
      claimPod("template", 2),
      advance(400),
      step("hideLink", { at: 0 }),
      advance(15_000),
    ],
    check: all(pod(0, "Pending", "node-2"), refused(0, "binding conditions failed")),
  },
  {
    name: "a claim that is allocated and reserved for nobody keeps its link",
    shape: LINKED,
    steps: LEFT_ALLOCATED,
    check: links("Tsm", "Off"),
  },
  {
    name: "the link of a claim that is reserved for nobody is not secured anew when it is lost",
    shape: LINKED,
    steps: [...LEFT_ALLOCATED, step("resetLink", { at: 0 }), advance(60_000)],
    check: links("Broken", "Off"),
  },
  {
    name: "a link that is lost and cannot be secured again: what the claim was told stays, for pods may share it",
    shape: LINKED,
    steps: [
      ...ready,
      claimPod("named"),
      advance(10_000),
      step("linkFault", { at: 0, word: REJECTED }),
      step("linkFault", { at: 0, word: REJECTED }),
      step("resetLink", { at: 0 }),
      advance(30_000),
    ],
    check: all(pod(0, "Running"), conditions("LinkSecured=True")),
  },
  {
    name: "a scheduler that is behind allocates a device that has left its slice, and the watch of claims is held: the API server is asked before a CLEAR",
    shape: { ...DRA, dra: { ...PLAIN_DRA_WORLD, scheduler: { ...PLAIN_DRA_WORLD.scheduler, lagMs: 2_000 } } },
    steps: [
      start,
      advance(7_000),
      step("holdWatch", { word: "claims", at: 1 }),
      claimPod("template"),
      advance(100),
      intent("cleared"),
      advance(30_000),
    ],
    check: all(pod(0, "Pending"), refused(0, "the intent is not Trusted"), ({ module }) =>
      module.units[0]?.trust.value === null ? ["the unit should not have been cleared"] : [],
    ),
  },
  {
    name: "a claim file of the boot before resolves for nobody and holds nothing",
    shape: ON_DISK,
    steps: [...ready, claimPod("named"), advance(2_000), step("reboot"), start, advance(6_000)],
    check: all(files(1, 0), slices(FIRST), pod(0, "Pending")),
  },
  {
    name: "virtual functions of one slot share its stream: each is allocated to a pod of its own",
    shape: VIRTUALS,
    steps: [
      start,
      step("replug", { at: 1, word: "" }),
      step("replug", { at: 2, word: "" }),
      advance(4_500),
      claimPod("template"),
      advance(10_000),
      claimPod("template"),
      advance(20_000),
    ],
    check: all(pod(0, "Running"), pod(1, "Running")),
  },
  {
    name: "a device that is allocated loses its link, and another program takes the stream: the counter does not go below what is allocated",
    shape: { ...LINKED, streams: 1 },
    steps: [
      ...ready,
      claimPod("template"),
      advance(10_000),
      step("releaseLink", { at: 0 }),
      step("secureLink", { at: 1, word: "Foreign" }),
      advance(10_000),
    ],
    check: streams(1),
  },
  {
    name: "a claim with admin access is refused by name",
    shape: DRA,
    steps: [...ready, claimPod("admin"), advance(5_000)],
    check: all(pod(0, "Pending"), refused(0, "AdminAccessRefused"), slices(FIRST), files(0, 0)),
  },
  {
    name: "a claim is held, not refused, while a VM whose pod is gone has its device: the pod runs when the VM has ended",
    shape: DRA,
    steps: [
      ...ready,
      claimPod("extended"),
      advance(2_000),
      claimPod("extended"),
      step("abandonClaimVm", { word: "claim-pod-0" }),
      advance(20_000),
      step("endClaimVm", { word: "claim-pod-0" }),
      advance(10_000),
    ],
    check: all(pod(1, "Running"), refused(1)),
  },
  {
    name: "kubelet asks for a claim that the watch does not show yet: it is read, and given",
    shape: { ...DRA, dra: { ...PLAIN_DRA_WORLD, api: { ...PLAIN_DRA_WORLD.api, claimsLagMs: 5_000 } } },
    steps: [start, advance(9_500), claimPod("template"), advance(2_000)],
    check: all(pod(0, "Running"), refused(0), files(1, 1)),
  },
  {
    name: "an agent that is told to stop empties its pools, and a pod's claim stays prepared",
    shape: DRA,
    steps: [...ready, claimPod("template"), advance(2_000), step("stopAgent"), advance(10_000)],
    check: all(pod(0, "Running"), slices(), files(1, 1)),
  },
  {
    name: "a pod that is on its way out keeps its claim's file until kubelet unprepares it",
    shape: DRA,
    steps: [...ready, claimPod("template"), advance(2_000), step("terminateClaimPod", { word: "claim-pod-0" }), advance(60_000)],
    check: all(pod(0, "Running"), files(1, 1)),
  },
  {
    name: "the spec gives a device to the device plugin while a slice may list it still: kubelet has it when it has left the slice",
    shape: { ...DRA, dra: { ...PLAIN_DRA_WORLD, api: { ...PLAIN_DRA_WORLD.api, latencyMs: 900, slicesLagMs: 300 } } },
    steps: [start, advance(9_500), intent("ledger"), advance(20_000)],
    check: all(slices(), ({ kubelet }) => (kubelet.healthy(GPU).includes(FIRST) ? [] : ["kubelet should have the device by now"])),
  },
  {
    name: "the spec gives a device to the device plugin while a claim has it and kubelet is down: the claim is not prepared, and no ledger offers it",
    shape: DRA,
    steps: [...ready, step("killKubelet"), claimPod("template"), advance(1_000), intent("ledger"), step("startKubelet"), advance(80_000)],
    check: all(
      pod(0, "Pending"),
      refused(0, "not registered", "LedgerSwitching"),
      slices(`${FIRST} teeio.dev/withheld=LedgerSwitching`),
      files(0, 0),
    ),
  },
];
