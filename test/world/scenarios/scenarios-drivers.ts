// SPDX-License-Identifier: Apache-2.0

/** Drivers that the agent changes, and what keeps it from that. */
import type { World } from "../life/world.ts";
import { GPU, GPU_VENDOR, NIC_VENDOR, plainIntent, REG_BASES, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import { advance, intent, POD, type Scenario, start, step, UP } from "./scenario.ts";

const gpu = { vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true };
const VFIO: Partial<WorldShape> = { driverBind: "Vfio", spec: specOf(plainIntent({ resources: resourcesWith("Vfio") })) };
/** A GPU that has its own driver at first, and another one that is on vfio. */
const OWN: Partial<WorldShape> = {
  ...VFIO,
  devices: [
    { ...gpu, address: "0000:17:00.0", isNative: true },
    { ...gpu, address: "0000:17:01.0" },
  ],
};
const WITH_LINKS: Partial<WorldShape> = {
  ...OWN,
  linkEnable: "OnPrepare",
  spec: specOf(plainIntent({ resources: resourcesWith("Vfio"), link: { enable: "OnPrepare" } })),
};

const driver =
  (at: number, expected: "vfio" | "own" | "none") =>
  ({ host }: World): readonly string[] => {
    const fn = host.functions[at];
    const found = fn?.isOnVfio.value ? "vfio" : fn?.isNative.value ? "own" : "none";
    return found === expected ? [] : [`function ${at} should have the driver ${expected}, it has ${found}`];
  };
const device =
  (at: number, reason: string) =>
  ({ api, host }: World): readonly string[] => {
    const shown = api.status?.devices.find(({ address }) => address === host.functions[at]?.address)?.reason;
    return shown === reason ? [] : [`function ${at} should be ${reason}, the status says ${shown}`];
  };
const all =
  (...checks: readonly ((world: World) => readonly string[])[]) =>
  (world: World): readonly string[] =>
    checks.flatMap((check) => check(world));

const GONE = [step("terminatePod", { word: "pod-0" }), step("finishPod", { word: "pod-0", at: 0 })];

export const DRIVERS: readonly Scenario[] = [
  {
    name: "a function that somebody gives vfio-pci in the middle of a change gets its own driver all the same",
    shape: { ...VFIO, bindMs: 8_000 },
    steps: [...UP, intent("native"), advance(11_600), step("unbindVfio", { at: 0 }), advance(60_000)],
    check: driver(0, "own"),
  },
  {
    name: "a device that does not answer is not offered, and is again when it does",
    steps: [...UP, step("silence", { at: 0 }), advance(12_000)],
    check: device(0, "DeviceUnreachable"),
  },
  {
    name: "a function with its own driver gets vfio-pci behind a trusted unit, and is offered",
    shape: OWN,
    steps: [...UP, advance(5_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "a function that the host uses keeps its driver until it does not",
    shape: OWN,
    steps: [step("useOnHost", { at: 0 }), ...UP, advance(5_000)],
    check: all(driver(0, "own"), device(0, "InUseByHost"), device(1, "Offered")),
  },
  {
    name: "a function gets vfio-pci when the host lets go of it",
    shape: OWN,
    steps: [step("useOnHost", { at: 0 }), ...UP, step("useOnHost", { at: 0 }), advance(12_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "somebody else's override is left alone",
    shape: OWN,
    steps: [step("overrideDriver", { at: 0 }), ...UP],
    check: all(driver(0, "own"), device(0, "DriverOverridden")),
  },
  {
    name: "no driver is changed behind a unit that is not trusted",
    shape: { ...OWN, units: [{ regBase: REG_BASES[0], canConnect: false, isForeign: false }] },
    steps: UP,
    check: driver(0, "own"),
  },
  {
    name: "a physical function keeps its driver while it has virtual functions",
    shape: {
      ...VFIO,
      devices: [
        { ...gpu, address: "0000:17:00.0", isNative: true },
        { ...gpu, vendor: NIC_VENDOR, address: "0000:17:02.1", physicalFunction: "0000:17:00.0" },
      ],
    },
    steps: [step("replug", { at: 1, word: "" }), ...UP],
    check: all(driver(0, "own"), device(0, "HasVirtualFunctions")),
  },
  {
    name: "a function is not offered while another one of its group is nobody's",
    shape: {
      ...OWN,
      devices: [
        { ...gpu, address: "0000:17:00.0", iommuGroup: "7" },
        { ...gpu, vendor: "1234", address: "0000:17:01.0", iommuGroup: "7" },
        { ...gpu, address: "0000:17:02.0" },
      ],
    },
    steps: [...UP, advance(5_000)],
    check: all(device(0, "GroupNotOurs"), device(2, "Offered")),
  },
  {
    name: "a driver that does not let go is named, and others go on",
    shape: { ...OWN, devices: ["0000:17:00.0", "0000:17:01.0"].map((address) => ({ ...gpu, address, isNative: true })) },
    steps: [step("holdDriver", { at: 0 }), ...UP, advance(25_000)],
    check: all(driver(0, "none"), device(0, "BindStuck"), device(1, "Offered")),
  },
  {
    name: "a function that the host begins to use while another one's driver is changed keeps its own",
    shape: { ...OWN, bindMs: 4_000, devices: ["0000:17:00.0", "0000:17:01.0"].map((address) => ({ ...gpu, address, isNative: true })) },
    steps: [start, advance(2_500), step("useOnHost", { at: 1 }), advance(20_000)],
    check: all(driver(0, "vfio"), driver(1, "own")),
  },
  {
    name: "a driver that lets go late is followed by vfio-pci",
    shape: OWN,
    steps: [step("holdDriver", { at: 0 }), ...UP, advance(25_000), step("holdDriver", { at: 0 }), advance(2_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "a change whose agent was killed is taken up by the next one",
    shape: { ...OWN, bindMs: 8_000 },
    steps: [...UP, step("crashAgent"), advance(10_000), start, advance(40_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "an agent that is killed just before it changes a driver changes nothing",
    shape: OWN,
    steps: [step("crashAgentAt", { word: "driver.write" }), ...UP],
    check: driver(0, "own"),
  },
  {
    name: "without the module vfio-pci the status says so, and the function is tried again",
    shape: OWN,
    steps: [step("loadVfio"), ...UP, advance(10_000)],
    check: all(driver(0, "none"), device(0, "BindFailed")),
  },
  {
    name: "once vfio-pci is loaded the function gets it",
    shape: OWN,
    steps: [step("loadVfio"), ...UP, advance(10_000), step("loadVfio"), advance(310_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "a device that goes back to its own driver is withdrawn first, and left to the pod that has it",
    shape: VFIO,
    steps: [...UP, ...POD, advance(2_000), intent("native"), advance(20_000)],
    check: all(driver(0, "vfio"), device(0, "NativeDriver")),
  },
  {
    name: "a device goes back to its own driver when its pod has gone for the settling time",
    shape: VFIO,
    steps: [...UP, ...POD, advance(2_000), intent("native"), ...GONE, advance(20_000)],
    check: all(driver(0, "own"), device(0, "NativeDriver")),
  },
  {
    name: "a device that went back to its own driver comes again for pods",
    shape: VFIO,
    steps: [...UP, intent("native"), advance(20_000), intent("trusted"), advance(20_000)],
    check: all(driver(0, "vfio"), device(0, "Offered")),
  },
  {
    name: "a device whose driver is being changed is given to no pod",
    shape: { ...VFIO, bindMs: 8_000 },
    steps: [...UP, intent("native"), advance(7_000), intent("trusted"), step("createPod", { word: GPU, at: 1 }), step("admitPod", { word: "pod-0" })],
    check: ({ api }) => (api.pods[0]?.stage === "Held" ? ["the pod has a device whose driver is being changed"] : []),
  },
  {
    name: "a device gets vfio-pci, is given away, and only then its link is secured",
    shape: WITH_LINKS,
    steps: [...UP, ...POD, advance(3_000)],
    check: all(driver(0, "vfio"), ({ host }) => (host.functions[0]?.link.value === "Tsm" ? [] : ["the link should be secured"])),
  },
];
