// SPDX-License-Identifier: Apache-2.0

/** Claims from their allocation to a pod that runs: links secured before it is bound, devices that fail, and what is refused. */
import { all, claimPod, DRA, ELSEWHERE, FIRST, files, LATE, LINKED, links, pod, REJECTED, ready, refused, SECOND, slices } from "./claim-scenario.ts";
import { advance, intent, type Scenario, step, TWO_GPUS } from "./scenario.ts";

export const CLAIMS: readonly Scenario[] = [
  {
    name: "a device that fails authentication is tried once: the scheduler sees the taint before the failure, and takes another one",
    shape: { ...LINKED, dra: LATE },
    steps: [...ready, step("linkFault", { at: 0, word: REJECTED }), claimPod("template"), advance(30_000)],
    check: all(pod(0, "Running"), refused(0, "binding conditions failed"), links("Off", "Tsm")),
  },
  {
    name: "a scheduler that sees the failure before the taint is told again at once, and the device is not tried again",
    shape: { ...LINKED, dra: { ...LATE, scheduler: { ...LATE.scheduler, lagMs: 3_000 } } },
    steps: [...ready, step("linkFault", { at: 0, word: REJECTED }), claimPod("template"), advance(60_000)],
    check: all(pod(0, "Running"), links("Off", "Tsm")),
  },
  {
    name: "of a claim for two devices one fails: both are free again, both links are released, and the pod runs elsewhere",
    shape: { ...LINKED, dra: ELSEWHERE },
    steps: [...ready, step("linkFault", { at: 1, word: REJECTED }), claimPod("template", 2), advance(60_000)],
    check: all(pod(0, "Pending", "node-2"), refused(0, "binding conditions failed"), links("Off", "Off"), files(0, 0)),
  },
  {
    name: "a claim for two devices where one stream is left fits nowhere, and no link is tried",
    shape: { ...LINKED, streams: 1 },
    steps: [...ready, claimPod("template", 2), advance(60_000)],
    check: all(pod(0, "Pending", null), links("Off", "Off"), slices(FIRST, SECOND)),
  },
  {
    name: "trust is lost after a claim was told that its link is secured: it is not prepared, and an older container starts no more",
    shape: LINKED,
    steps: [
      ...ready,
      claimPod("named"),
      advance(10_000),
      claimPod("template"),
      advance(1_000),
      intent("cleared"),
      advance(60_000),
      step("restartClaimContainer", { word: "claim-pod-0" }),
      advance(1_000),
    ],
    check: all(
      pod(0, "Prepared"),
      refused(0, "unresolvable CDI devices"),
      refused(1, "the intent is not Trusted"),
      files(1, 0),
      slices(`${FIRST} teeio.dev/withheld=IntentCleared`, `${SECOND} teeio.dev/withheld=IntentCleared`),
    ),
  },
  {
    name: "a claim with parameters is refused by name, and taints nothing",
    shape: { ...DRA, ...TWO_GPUS },
    steps: [...ready, claimPod("parameters"), advance(5_000)],
    check: all(pod(0, "Pending"), refused(0, "teeio.dev takes no parameters"), slices(FIRST, SECOND), files(0, 0)),
  },
  {
    name: "a second pod shares a claim whose link was reset since the claim was told that it is secured",
    shape: LINKED,
    steps: [...ready, claimPod("named"), advance(10_000), step("resetLink", { at: 0 }), advance(500), claimPod("shared"), advance(30_000)],
    check: all(pod(0, "Running"), pod(1, "Running"), refused(1)),
  },
];
