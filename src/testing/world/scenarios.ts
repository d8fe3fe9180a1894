// SPDX-License-Identifier: Apache-2.0

/**
 * Short histories with a point, about what random ones seldom do. All of them hold; each is there to break when one rule of the agent is taken out
 * (mutants.ts).
 */
import { Run } from "./history.ts";
import { advance, firstUnit, intent, POD, type Scenario, start, step, TWO_GPUS, TWO_UNITS, UP, VIRTUAL } from "./scenario.ts";
import { CLEAR_WAITS, SETUP_WAITS } from "./scenarios-waiting.ts";
import { GPU, NIC, PLAIN, RENAMED } from "./shape.ts";

const pods: readonly Scenario[] = [
  { name: "CLEAR waits for a pod", steps: [...UP, ...POD, intent("cleared"), advance(20_000)] },
  {
    name: "CLEAR waits for a terminating pod that only the API shows",
    steps: [...UP, ...POD, step("stopContainer", { word: "pod-0" }), step("terminatePod", { word: "pod-0" }), intent("cleared"), advance(20_000)],
  },
  {
    name: "CLEAR waits for a terminating pod whose resource has been renamed, after a restart",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("terminatePod", { word: "pod-0" }),
      intent("renamed-cleared"),
      step("crashAgent"),
      start,
      advance(20_000),
    ],
  },
  {
    name: "CLEAR waits the settling time after a pod has ended",
    steps: [...UP, ...POD, intent("cleared"), advance(20_000), step("completePod", { word: "pod-0" }), advance(2_900)],
    check: firstUnit("ClearSettling"),
  },
  {
    name: "CLEAR waits the settling time after the agent's start",
    steps: [...UP, intent("cleared", 0), step("crashAgent"), advance(10_000), start, advance(2_900)],
    check: firstUnit("ClearSettling"),
  },
  {
    name: "CLEAR does not believe a kubelet that has just started",
    steps: [...UP, ...POD, intent("cleared"), advance(10_000), step("killKubelet", {}, 0), step("startKubelet"), advance(900)],
  },
  {
    name: "CLEAR settles anew after kubelet was replaced between two looks",
    steps: [...UP, intent("cleared"), advance(2_500), step("killKubelet", {}, 0), step("startKubelet"), advance(1_000)],
  },
  {
    name: "CLEAR waits until kubelet has taken the empty list",
    shape: { listDelayMs: 5_000 },
    steps: [start, advance(12_000), intent("cleared"), advance(4_500)],
    check: firstUnit("ClearPending"),
  },
  {
    name: "CLEAR waits while a call of kubelet is answered",
    shape: { isStandalone: true },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "host.observeFunction" }),
      step("admitPod", { word: "pod-0" }),
      intent("cleared"),
      advance(2_000),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits after an answer that kubelet does not show yet",
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
      step("stall", { word: "kubelet.allocate.answer" }),
      intent("cleared"),
      advance(2_900),
    ],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR waits after an answer without any settling time, too",
    shape: { settleMs: 0, isStandalone: true },
    steps: [...UP, ...POD, step("completePod", { word: "pod-0" }), intent("cleared"), advance(1_900)],
    check: firstUnit("ClearBlocked"),
  },
  {
    name: "CLEAR looks again when its turn comes",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [...UP, intent("cleared"), advance(3_100), step("openFromOutside", { at: 1 }), advance(3_000)],
  },
  {
    name: "no Allocate is answered while its unit is being cleared",
    shape: { latencyMs: 700, observeEveryMs: 60_000 },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("stall", { word: "host.observeFunction" }),
      step("admitPod", { word: "pod-0" }),
      intent("cleared"),
      advance(5_700),
      intent("trusted"),
      step("stall", { word: "" }),
    ],
  },
];

const trust: readonly Scenario[] = [
  {
    name: "a link secured between the last look and SETUP keeps its device back",
    steps: [step("startAgent", {}, "seamcall.setup"), step("secureLink", { at: 0, word: "Tsm" }), advance(5_000)],
  },
  {
    name: "a link secured before SETUP is not offered by a pass that runs before it is read again",
    shape: { latencyMs: 50 },
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      step("stall", { word: "seamcall.setup.answer" }),
      advance(5_000),
      step("stall", { word: "" }),
      advance(1),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a restart, too",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }, "seamcall.setup.answer"),
      step("crashAgent"),
      start,
      advance(5_000),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a restart during which the intent is Cleared",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      intent("cleared"),
      advance(5_000),
      step("crashAgent"),
      start,
      advance(5_000),
      intent("trusted"),
      advance(5_000),
    ],
  },
  {
    name: "a link secured before SETUP keeps its device back after a stop and a start without an intent",
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      intent("none"),
      advance(5_000),
      step("stopAgent"),
      start,
      intent("trusted"),
      advance(5_000),
    ],
  },
  {
    name: "a virtual function has the doubts about the link that it comes with",
    shape: VIRTUAL,
    steps: [
      step("startAgent", {}, "seamcall.setup"),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(5_000),
      step("replug", { at: 1 }),
      advance(5_000),
    ],
  },
  {
    name: "a virtual function whose link was secured after SETUP is offered",
    shape: VIRTUAL,
    steps: [...UP, step("secureLink", { at: 0, word: "Stream" }), advance(11_000), step("replug", { at: 1 }), advance(1_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:02.1") ? [] : ["the virtual function is not offered"]),
  },
  {
    name: "SETUP looks again when its turn comes",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [start, step("secureLink", { at: 1, word: "Tsm" }), advance(3_000)],
  },
  {
    name: "SETUP of the next unit waits for a host that cannot be read any more",
    shape: { ...TWO_UNITS, latencyMs: 700 },
    steps: [start, step("hideHost", { at: 0 }), advance(3_000)],
  },
  {
    name: "SETUP is not repeated at once",
    steps: [step("scriptFault", { at: 0, word: "operandBusy setup", ms: 50 }), start, advance(3_000)],
  },
  {
    name: "SETUP that failed for good is not repeated",
    steps: [step("scriptFault", { at: 0, word: "unheardOf setup", ms: 1 }), start, advance(30_000)],
    check: firstUnit("SetupFailed"),
  },
  {
    name: "a pod does not start again in another span of trust",
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(8_000),
      step("startContainer", { word: "pod-0" }),
    ],
  },
  {
    name: "a pod does not start again after a reboot, before podresources shows it",
    steps: [...UP, ...POD, step("reboot"), step("startKubelet"), start, advance(100), step("startContainer", { word: "pod-0" })],
  },
  {
    name: "a pod of before a reboot does not start on the strength of another pod's answer",
    steps: [
      ...UP,
      intent("swapped"),
      advance(1_500),
      step("createPod", { word: NIC, at: 1 }),
      step("admitPod", { word: "pod-0" }),
      step("reboot"),
      step("podresourcesDown"),
      step("startKubelet"),
      intent("gpu-only"),
      start,
      advance(3_500),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
      step("completePod", { word: "pod-1" }),
      intent("swapped"),
      step("podresourcesDown"),
      advance(3_100),
      step("startContainer", { word: "pod-0" }),
    ],
  },
  {
    name: "a pod starts its container although podresources does not show it yet",
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
      step("stall", { word: "kubelet.allocate.answer" }),
      advance(1_000),
      step("stall", { word: "" }),
      advance(1_000),
    ],
    check: ({ api }) => (api.pods[0]?.isRunning ? [] : ["the container does not start"]),
  },
  {
    name: "a pod starts its container although podresources does not show it yet, without any settling time",
    shape: { settleMs: 0 },
    steps: [
      ...UP,
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
      step("stall", { word: "kubelet.allocate.answer" }),
      advance(1_000),
      step("stall", { word: "" }),
      advance(1_000),
    ],
    check: ({ api }) => (api.pods[0]?.isRunning ? [] : ["the container does not start"]),
  },
  {
    name: "a device held since before a loss of trust is not offered, also after a restart",
    steps: [...UP, ...POD, step("loseUnit", { at: 0 }), step("findUnit", { at: 0 }), advance(8_000), step("crashAgent"), start, advance(8_000)],
  },
  {
    name: "a device held under its old name is not offered under the new one",
    steps: [...UP, ...POD, step("stopContainer", { word: "pod-0" }), intent("renamed"), advance(40_000)],
  },
  {
    name: "a device is not given away twice while kubelet starts again and again, and podresources is empty",
    shape: { settleMs: 500 },
    steps: [
      ...UP,
      ...POD,
      step("stopContainer", { word: "pod-0" }),
      intent("renamed"),
      advance(3_000),
      ...[900, 900, 600].flatMap((ms) => [step("killKubelet", {}, 0), step("startKubelet"), advance(ms)]),
      step("unplug", { at: 1 }),
      advance(50),
      step("createPod", { word: RENAMED, at: 1 }),
      step("admitPod", { word: "pod-1" }),
    ],
  },
  {
    name: "a device held since before a loss of trust is held while its holders are hidden",
    shape: { isStandalone: true },
    steps: [
      ...UP,
      ...POD,
      step("terminatePod", { word: "pod-0" }),
      step("hideHolders", { at: 0 }),
      step("loseUnit", { at: 0 }),
      advance(7_000),
      step("findUnit", { at: 0 }),
      advance(40_000),
      step("hideHolders", { at: 0 }),
      advance(40_000),
    ],
  },
  {
    name: "a list that kubelet still believes in gives away nothing under an old name",
    shape: { listDelayMs: 1_000 },
    steps: [start, advance(8_000), step("createPod", { word: GPU, at: 1 }), intent("swapped"), step("admitPod", { word: "pod-0" })],
  },
  {
    name: "a device is not offered with a CDI spec that has been removed meanwhile",
    steps: [
      ...UP,
      step("stall", { word: "cdi.sync" }),
      step("unplug", { at: 1 }),
      intent("ledger"),
      step("stall", { word: "" }, "host.observe"),
      step("stall", { word: "host.observe" }, 0),
      step("cdiReadOnly", {}, 0),
      intent("gpu-only"),
      step("stall", { word: "" }),
      advance(5_000),
    ],
  },
  {
    name: "a held device that has lost its vfio device keeps no other one back after a restart",
    shape: { ...TWO_GPUS, isSimulated: false, realSetup: true },
    steps: [...UP, ...POD, step("unbindVfio", { at: 0 }), advance(5_000), step("crashAgent"), start, advance(5_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).includes("0000:17:00.1") ? [] : ["the other device is not offered"]),
  },
  {
    name: "a device that goes while kubelet is slow to answer is withdrawn at once",
    steps: [...UP, step("stall", { word: "podresources.observe" }), step("unplug", { at: 0 }), step("unbindVfio", { at: 1 })],
  },
  {
    name: "an intent of Cleared withdraws at once while the host is slow to read, however often it changes",
    steps: [...UP, step("stall", { word: "host.observe" }), step("unplug", { at: 1 }), step("replug", { at: 1 }), intent("cleared")],
  },
  {
    name: "a device that goes while the API server is slow to answer is withdrawn at once",
    shape: TWO_GPUS,
    steps: [
      ...UP,
      ...POD,
      step("loseUnit", { at: 0 }),
      step("findUnit", { at: 0 }),
      advance(8_000),
      step("completePod", { word: "pod-0" }),
      step("stall", { word: "pods.observe" }),
      advance(2_500),
      step("unplug", { at: 1 }),
    ],
  },
  {
    name: "an unplugged device that a pod holds says that it is missing",
    steps: [...UP, ...POD, step("unplug", { at: 0 }), advance(20_000)],
  },
  {
    name: "another plugin's pod blocks nothing",
    shape: { hasForeignPod: true },
    steps: [...UP, intent("cleared"), advance(10_000)],
    check: firstUnit("Cleared"),
  },
  { name: "a device that no resource takes says so", steps: [intent("gpu-only"), ...UP] },
  { name: "a device whose capability is hidden says so", steps: [...UP, step("hideCapability", { at: 0 }), advance(20_000)] },
  { name: "a device whose unit is hidden says so", steps: [...UP, step("hideUnitOfFunction", { at: 0 }), advance(20_000)] },
  { name: "an unreadable binding closes the gate", steps: [...UP, step("hideBinding"), advance(20_000)] },
  {
    name: "a driver that comes in the middle of a look is used soon after",
    steps: [step("hideBinding"), start, advance(12_000), step("unplug", { at: 1 }, "cdi.sync"), step("hideBinding"), advance(1_000)],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  {
    name: "a binding that cannot be read at the end of a look only costs no more than a moment",
    steps: [
      ...UP,
      step("hideBinding"),
      advance(12_000),
      step("hideBinding"),
      step("unplug", { at: 1 }, "cdi.sync"),
      step("hideBinding"),
      step("hideBinding"),
      advance(1_000),
    ],
    check: ({ kubelet }) => (kubelet.healthy(GPU).length === 1 ? [] : ["the device is not offered"]),
  },
  { name: "a read-only CDI folder closes the gate", steps: [step("cdiReadOnly"), ...UP, advance(20_000)] },
  {
    name: "an id without trust is cleared and the unit set up again",
    steps: [...UP, step("breakEnvironment", { word: "Ud" }), advance(20_000), step("mendEnvironment", { word: "kept" }), advance(40_000)],
    check: firstUnit("SetupSucceeded"),
  },
  {
    name: "the nic goes with its own list",
    steps: [...UP, step("createPod", { word: NIC, at: 1 }), step("admitPod", { word: "pod-0" }), advance(1_000)],
  },
];

export const SCENARIOS: readonly Scenario[] = [...CLEAR_WAITS, ...SETUP_WAITS, ...pods, ...trust];

/** What broke; empty when all is well. */
export async function runScenario({ name, shape = {}, steps, check }: Scenario): Promise<readonly string[]> {
  const run = new Run({ ...PLAIN, ...shape }, null);
  for (const one of steps) await run.take(one);
  const complaints = check?.(run.world) ?? [];
  for (const complaint of complaints) run.checker.complain(`after "${name}"`, complaint);
  await run.end();
  return run.violations;
}
