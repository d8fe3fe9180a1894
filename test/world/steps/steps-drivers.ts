// SPDX-License-Identifier: Apache-2.0

/** What happens to the drivers of functions from outside, where the spec wants them changed. */
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import { GPU_VENDOR } from "../models/shape.ts";
import type { StepKind } from "./step.ts";

const ELSEWHERE = "other-vfio-pci";

function onDriver(weight: number, act: (world: World, fn: HostFunction) => boolean): StepKind {
  return {
    needs: "drivers",
    weight: ({ shape }) => (shape.driverBind === "Keep" ? 0 : weight * shape.unrest),
    propose: ({ host }, dice) => ({ at: dice.below(host.functions.length) }),
    apply: (world, { at }) => {
      const fn = world.host.functions[at ?? 0];
      return fn?.isPresent.value === true && act(world, fn);
    },
  };
}

/** The same, and back soon after. */
function forAWhile(weight: number, isOn: (world: World, fn: HostFunction) => boolean, toggle: (world: World, fn: HostFunction) => boolean): StepKind {
  const where = (world: World): number => world.host.functions.findIndex((fn) => isOn(world, fn));
  return {
    ...onDriver(weight, toggle),
    weight: (world) => (world.shape.driverBind === "Keep" ? 0 : where(world) >= 0 ? 8 : weight * world.shape.unrest),
    propose: (world, dice) => ({ at: where(world) >= 0 ? where(world) : dice.below(world.host.functions.length) }),
  };
}

export const DRIVER_STEPS: Readonly<Record<string, StepKind>> = {
  // Somebody loads the function's own driver, or binds it by hand.
  bindNative: onDriver(6, ({ host }, fn) => fn.vendor === GPU_VENDOR && fn.opens.value === 0 && host.bindNative(fn)),
  // A file system on it, an interface that is up. Another's driver is no business of the host's.
  useOnHost: forAWhile(
    2,
    (_, fn) => fn.isUsedByHost.value,
    ({ host }, fn) => (fn.isNative.value || fn.isUsedByHost.value) && host.change(fn.isUsedByHost, !fn.isUsedByHost.value, false),
  ),
  overrideDriver: forAWhile(
    1,
    (_, fn) => fn.override.value === ELSEWHERE,
    ({ host }, fn) => host.change(fn.override, fn.override.value === ELSEWHERE ? "" : ELSEWHERE, false),
  ),
  holdDriver: forAWhile(
    0.7,
    ({ drivers }, fn) => drivers.stubborn.has(fn.address),
    ({ drivers }, fn) => (drivers.stubborn.delete(fn.address) ? true : drivers.stubborn.add(fn.address).has(fn.address)),
  ),
  loadVfio: {
    needs: "drivers",
    weight: ({ shape, drivers }) => (shape.driverBind === "Keep" ? 0 : drivers.isVfioLoaded ? 0.4 * shape.unrest : 8),
    propose: () => ({}),
    apply: ({ drivers }) => {
      drivers.isVfioLoaded = !drivers.isVfioLoaded;
      return true;
    },
  },
};
