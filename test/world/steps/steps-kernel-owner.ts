// SPDX-License-Identifier: Apache-2.0
import type { StepKind } from "./step.ts";

/** What happens on a node whose kernel owns TDX Connect. */
export const KERNEL_OWNER_STEPS: Readonly<Record<string, StepKind>> = {
  loadKernelDriver: {
    needs: "kernelOwned",
    weight: ({ owner }) => (owner !== null && owner.load === null ? 20 : 0),
    // At random the TDX module refuses one of the units.
    propose: ({ module }, dice) => ({ at: dice.chance(0.3) ? dice.below(module.units.length) : -1 }),
    apply: ({ owner, module }, { at }) => {
      const refused = module.units[at ?? -1];
      return owner?.loadDriver(refused ? [refused.regBase] : []) ?? false;
    },
  },
  unloadKernelDriver: {
    needs: "kernelOwned",
    weight: ({ owner, shape }) => (owner !== null && owner.load !== null && !owner.shape.isBuiltIn ? 2 * shape.unrest : 0),
    propose: () => ({}),
    apply: ({ owner }) => owner?.unloadDriver() ?? false,
  },
};
