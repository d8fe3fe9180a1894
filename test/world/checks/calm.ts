// SPDX-License-Identifier: Apache-2.0

/**
 * Liveness: when the world leaves the agent alone, the agent brings the node to what is wanted, or says what keeps it. First as it is, then
 * with all readable but blockers left in place, then with nothing in the way, then back again.
 */
import { admit, finish, startContainer } from "../life/pod-life.ts";
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import { REGISTER_AFTER_MS } from "../models/plugin-model.ts";
import type { Pod } from "../models/pod.ts";
import { GPU_VENDOR, plainIntent, resourcesWith, specOf } from "../models/shape.ts";
import type { Checker } from "./checker.ts";
import { deviceComplaints } from "./expected-device.ts";
import { driverComplaints } from "./expected-driver.ts";
import { linkComplaints } from "./expected-link.ts";
import { nameComplaints } from "./expected-names.ts";
import { ownerComplaints } from "./expected-owner.ts";
import { unitComplaints } from "./expected-unit.ts";

/** Longer than the longest backoff (30 s), the longest look without a wake-up, and two settling times. */
const CALM_MS = 75_000;

/** As long as a start waits for its link. */
const LINK_WAIT_MS = 26_000;

/** Two scripts of forty busy answers, each half a minute from the next, are used up within these. */
const MANY_CALMS = 40;

const LISTS_IN_A_ROW = 3;

export async function calm(world: World, checker: Checker): Promise<void> {
  const rest = async (phase: string): Promise<void> => {
    const isRetrying = (): boolean => world.api.status?.units.some((unit) => unit.reason.endsWith("Retrying")) ?? false;
    const faultsLeft = (): number => world.module.faults.reduce((sum, fault) => sum + fault.count, 0);
    // Scripted answers are used up first: a node is quiet when a whole calm has passed without one.
    for (let calms = 0, left = -1; calms < MANY_CALMS && (left !== faultsLeft() || isRetrying()); calms += 1) {
      left = faultsLeft();
      await world.advance(CALM_MS, () => checker.atRest());
    }
    // One driver after the other is changed, each by three writes.
    const bindsMs = 3 * world.drivers.latencyMs * world.host.functions.length;
    if (bindsMs > CALM_MS) await world.advance(bindsMs, () => checker.atRest());
    // A name is registered and a list taken a moment after a device may be offered again, which may have been in this very moment.
    const isListing = (): boolean => [...(world.process?.plugin?.servers.values() ?? [])].some((server) => server.isMoving);
    for (let lists = 0; lists < LISTS_IN_A_ROW && isListing(); lists += 1)
      await world.advance(REGISTER_AFTER_MS + world.shape.listDelayMs, () => checker.atRest());
    const isMoving = world.module.isRunning || faultsLeft() > 0;
    if (world.owner !== null) {
      for (const complaint of ownerComplaints(world, world.owner)) checker.complain(phase, complaint);
      return;
    }
    if (!isMoving) for (const complaint of unitComplaints(world)) checker.complain(phase, complaint);
    const complaints = [...deviceComplaints(world), ...linkComplaints(world), ...driverComplaints(world), ...nameComplaints(world)];
    for (const complaint of complaints) checker.complain(phase, complaint);
  };
  const wanted = { link: { enable: world.shape.linkEnable }, resources: resourcesWith(world.shape.driverBind) };
  await restart(world, checker);
  await rest("as it is");
  await startContainers(world, checker);
  heal(world);
  await rest("with its blockers");
  unblock(world);
  world.api.setSpec(specOf(plainIntent(wanted), world.api.spec.generation + 1));
  await rest("with nothing in the way");
  world.api.setSpec(specOf(plainIntent({ ...wanted, state: "Cleared" }), world.api.spec.generation + 1));
  await rest("when all is to be cleared");
}

/** An agent runs, kubelet and the API server answer, and nobody holds anything up. An agent that is stopping gets the time to. */
async function restart(world: World, checker: Checker): Promise<void> {
  const { kubelet, api, turnstile } = world;
  world.killAt = null;
  turnstile.stalled = null;
  world.freezeAgent(false);
  if (!kubelet.isRunning && world.shape.hasKubelet) kubelet.start();
  kubelet.refusals = 0;
  kubelet.cutOff(false);
  kubelet.setReadable(true);
  api.isReachable.set(true);
  for (const watch of ["slices", "claims"] as const) world.dra?.api.holdWatch(watch, false);
  if (world.process?.isStopping) await world.advance(CALM_MS, () => checker.atRest());
  if (world.process?.isStopping) checker.complain("at its stop", "the agent does not end");
  // An agent writes its status when it has news, not when somebody else has written it.
  if (api.isStatusEdited) world.killAgent();
  if (world.process === null) world.startAgent();
  for (const pod of api.pods) if (pod.stage === "Waiting") admit(world, pod);
}

/** A pod whose devices were given to it by this agent, in the span of trust that goes on, may start its container as often as it likes. */
async function startContainers(world: World, checker: Checker): Promise<void> {
  for (const pod of world.api.pods) {
    const isOurs = pod.stage === "Held" && pod.givenBy === world.process?.number && !pod.isTerminating;
    if (!isOurs || pod.isRunning || !pod.ids.every((id) => isListed(world, id, pod.resource) && isAsGiven(world, id, pod))) continue;
    startContainer(world, pod);
    await world.rest();
    // What must be secured first takes its time, and may be in nobody's power.
    if (world.shape.linkEnable !== "Never") {
      await world.advance(LINK_WAIT_MS, () => checker.atRest());
      continue;
    }
    if (!pod.isRunning && !pod.isOpening) checker.complain("as it is", `${pod.name} cannot start a container with devices that are its own`);
  }
}

/** A device that has another node by now is not what kubelet would give to the container. */
function isAsGiven({ host, shape }: World, id: string, pod: Pod): boolean {
  return shape.isSimulated || host.find(id)?.node.value === pod.nodes.get(id)?.[0];
}

function isListed(world: World, id: string, resource: string): boolean {
  const isElsewhere = world.api.pods.some((pod) => pod.stage === "Held" && pod.resource !== resource && pod.ids.includes(id));
  return !isElsewhere && world.kubelet.healthy(resource).includes(id);
}

/** Everything can be read, reached and called again. */
function heal(world: World): void {
  const { host, module } = world;
  world.specs.areWritable.set(true);
  world.proofs.areWritable.set(true);
  world.audit.isWritable.set(true);
  world.isDriverReadable.set(true);
  host.isReadable.set(true);
  host.isTsmFree.set(true);
  host.tsms.set(1);
  for (const unit of host.units) {
    host.change(unit.isReadable, true, false);
    host.change(unit.isPresent, true, false);
  }
  for (const fn of host.functions) {
    for (const fact of [fn.isLinkReadable, fn.isBoundReadable, fn.areHoldersReadable, fn.isConfigReadable, fn.isUnitReadable]) fact.set(true);
    for (const fact of [fn.isUnitLinked, fn.areOpensShown, fn.answers]) fact.set(true);
  }
  world.links.faults.length = 0;
  world.drivers.stubborn.clear();
  world.drivers.isVfioLoaded = true;
  module.faults.length = 0;
  if (module.environment.value !== "Ok") module.setEnvironment("Ok");
  for (const unit of module.units) module.setPresent(unit, true);
  if (world.dra !== null) world.dra.api.isRefusing = false;
  world.dra?.folder.repair();
  if (world.dra !== null) world.dra.kubelet.unprepareFailures = 0;
  world.dra?.api.drops.clear();
  world.dra?.api.dropsChanged();
  world.owner?.loadDriver();
}

/** The agent has to do it. */
function mustBeBound({ shape }: World, { vendor }: HostFunction): boolean {
  return shape.driverBind === "Vfio" && vendor === GPU_VENDOR;
}

/** Nothing is secured, open, bound, held, or away. */
function unblock(world: World): void {
  const { host, api, kubelet } = world;
  kubelet.others.length = 0;
  for (const pod of api.pods) if (pod.isAlive) finish(world, pod, false);
  for (const pod of world.dra?.api.pods ?? []) if (pod.stage !== "Over") world.dra?.kubelet.end(pod, false);
  for (const pod of world.dra?.api.pods ?? []) world.dra?.endVm(pod);
  for (const fn of host.functions) {
    fn.outsiders = 0;
    if (!fn.isPresent.value) host.plug(fn, true);
    host.change(fn.opens, 0, false);
    host.change(fn.isBound, false, false);
    host.change(fn.link, "Off", false);
    host.change(fn.isUsedByHost, false, false);
    host.change(fn.override, "", false);
    if (!mustBeBound(world, fn)) host.bindVfio(fn);
  }
  for (const unit of host.units) host.change(unit.domainsUsed, 8, false);
}
