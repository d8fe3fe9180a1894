// SPDX-License-Identifier: Apache-2.0

import type { World } from "../life/world.ts";
import { CLEAR_LEAF, FAULTS, type FaultKind, SETUP_LEAF, STATUS } from "../models/module-status.ts";
import type { StepKind } from "./step.ts";

/** How often each class of fault comes back before the module answers for itself. */
const FAULT_COUNT: Readonly<Record<FaultKind, number>> = {
  resumable: 2,
  operandBusy: 2,
  noEntropy: 12,
  ecmdTimeout: 1,
  rejectedUnit: 1,
  rejectedPages: 1,
  notReady: 1,
  unheardOf: 1,
};
const SLOW = "slow";
export const FAULT_WORDS: readonly string[] = [...FAULTS, SLOW].flatMap((kind) => [`${kind} setup`, `${kind} clear`]);

const MODULE_ONLY: Readonly<Record<string, StepKind>> = {
  scriptFault: {
    weight: ({ module, shape }) => (module.faults.filter((fault) => fault.count > 0).length < 2 ? 5 * shape.unrest : 0),
    // Now and then a fault that stays: here ms is how often.
    propose: ({ module }, dice) => ({ at: dice.below(module.units.length), word: dice.pick(FAULT_WORDS), ms: dice.chance(0.2) ? 20 : 1 }),
    apply: ({ module }, { at, word, ms }) => {
      const [name, leaf] = (word ?? "").split(" ");
      const unit = module.units[at ?? 0];
      if (unit === undefined) return false;
      const kind = name === SLOW ? null : (name as FaultKind);
      module.faults.splice(0, module.faults.length, ...module.faults.filter((fault) => fault.count > 0));
      module.faults.push({
        name: word ?? "",
        leaf: leaf === "clear" ? CLEAR_LEAF : SETUP_LEAF,
        regBase: unit.regBase,
        status: kind === null ? null : STATUS[kind],
        delayMs: kind === null ? 12_000 : 0,
        count: kind === null ? 1 : FAULT_COUNT[kind] * (ms ?? 1),
      });
      return true;
    },
  },
  loseUnit: {
    weight: ({ module, shape }) => (module.units.some((unit) => !unit.isPresent.value) ? 0 : shape.unrest),
    propose: ({ module }, dice) => ({ at: dice.below(module.units.length) }),
    apply: (world, { at }) => setUnit(world, at ?? 0, false),
  },
  findUnit: {
    weight: ({ module }) => (module.units.some((unit) => !unit.isPresent.value) ? 10 : 0),
    propose: ({ module }) => ({ at: module.units.findIndex((unit) => !unit.isPresent.value) }),
    apply: (world, { at }) => setUnit(world, at ?? 0, true),
  },
  breakEnvironment: {
    weight: ({ module, shape }) => (module.environment.value === "Ok" ? 0.8 * shape.unrest : 0),
    propose: (_world, dice) => ({ word: dice.pick(["Ud", "VmFailInvalid", "NotReady"]) }),
    apply: ({ module }, { word }) => {
      if (module.environment.value !== "Ok") return false;
      module.setEnvironment(word === "Ud" || word === "VmFailInvalid" ? word : "NotReady");
      return true;
    },
  },
  mendEnvironment: {
    weight: ({ module }) => (module.environment.value === "Ok" ? 0 : 10),
    propose: (_world, dice) => ({ word: dice.chance(0.5) ? "lost" : "kept" }),
    apply: ({ module }, { word }) => {
      if (module.environment.value === "Ok") return false;
      if (word === "lost") module.loadModuleAnew();
      else module.setEnvironment("Ok");
      return true;
    },
  },
  reloadDriver: {
    weight: ({ shape }) => 0.5 * shape.unrest,
    propose: () => ({}),
    apply: ({ module }) => {
      module.loadDriverAnew();
      return true;
    },
  },
};

/** Not where the kernel owns the module. */
function ours(kinds: Readonly<Record<string, StepKind>>): Readonly<Record<string, StepKind>> {
  const limited = Object.entries(kinds).map(([name, kind]) => [name, { ...kind, weight: (world: World) => (world.owner ? 0 : kind.weight(world)) }]);
  return Object.fromEntries(limited);
}

/** What happens to the TDX module, to the driver above it and to the machine. */
export const MODULE_STEPS: Readonly<Record<string, StepKind>> = {
  ...ours(MODULE_ONLY),
  hideFromDriver: {
    weight: ({ isDriverReadable, shape }) => (isDriverReadable.value ? 0.7 * shape.unrest : 10),
    propose: () => ({}),
    apply: ({ isDriverReadable }) => isDriverReadable.set(!isDriverReadable.value),
  },
  reboot: {
    weight: ({ shape }) => shape.unrest,
    propose: () => ({}),
    apply: (world) => {
      reboot(world);
      return true;
    },
  },
};

function setUnit({ module }: World, at: number, isPresent: boolean): boolean {
  const unit = module.units[at];
  if (unit === undefined || unit.isPresent.value === isPresent) return false;
  module.setPresent(unit, isPresent);
  return true;
}

/** Everything that runs ends, all trust is lost; kubelet's checkpoint, the API and files on disk stay. */
function reboot(world: World): void {
  const { host, module, kubelet, api } = world;
  world.killAgent();
  world.writer.value = null;
  if (kubelet.isRunning) kubelet.kill();
  for (const pod of api.pods) {
    pod.isRunning = false;
    pod.isOpening = false;
    pod.hasProcess = false;
    pod.opened = [];
  }
  for (const fn of host.functions) {
    fn.outsiders = 0;
    host.change(fn.opens, 0, false);
    host.change(fn.isBound, false, false);
    host.change(fn.link, "Off", false);
  }
  host.bootId += 1;
  module.reboot();
  world.links.reboot();
  world.drivers.reboot();
  world.owner?.boot();
  world.dra?.reboot();
}
