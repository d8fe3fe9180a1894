// SPDX-License-Identifier: Apache-2.0

/** Links that the agent secures, repairs and releases, or that it waits for. */
import type { World } from "../life/world.ts";
import { GPU, plainIntent, specOf, type WorldShape } from "../models/shape.ts";
import { advance, intent, POD, type Scenario, start, step, TWO_GPUS, TWO_UNITS, UP, VIRTUAL } from "./scenario.ts";

const ON_PREPARE: Partial<WorldShape> = { linkEnable: "OnPrepare", spec: specOf(plainIntent({ link: { enable: "OnPrepare" } })) };
const EXTERNAL: Partial<WorldShape> = { linkEnable: "External", spec: specOf(plainIntent({ link: { enable: "External" } })) };
const SLOW = { ...ON_PREPARE, linkMs: 8_000 };

const link =
  (at: number, ...truths: readonly string[]) =>
  ({ host }: World): readonly string[] => {
    const shown = host.functions[at]?.link.value ?? "";
    return truths.includes(shown) ? [] : [`the link of function ${at} should be ${truths.join(" or ")}, it is ${shown}`];
  };
const device =
  (at: number, reason: string, word?: string) =>
  ({ api, host }: World): readonly string[] => {
    const shown = api.status?.devices.find(({ address }) => address === host.functions[at]?.address);
    const found = `${shown?.reason} ${word === undefined ? "" : shown?.link.state}`.trim();
    return found === `${reason} ${word ?? ""}`.trim() ? [] : [`function ${at} should be ${reason} ${word ?? ""}, the status says ${found}`];
  };
const says =
  (at: number, message: string) =>
  ({ api, host }: World): readonly string[] => {
    const shown = api.status?.devices.find(({ address }) => address === host.functions[at]?.address)?.message ?? "";
    return shown.includes(message) ? [] : [`function ${at} should say "${message}", it says "${shown}"`];
  };
const pod =
  (at: number, isRunning: boolean) =>
  ({ api }: World): readonly string[] =>
    api.pods[at]?.isRunning === isRunning ? [] : [`pod ${at} should ${isRunning ? "" : "not "}run`];
const all =
  (...checks: readonly ((world: World) => readonly string[])[]) =>
  (world: World): readonly string[] =>
    checks.flatMap((check) => check(world));

const TWO_VIRTUAL: Partial<WorldShape> = {
  devices: [...(VIRTUAL.devices ?? []), ...(VIRTUAL.devices ?? []).slice(1).map((one) => ({ ...one, address: "0000:17:02.2" }))],
};
/** Both virtual functions are there, and the first one's pod runs with its link secured. */
const FIRST_OF_TWO = [...UP, step("replug", { at: 1, word: "" }), step("replug", { at: 2, word: "" }), advance(3_000), ...POD, advance(3_000)];

/** Somebody else uses the other device, and takes the last stream for it when the pod has been given the first one. */
const TAKEN = [
  ...UP,
  advance(12_000),
  step("openFromOutside", { at: 1 }),
  step("createPod", { word: GPU, at: 1 }),
  step("admitPod", { word: "pod-0" }, "kubelet.allocate.answer"),
  step("secureLink", { at: 1, word: "Tsm" }),
  advance(21_000),
];

/** A pod that has the device at 0 and runs, its link secured. */
const RUNNING = [...UP, ...POD, advance(3_000)];
const NIC_POD = [step("createPod", { word: "teeio.dev/nic", at: 1 }), step("admitPod", { word: "pod-1" })];
const GONE = [step("terminatePod", { word: "pod-0" }), step("finishPod", { word: "pod-0", at: 0 })];

export const LINKS: readonly Scenario[] = [
  {
    name: "a link that somebody else has secured after SETUP is not written for the pod that gets the device",
    shape: ON_PREPARE,
    steps: [...UP, step("secureLink", { at: 0, word: "Stream" }), advance(16_000), ...POD, advance(3_000)],
    check: all(link(0, "Stream"), pod(0, true), device(0, "Offered", "Secure")),
  },
  {
    name: "a look that the end of a connect falls into takes nothing from a list",
    shape: { ...ON_PREPARE, linkMs: 3_000 },
    steps: [
      ...UP,
      ...POD,
      step("stall", { word: "host.observe" }),
      step("unbindVfio", { at: 1 }),
      advance(4_000),
      step("stall", { word: "" }),
      advance(2_000),
    ],
    check: all(link(0, "Tsm"), pod(0, true), ({ kubelet }) => {
      const lists = kubelet.lists.get(GPU);
      return lists === 1 ? [] : [`the first list should be the only one, there were ${lists}`];
    }),
  },
  {
    name: "the link of a device that is given away is secured before its container starts, and released when the pod has gone",
    shape: ON_PREPARE,
    steps: [...RUNNING, ...GONE, advance(20_000)],
    check: all(link(0, "Off"), device(0, "Offered", "Insecure")),
  },
  {
    name: "a container waits for its link, and starts when it is secured",
    shape: SLOW,
    steps: [...UP, ...POD, advance(4_000)],
    check: all(pod(0, false), device(0, "Offered", "Securing")),
  },
  {
    name: "a container starts with its link secured",
    shape: SLOW,
    steps: [...UP, ...POD, advance(10_000)],
    check: all(pod(0, true), link(0, "Tsm"), device(0, "Offered", "Secure")),
  },
  {
    name: "a link that takes long to be secured withdraws nothing, and other devices are given away meanwhile",
    shape: { ...ON_PREPARE, linkMs: 15_000 },
    steps: [...UP, ...POD, advance(1_000), ...NIC_POD, advance(1_000)],
    check: all(device(0, "Offered", "Securing"), device(1, "Offered"), ({ api }) =>
      api.pods[1]?.stage === "Held" ? [] : ["the other pod has nothing"],
    ),
  },
  {
    name: "an agent that writes a link for a minute looks at the host no more often than ever",
    shape: { ...ON_PREPARE, ...TWO_GPUS, linkMs: 60_000 },
    steps: [...UP, ...POD, step("createPod", { word: GPU, at: 1 }), step("admitPod", { word: "pod-1" }), advance(55_000)],
    check: ({ turnstile }) => {
      const looks = turnstile.passed.get("host.observe") ?? 0;
      // Some 15 around the two answers, and one every ten seconds.
      return looks <= 25 ? [] : [`the agent has looked ${looks} times`];
    },
  },
  {
    name: "a link whose write outlived its agent is the next one's",
    shape: SLOW,
    steps: [...UP, ...POD, advance(1_000), step("crashAgent"), start, advance(20_000), step("startContainer", { word: "pod-0" }), advance(2_000)],
    check: all(link(0, "Tsm"), device(0, "Offered", "Secure"), pod(0, true)),
  },
  {
    name: "an agent that is killed just before it writes writes nothing",
    shape: ON_PREPARE,
    steps: [...UP, step("crashAgentAt", { word: "tsm.write" }), ...POD, advance(2_000)],
    check: link(0, "Off"),
  },
  {
    name: "an agent that is stopped while it writes adopts what came of it",
    shape: SLOW,
    steps: [...UP, ...POD, advance(1_000), step("stopAgent"), advance(1_000), start, advance(20_000)],
    check: all(link(0, "Tsm"), device(0, "Offered", "Secure")),
  },
  {
    name: "a link that the opening of its device has reset is repaired, and the device stays listed",
    shape: { ...ON_PREPARE, resetsOnOpen: true },
    steps: [...RUNNING, advance(6_000)],
    check: all(pod(0, true), link(0, "Tsm"), device(0, "Offered", "Secure")),
  },
  {
    name: "a link that a guest loses is repaired, three times a minute",
    shape: ON_PREPARE,
    steps: [...RUNNING, ...Array.from({ length: 5 }, () => [step("resetLink", { at: 0 }), advance(4_000)]).flat()],
    check: all(link(0, "Broken"), device(0, "Offered", "Broken")),
  },
  {
    name: "a link is not repaired while a TDI of its slot is bound",
    shape: ON_PREPARE,
    steps: [...RUNNING, step("bindTdi", { at: 0 }), step("resetLink", { at: 0 }), advance(10_000)],
    check: all(link(0, "Broken"), device(0, "Offered", "Broken")),
  },
  {
    name: "no link is released while a TDI of its slot is bound, whoever has it",
    shape: ON_PREPARE,
    steps: [...UP, step("secureLink", { at: 0, word: "Tsm" }), step("bindTdi", { at: 0 }), advance(30_000)],
    check: link(0, "Tsm"),
  },
  {
    name: "no link is released while a process has a function of its slot open",
    shape: ON_PREPARE,
    steps: [...UP, step("openFromOutside", { at: 0 }), step("secureLink", { at: 0, word: "Tsm" }), advance(30_000)],
    check: link(0, "Tsm"),
  },
  {
    name: "a link that somebody else has secured and that nobody uses is released",
    shape: ON_PREPARE,
    steps: [...UP, step("secureLink", { at: 0, word: "Tsm" }), advance(40_000)],
    check: link(0, "Off"),
  },
  {
    name: "a link that nobody uses is released although the intent is Cleared and nothing was ever set up",
    shape: ON_PREPARE,
    steps: [intent("cleared"), start, advance(3_500), step("secureLink", { at: 0, word: "Tsm" }), advance(60_000)],
    check: link(0, "Off"),
  },
  {
    name: "a container that is to start while its link is released waits for the next one",
    shape: SLOW,
    steps: [
      ...UP,
      ...POD,
      advance(12_000),
      ...GONE,
      advance(8_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
      advance(3_000),
    ],
    check: all(pod(1, false), device(0, "Offered", "Releasing"), ({ api }) =>
      api.pods[1]?.isStarting === true ? [] : [`pod 1 should be starting, it is ${api.pods[1]?.stage}`],
    ),
  },
  {
    name: "a link is not connected again for a virtual function under a function that it covers",
    shape: { ...TWO_VIRTUAL, ...ON_PREPARE },
    steps: [
      ...FIRST_OF_TWO,
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-1" }),
      advance(3_000),
      step("stopContainer", { word: "pod-1" }),
      step("coverOnly", { at: 1 }),
      advance(20_000),
    ],
    check: all(pod(0, true), link(0, "Tsm")),
  },
  {
    name: "a link is left alone where the spec does not say that it is ours",
    steps: [...UP, step("secureLink", { at: 0, word: "Tsm" }), ...POD, advance(40_000)],
    check: all(link(0, "Tsm"), link(1, "Off")),
  },
  {
    name: "a virtual function that was made after its link was secured waits until the slot is free, and is covered then",
    shape: { ...VIRTUAL, ...ON_PREPARE },
    steps: [
      ...UP,
      step("createPod", { word: "teeio.dev/nic", at: 1 }),
      step("admitPod", { word: "pod-0" }),
      advance(3_000),
      step("replug", { at: 1, word: "" }),
      advance(12_000),
    ],
    check: all(pod(0, true), link(0, "Tsm"), device(1, "LinkNotCovering")),
  },
  {
    name: "a virtual function that was given away uncovered starts when its slot is free",
    shape: { ...VIRTUAL, ...ON_PREPARE },
    steps: [
      ...UP,
      step("replug", { at: 1, word: "" }),
      advance(3_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }, "tsm.write"),
      step("coverOnly", { at: 0 }),
      advance(25_000),
    ],
    check: all(pod(0, true), link(0, "Tsm")),
  },
  {
    name: "a virtual function's end does not release the link under a TD of another function of its slot",
    shape: { ...VIRTUAL, ...ON_PREPARE },
    steps: [
      ...UP,
      step("replug", { at: 1, word: "" }),
      advance(3_000),
      step("createPod", { word: GPU, at: 1 }),
      step("admitPod", { word: "pod-0" }),
      advance(3_000),
      step("bindTdi", { at: 0 }),
      ...GONE,
      advance(30_000),
    ],
    check: link(0, "Tsm"),
  },
  {
    name: "a link is not released while a pod has a virtual function that has left the bus",
    shape: { ...VIRTUAL, ...ON_PREPARE },
    steps: [...UP, step("replug", { at: 1, word: "" }), advance(3_000), ...POD, advance(3_000), step("unplug", { at: 1 }), advance(15_000)],
    check: link(0, "Tsm"),
  },
  {
    name: "a link is released before its unit is cleared",
    shape: ON_PREPARE,
    steps: [...RUNNING, intent("cleared"), ...GONE, advance(25_000)],
    check: all(link(0, "Off"), ({ module }) => (module.units[0]?.trust.value === null ? [] : ["the unit should be cleared"])),
  },
  {
    name: "a link is not released under a running pod when its unit is lost",
    shape: { ...TWO_UNITS, ...ON_PREPARE },
    steps: [...RUNNING, step("bindTdi", { at: 0 }), step("loseUnit", { at: 0 }), advance(20_000)],
    check: link(0, "Tsm"),
  },
  {
    name: "a device that does not prove what it is is withheld, and others go on",
    shape: ON_PREPARE,
    steps: [...UP, step("linkFault", { at: 0, word: "EKEYREJECTED" }), ...POD, advance(2_000), ...NIC_POD, advance(3_000)],
    check: all(pod(0, false), device(0, "AuthenticationFailed", "Failed"), pod(1, true), device(1, "Offered", "Secure")),
  },
  {
    name: "a link that fails three times keeps its device back, and one that fails once does not",
    shape: ON_PREPARE,
    steps: [
      ...UP,
      ...["ENOMEM", "ENOMEM", "ENOMEM"].map((word) => step("linkFault", { at: 0, word })),
      step("linkFault", { at: 1, word: "ENOMEM" }),
      ...POD,
      ...NIC_POD,
      advance(10_000),
    ],
    check: all(pod(0, false), device(0, "LinkFailed", "Failed"), pod(1, true), device(1, "Offered", "Secure")),
  },
  {
    name: "a link that is connected three times without a stream keeps its device back",
    shape: ON_PREPARE,
    steps: [...UP, ...["nothing", "nothing", "nothing"].map((word) => step("linkFault", { at: 0, word })), ...POD, advance(30_000)],
    check: all(pod(0, false), link(0, "Broken"), device(0, "LinkFailed", "Broken")),
  },
  {
    name: "a device whose slot's link was lost while another function is open is withheld until that can be put right",
    shape: { ...TWO_VIRTUAL, ...ON_PREPARE },
    steps: [...FIRST_OF_TWO, step("openFromOutside", { at: 2 }), step("resetLink", { at: 0 }), advance(14_000)],
    check: all(
      link(0, "Broken"),
      device(1, "Offered"),
      says(1, "RepairBlocked: 0000:17:02.2 is open in pid"),
      device(2, "RepairBlocked"),
      device(0, "CarriesOthers"),
    ),
  },
  {
    name: "an agent that was away for a pod's whole life releases what the pod left",
    shape: ON_PREPARE,
    steps: [...RUNNING, step("crashAgent"), ...GONE, start, advance(40_000)],
    check: link(0, "Off"),
  },
  {
    name: "a container waits for a link that another program secures",
    shape: EXTERNAL,
    steps: [...UP, ...POD, advance(5_000)],
    check: all(pod(0, false), link(0, "Off"), device(0, "Offered", "Insecure")),
  },
  {
    name: "a container starts when another program has secured its link",
    shape: EXTERNAL,
    steps: [...UP, ...POD, advance(5_000), step("secureLink", { at: 0, word: "Tsm" }), advance(3_000)],
    check: all(pod(0, true), link(0, "Tsm")),
  },
  {
    name: "no more devices are offered than streams are left, and the next one when one is free",
    shape: { ...ON_PREPARE, streams: 1 },
    steps: [...UP, advance(12_000)],
    check: all(device(0, "Offered"), device(1, "NoStreamFree")),
  },
  {
    name: "who gets the last stream does not hang on whether proofs can be written",
    shape: { ...ON_PREPARE, streams: 1 },
    steps: [step("proofsReadOnly"), ...UP, advance(12_000)],
    check: all(device(0, "ProofUnwritable"), device(1, "NoStreamFree")),
  },
  {
    name: "a stream that somebody is to get is not offered a second time",
    shape: { ...ON_PREPARE, linkMs: 15_000, streams: 1 },
    steps: [...UP, advance(6_000), ...POD, advance(8_000)],
    check: all(device(0, "Offered", "Securing"), device(1, "NoStreamFree")),
  },
  ...(["HostBridge", "RootPort"] as const).map(
    (streamPool): Scenario => ({
      name: `the stream that a connect has taken from the ${streamPool} is not counted a second time while it lasts`,
      shape: { ...ON_PREPARE, ...TWO_GPUS, linkMs: 15_000, streams: 2, streamPool },
      steps: [...UP, advance(6_000), ...POD, advance(8_000)],
      check: all(device(0, "Offered", "Securing"), device(1, "Offered")),
    }),
  ),
  // Its link goes with what keeps the agent from securing it again; the stream is its pod's all the same.
  ...[
    { what: "whose unit cannot be read", keeps: step("hideUnitOfFunction", { at: 0 }) },
    { what: "whose link cannot be read", keeps: step("hideLink", { at: 0 }) },
    { what: "whose unit the spec selects no more", keeps: step("setIntent", { word: "one-unit", at: 1 }) },
  ].map(
    ({ what, keeps }): Scenario => ({
      name: `the stream of a pod's device ${what} is not offered a second time`,
      shape: { ...ON_PREPARE, ...TWO_UNITS, streams: 1 },
      steps: [...RUNNING, keeps, step("releaseLink", { at: 0 }), advance(12_000)],
      check: all(link(0, "Off"), device(1, "NoStreamFree")),
    }),
  ),
  {
    name: "a device that its pod left bound to a TD keeps its stream until it is seen free",
    shape: { ...ON_PREPARE, linkMs: 8_000, streams: 1 },
    steps: [
      ...[...UP, ...POD, step("bindTdi", { at: 0 }), step("forceDeletePod", { word: "pod-0", at: 1 }), advance(12_000)],
      ...[step("releaseLink", { at: 0 }), advance(20_000)],
    ],
    check: all(device(0, "HeldByUnknown"), device(1, "NoStreamFree")),
  },
  {
    name: "a pod that has had its device since before a reboot keeps no stream from others",
    shape: { ...ON_PREPARE, streams: 1 },
    steps: [...UP, ...POD, step("reboot"), step("startKubelet"), start, advance(40_000)],
    check: all(device(0, "HeldAcrossTrustLoss"), device(1, "Offered")),
  },
  {
    name: "a device that waits for a stream is offered when the pod that has it has gone",
    shape: { ...ON_PREPARE, streams: 1 },
    steps: [...RUNNING, advance(12_000), intent("trusted"), ...GONE, advance(25_000), ...NIC_POD.slice(0, 1), advance(12_000)],
    check: all(link(0, "Off"), device(0, "Offered"), device(1, "NoStreamFree")),
  },
  {
    name: "no more devices are offered than register blocks are left at their root port",
    shape: { ...ON_PREPARE, streams: 1, streamPool: "RootPort" },
    steps: [...UP, advance(12_000)],
    check: all(device(0, "Offered"), device(1, "NoStreamFree")),
  },
  ...(["HostBridge", "RootPort"] as const).map(
    (streamPool): Scenario => ({
      name: `a container waits while somebody else has taken the last stream of the ${streamPool}, and nothing is withdrawn or counted as its failure`,
      shape: { ...ON_PREPARE, streams: 1, streamPool },
      steps: TAKEN,
      check: all(pod(0, false), link(0, "Off"), device(0, "Offered", "Insecure"), ({ api }) =>
        api.status?.devices[0]?.message.startsWith("NoStreamLeft: no IDE stream is left at") &&
        api.pods[0]?.refusals.some((why) => why.includes("(NoStreamLeft): no IDE stream is left"))
          ? []
          : ["kubelet and the status should have been told that no stream is left"],
      ),
    }),
  ),
  {
    name: "a container that waits for a stream starts when somebody else has given the last one back",
    shape: { ...ON_PREPARE, streams: 1 },
    steps: [...TAKEN, step("releaseLink", { at: 1 }), advance(3_000), step("startContainer", { word: "pod-0" }), advance(2_000)],
    check: all(pod(0, true), link(0, "Tsm"), device(0, "Offered", "Secure")),
  },
  {
    name: "without a TSM nothing is offered that the agent would have to secure",
    shape: ON_PREPARE,
    steps: [...UP, step("setTsms", { at: 0 }), advance(12_000)],
    check: device(0, "NoTsm"),
  },
  {
    name: "the agent chooses none of two TSMs",
    shape: ON_PREPARE,
    steps: [
      ...UP,
      step("setTsms", { at: 2 }),
      advance(12_000),
      step("setTsms", { at: 1 }),
      advance(12_000),
      step("setTsms", { at: 2 }),
      advance(12_000),
    ],
    check: device(0, "TsmAmbiguous"),
  },
];
