// SPDX-License-Identifier: Apache-2.0

/**
 * Liveness: when the world leaves the agent alone, the agent brings the node to what is wanted, or says what keeps it. First with what blocks it
 * left in place, then with nothing in the way, then back again.
 */
import type { Checker } from "./checker.ts";
import { deviceComplaints, unitComplaints } from "./expected.ts";
import { finish } from "./pod-life.ts";
import { plainIntent, specOf } from "./shape.ts";
import type { World } from "./world.ts";

/** Longer than the longest backoff (30 s), the longest look without a wake-up, and two settling times. */
const CALM_MS = 75_000;

export async function calm(world: World, checker: Checker): Promise<void> {
  const rest = async (phase: string): Promise<void> => {
    await world.advance(CALM_MS, () => checker.atRest());
    for (const complaint of [...unitComplaints(world), ...deviceComplaints(world)]) checker.complain(phase, complaint);
  };
  await restart(world, checker);
  heal(world);
  await rest("with its blockers");
  unblock(world);
  world.api.setSpec(specOf(plainIntent(), world.api.spec.generation + 1));
  await rest("with nothing in the way");
  world.api.setSpec(specOf(plainIntent({ state: "Cleared" }), world.api.spec.generation + 1));
  await rest("when all is to be cleared");
}

/** An agent that is stopping gets the time to; then one runs. */
async function restart(world: World, checker: Checker): Promise<void> {
  world.killAt = null;
  heal(world);
  if (world.process?.isStopping) await world.advance(CALM_MS, () => checker.atRest());
  if (world.process?.isStopping) checker.complain("at its stop", "the agent does not end");
  if (world.process === null) world.startAgent();
}

/** Everything can be read, reached and called again. */
function heal(world: World): void {
  const { host, module, kubelet, api } = world;
  if (!kubelet.isRunning && world.shape.hasKubelet) kubelet.start();
  kubelet.refusals = 0;
  kubelet.setReadable(true);
  api.isReachable.set(true);
  world.specs.areWritable.set(true);
  world.isBindingReadable.set(true);
  world.host.isReadable.set(true);
  for (const unit of host.units) {
    host.change(unit.isReadable, true, false);
    host.change(unit.isPresent, true, false);
  }
  for (const fn of host.functions) {
    for (const fact of [fn.isLinkReadable, fn.isBoundReadable, fn.areHoldersReadable, fn.isConfigReadable, fn.isUnitReadable]) fact.set(true);
  }
  module.faults.length = 0;
  if (module.environment.value !== "Ok") module.setEnvironment("Ok");
  for (const unit of module.units) module.setPresent(unit, true);
}

/** Nothing is secured, open, bound, held, or away. */
function unblock(world: World): void {
  const { host, api } = world;
  for (const pod of api.pods) if (pod.isAlive) finish(world, pod, false);
  for (const fn of host.functions) {
    fn.outsiders = 0;
    if (!fn.isPresent.value) host.plug(fn, true);
    host.change(fn.opens, 0, false);
    host.change(fn.isBound, false, false);
    host.change(fn.link, "Off", false);
    host.change(fn.isOnVfio, true, true);
  }
  for (const unit of host.units) host.change(unit.domainsUsed, 8, false);
}
