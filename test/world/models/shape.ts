// SPDX-License-Identifier: Apache-2.0
import type { IntentView } from "../../../src/cluster/port.ts";
import type { DriverBind, Intent, LinkEnable, ResourceRule } from "../../../src/domain/intent.ts";
import type { Dice } from "../life/dice.ts";
import { has } from "../runs/capabilities.ts";
import { type DraWorldShape, PLAIN_DRA_WORLD } from "./dra-shape.ts";
import type { DeviceShape } from "./host-function.ts";
import type { UnitShape } from "./module-unit.ts";

/** What does not change in the life of a world. */
export interface WorldShape {
  readonly units: readonly UnitShape[];
  readonly devices: readonly DeviceShape[];
  readonly isSimulated: boolean;
  readonly realSetup: boolean;
  /** The kernel owns TDX Connect; null: it does not. */
  readonly kernelOwner: { readonly isNaming: boolean; readonly isBuiltIn: boolean } | null;
  readonly didUnreserved: boolean;
  /** False: a driver of an earlier version, whose CLEAR takes no time. */
  readonly honoursNotAfter: boolean;
  readonly hasKubelet: boolean;
  readonly isStandalone: boolean;
  readonly settleMs: number;
  readonly observeEveryMs: number;
  readonly latencyMs: number;
  readonly interruptions: number;
  /** What a write of a link takes. */
  readonly linkMs: number;
  readonly listDelayMs: number;
  readonly intentDelayMs: number;
  /** How long the kernel needs to close a killed process's files. */
  readonly lingerMs: number;
  /** How long a VM needs from PreStart's yes until it opens its devices. */
  readonly openDelayMs: number;
  /** The agent sees the processes of another PID namespace: it can tell no holder, until somebody mends that. */
  readonly isProcForeign: boolean;
  /** No uevent and no poll wakes the agent: only its timer. */
  readonly isMute: boolean;
  /** Another plugin's pod holds a device of its own, under an id that is no PCI address. */
  readonly hasForeignPod: boolean;
  /** How much happens to the node from outside, from little to 1. */
  readonly unrest: number;
  /** `spec.link.enable` of every spec. */
  readonly linkEnable: LinkEnable;
  /** `driver.bind` of the gpu resource in every spec that does not say otherwise. */
  readonly driverBind: "Keep" | "Vfio";
  /** What a write to change a driver takes. */
  readonly bindMs: number;
  /** IDE streams of the whole host; null: it does not say. */
  readonly streams: number | null;
  /** What has that many: the one host bridge, or the one root port above all devices, in register blocks. */
  readonly streamPool: "HostBridge" | "RootPort";
  /** A VM's open resets its device, and with it the stream of its slot. */
  readonly resetsOnOpen: boolean;
  readonly spec: IntentView;
  /** Absent: no DRA in this world. */
  readonly dra?: DraWorldShape;
}

export const REG_BASES = ["0xd97fc000", "0xfed90000", "0xfeda0000"] as const;
export const GPU = "teeio.dev/gpu";
export const NIC = "teeio.dev/nic";
/** What the gpu resource is called after a rename. */
export const RENAMED = "teeio.dev/accelerator";
export const GPU_VENDOR = "10de";
export const NIC_VENDOR = "8086";

export const KEEP = { bind: "Keep" } as const;

/** Both resources of the world; `bind` of the first. */
export function resourcesWith(bind: DriverBind): readonly ResourceRule[] {
  return [
    { name: GPU, ledger: "DevicePlugin", driver: { bind }, match: { vendors: [GPU_VENDOR] } },
    { name: NIC, ledger: "DevicePlugin", driver: KEEP, match: { vendors: [NIC_VENDOR] } },
  ];
}

/** A spec that takes every device of the world through kubelet. */
export function plainIntent(overrides: Partial<Intent> = {}): Intent {
  return {
    state: "Trusted",
    units: { all: true },
    resources: resourcesWith("Keep"),
    link: { enable: "Never" },
    ...overrides,
  };
}

export function specOf(intent: Intent | null, generation = 1, problem = ""): IntentView {
  return { intent, generation, problem };
}

/** One healthy unit with two devices, a cluster, nothing slow: what a scenario starts from. */
export const PLAIN: WorldShape = {
  units: [{ regBase: REG_BASES[0], canConnect: true, isForeign: false }],
  devices: [
    { address: "0000:17:00.0", vendor: GPU_VENDOR, regBase: REG_BASES[0], isTeeCapable: true },
    { address: "0000:17:01.0", vendor: NIC_VENDOR, regBase: REG_BASES[0], isTeeCapable: true },
  ],
  isSimulated: true,
  realSetup: false,
  kernelOwner: null,
  didUnreserved: false,
  honoursNotAfter: true,
  hasKubelet: true,
  isStandalone: false,
  settleMs: 3_000,
  observeEveryMs: 10_000,
  latencyMs: 0,
  interruptions: 0,
  linkMs: 0,
  listDelayMs: 0,
  intentDelayMs: 0,
  lingerMs: 0,
  openDelayMs: 0,
  isProcForeign: false,
  isMute: false,
  hasForeignPod: false,
  unrest: 1,
  linkEnable: "Never",
  driverBind: "Keep",
  bindMs: 0,
  streams: null,
  streamPool: "HostBridge",
  resetsOnOpen: false,
  spec: specOf(plainIntent()),
};

/** A small random world: one to three units, one to five devices, healthy in most of its parts. */
export function randomShape(dice: Dice): WorldShape {
  const units = REG_BASES.slice(0, 1 + dice.below(3)).map((regBase, at) => ({
    regBase,
    canConnect: at === 0 || dice.chance(0.8),
    isForeign: at > 0 && dice.chance(0.15),
  }));
  const devices = randomDevices(dice, units);
  const kernelOwner = has("kernelOwned") && dice.chance(0.1) ? { isNaming: dice.chance(0.5), isBuiltIn: dice.chance(0.3) } : null;
  const isSimulated = kernelOwner === null && dice.chance(0.7);
  const linkEnable = has("links") ? dice.pick(["Never", "Never", "External", "OnPrepare", "OnPrepare"] as const) : "Never";
  const driverBind = has("drivers") && dice.chance(0.3) ? "Vfio" : "Keep";
  const shape: WorldShape = {
    units,
    devices,
    isSimulated,
    realSetup: !isSimulated && dice.chance(0.8),
    kernelOwner,
    didUnreserved: dice.chance(0.3),
    honoursNotAfter: true,
    hasKubelet: dice.chance(0.95),
    isStandalone: dice.chance(0.1),
    settleMs: 3_000,
    observeEveryMs: dice.pick([5_000, 15_000]),
    latencyMs: dice.pick([0, 0, 5, 700]),
    interruptions: dice.pick([0, 0, 2]),
    linkMs: dice.pick([0, 0, 300, 5_000]),
    listDelayMs: dice.pick([0, 0, 10, 900]),
    intentDelayMs: dice.pick([0, 0, 300]),
    lingerMs: dice.pick([0, 0, 400]),
    openDelayMs: has("slowStarts") ? dice.pick([0, 0, 500, 5_000]) : 0,
    isProcForeign: dice.chance(0.03),
    isMute: dice.chance(0.1),
    hasForeignPod: dice.chance(0.3),
    unrest: dice.pick([0.1, 0.3, 0.3, 1]),
    linkEnable,
    driverBind,
    bindMs: dice.pick([0, 0, 300, 8_000]),
    streams: linkEnable === "Never" ? null : dice.pick([null, null, 4, 2, 1]),
    // Not by the dice: histories of a seed stay what they were.
    streamPool: devices.length % 2 === 0 ? "RootPort" : "HostBridge",
    resetsOnOpen: dice.chance(0.5),
    spec: specOf(dice.chance(0.85) ? plainIntent({ link: { enable: linkEnable }, resources: resourcesWith(driverBind) }) : null),
  };
  return has("claims") && shape.hasKubelet && !shape.isStandalone && dice.chance(0.5) ? withClaims(shape, dice) : shape;
}

/** The first resource is DRA's, or both are. */
function withClaims(shape: WorldShape, dice: Dice): WorldShape {
  const { intent } = shape.spec;
  const isBoth = dice.chance(0.3);
  const resources = intent?.resources.map((rule, at): ResourceRule => (at === 0 || isBoth ? { ...rule, ledger: "DRA" } : rule));
  const isCdiTmpfs = dice.chance(0.8);
  const dra = {
    api: {
      ...PLAIN_DRA_WORLD.api,
      latencyMs: dice.pick([0, 0, 50, 900]),
      slicesLagMs: dice.pick([0, 0, 300]),
      claimsLagMs: dice.pick([0, 0, 300, 2_000]),
    },
    scheduler: { ...PLAIN_DRA_WORLD.scheduler, lagMs: dice.pick([0, 0, 400]), hasElsewhere: dice.chance(0.2) },
    controllerLagMs: dice.pick([0, 0, 700]),
    isCdiTmpfs,
  };
  return { ...shape, dra, spec: { ...shape.spec, intent: intent && { ...intent, resources: resources ?? [] } } };
}

/** Each in a slot of its own, but now and then the second function of another's. */
function randomDevices(dice: Dice, units: readonly UnitShape[]): readonly DeviceShape[] {
  const devices: DeviceShape[] = [];
  for (let count = 1 + dice.below(5), slot = 0; devices.length < count; slot += 1) {
    const address = `0000:17:0${slot}.0`;
    const regBase = dice.chance(0.03) ? null : dice.pick(units).regBase;
    const about = { regBase, isTeeCapable: dice.chance(0.9) };
    devices.push({ ...about, address, vendor: dice.chance(0.6) ? GPU_VENDOR : NIC_VENDOR });
    const hasSecond = devices.length < count && dice.chance(0.15);
    if (hasSecond) devices.push({ ...about, address: address.replace(/0$/, "1"), vendor: dice.chance(0.6) ? GPU_VENDOR : NIC_VENDOR });
  }
  return devices;
}
