// SPDX-License-Identifier: Apache-2.0

/** How long a device whose link could not be secured is kept from new claims, and what ends that. One device, and another node where pods go instead. */
import type { World } from "../life/world.ts";
import { plainIntent, specOf, type WorldShape } from "../models/shape.ts";
import { all, claimPod, conditions, DRA, ELSEWHERE, FIRST, links, pod, REJECTED, RESOURCES, ready, slices } from "./claim-scenario.ts";
import { advance, type Scenario, start, step } from "./scenario.ts";
import { VIRTUALS } from "./scenarios-claim-rules.ts";

const ONE: Partial<WorldShape> = {
  ...DRA,
  dra: ELSEWHERE,
  linkEnable: "OnPrepare",
  spec: specOf(plainIntent({ resources: RESOURCES, link: { enable: "OnPrepare" } })),
};
const MINUTE_MS = 60_000;

const rejected = step("linkFault", { at: 0, word: REJECTED });
/** A pod comes, its link fails, and the pod goes elsewhere: ten seconds. */
const failing = [rejected, claimPod("template"), advance(10_000)];
const failedOnce = [...ready, ...failing];
const failedTwice = [...failedOnce, advance(10 * MINUTE_MS), ...failing];
const running = [...ready, claimPod("template"), advance(10_000)];
const restarted = [step("crashAgent"), advance(2_000), start, advance(8_000)];
const TAINTED = `${FIRST} teeio.dev/link-failed=AuthenticationFailed`;

/** When the taint of the device was added, in ms after the start of the world. */
const taintedFor =
  (minMs: number, maxMs: number) =>
  ({ dra, time }: World): readonly string[] => {
    const [taint] = [...(dra?.api.pools.state.items.values() ?? [])].flatMap(({ value }) => value.pool.devices.flatMap(({ taints }) => taints));
    const ageMs = time.clockOf(0).wallMs() - Date.parse(taint?.timeAdded ?? "");
    return ageMs >= minMs && ageMs < maxMs ? [] : [`the taint should be ${minMs} to ${maxMs} ms old, it is ${ageMs}`];
  };
/** Scripted answers of the TSM that nobody has asked for. */
const unasked =
  (count: number) =>
  ({ links: { faults } }: World): readonly string[] =>
    faults.length === count ? [] : [`${count} answers of the TSM should be left, ${faults.length} are`];

const OFF = links("Off", "Off");

export const LINK_TAINTS: readonly Scenario[] = [
  {
    name: "a link fails once: for ten minutes its device stays in the slice with a taint, free as it is",
    shape: ONE,
    steps: [...failedOnce, advance(10 * MINUTE_MS - 15_000)],
    check: all(slices(TAINTED), taintedFor(9 * MINUTE_MS, 10 * MINUTE_MS), pod(0, "Pending", "node-2"), OFF),
  },
  {
    name: "a link fails once: after ten minutes its device is offered again, without an attempt",
    shape: ONE,
    steps: [...failedOnce, rejected, advance(10 * MINUTE_MS - 9_000)],
    check: all(slices(FIRST), unasked(1), OFF),
  },
  {
    name: "a link fails twice: its device is kept for twenty minutes",
    shape: ONE,
    steps: [...failedTwice, advance(20 * MINUTE_MS - 15_000)],
    check: all(slices(TAINTED), taintedFor(19 * MINUTE_MS, 20 * MINUTE_MS), pod(1, "Pending", "node-2")),
  },
  {
    name: "a link fails twice: after twenty minutes its device is offered again, and the next pod gets it",
    shape: ONE,
    steps: [...failedTwice, advance(20 * MINUTE_MS), claimPod("template"), advance(10_000)],
    check: all(slices(FIRST), pod(2, "Running"), links("Tsm", "Off")),
  },
  {
    name: "the agent is started anew: the taint is kept, as old as it is, and not begun anew",
    shape: ONE,
    steps: [...failedOnce, advance(5 * MINUTE_MS), ...restarted, advance(4 * MINUTE_MS)],
    check: all(slices(TAINTED), taintedFor(9 * MINUTE_MS, 10 * MINUTE_MS)),
  },
  {
    name: "the agent is started anew and sees its slices late: it does not write over the taint that it has not seen",
    shape: { ...ONE, dra: { ...ELSEWHERE, api: { ...ELSEWHERE.api, slicesLagMs: 3_000 } } },
    steps: [...ready, advance(3_000), ...failing, advance(5 * MINUTE_MS), ...restarted, advance(MINUTE_MS)],
    check: all(slices(TAINTED), taintedFor(6 * MINUTE_MS, 7 * MINUTE_MS)),
  },
  {
    name: "the agent is started anew: the taint ends when it would have, and the device is offered without an attempt",
    shape: ONE,
    steps: [...failedOnce, rejected, advance(5 * MINUTE_MS), ...restarted, advance(5 * MINUTE_MS - 15_000)],
    check: all(slices(FIRST), unasked(1)),
  },
  {
    name: "the machine is started anew: the taint was of another span of trust",
    shape: ONE,
    steps: [...failedOnce, step("reboot"), start, advance(10_000)],
    check: slices(FIRST),
  },
  {
    name: "a claim that tolerates the taint is allocated the device: it is told that the link failed, and no link is tried",
    shape: ONE,
    steps: [...failedOnce, rejected, advance(7 * MINUTE_MS), claimPod("tolerant"), advance(3_000)],
    check: all(slices(TAINTED), unasked(1), conditions("LinkFailed=True"), OFF),
  },
  {
    name: "the agent is started anew while a claim that tolerates the taint waits: no link is tried for it",
    shape: ONE,
    steps: [...failedOnce, rejected, claimPod("tolerant"), ...restarted, advance(MINUTE_MS)],
    check: all(slices(TAINTED), unasked(1), OFF),
  },
  {
    name: "who has the device waits for its link, which is tried every five minutes: the taint goes when it is secured",
    shape: ONE,
    steps: [...running, rejected, step("releaseLink", { at: 0 }), advance(5 * MINUTE_MS + 15_000)],
    check: all(slices(FIRST), pod(0, "Running"), links("Tsm", "Off")),
  },
  {
    name: "the link of who has the device goes on failing while the taint stands, which is made no longer by that",
    shape: ONE,
    steps: [...running, rejected, rejected, step("releaseLink", { at: 0 }), advance(5 * MINUTE_MS + 15_000)],
    check: all(slices(TAINTED), taintedFor(5 * MINUTE_MS, 6 * MINUTE_MS), unasked(0), OFF),
  },
  {
    name: "a link fails, and the TSM is loaded anew: the device is offered",
    shape: ONE,
    steps: [...failedOnce, step("setTsms", { at: 0 }), advance(40_000), step("setTsms", { at: 1 }), advance(40_000)],
    check: slices(FIRST),
  },
  {
    name: "a link fails, and its device is replaced: the new one is offered",
    shape: ONE,
    steps: [...failedOnce, step("unplug", { at: 0 }), advance(5_000), step("replug", { at: 0, word: "" }), advance(10_000)],
    check: slices(FIRST),
  },
  {
    name: "the link of one virtual function fails: every function of its slot is kept",
    shape: VIRTUALS,
    steps: [start, step("replug", { at: 1, word: "" }), step("replug", { at: 2, word: "" }), advance(9_000), ...failing, advance(MINUTE_MS)],
    check: slices(...["0000:17:02.1", "0000:17:02.2"].map((address) => `${address} teeio.dev/link-failed=AuthenticationFailed`)),
  },
];
