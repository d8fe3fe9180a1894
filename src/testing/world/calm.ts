// SPDX-License-Identifier: Apache-2.0
import type { Checker } from "./checker.ts";
import type { World } from "./world.ts";

/** Placeholder until the checks of rest are in. */
export async function calm(world: World, checker: Checker): Promise<void> {
  await world.advance(1, () => checker.atRest());
}
