// SPDX-License-Identifier: Apache-2.0

/** What kubelet does with pods: asks our plugin for devices, starts containers, frees what a finished pod had. */
import { isAppError, messageOf } from "../../../src/runtime/errors.ts";
import type { PluginServer } from "../models/plugin-model.ts";
import type { Pod } from "../models/pod.ts";
import { WORLD } from "../models/world-time.ts";
import type { Yes } from "./witness.ts";
import type { World } from "./world.ts";

const ANSWER_MS = { Allocate: 2_500, PreStart: 25_000 } as const;

/** Kubelet gets to a pod: Allocate, then its first container start, or a rejection when it has nothing to give it. False when it does not see it. */
export function admit(world: World, pod: Pod): boolean {
  const { kubelet } = world;
  const server = kubelet.endpoints.get(pod.resource)?.server;
  if (!kubelet.isRunning || kubelet.isBlind || kubelet.isCutOff || pod.stage !== "Waiting" || pod.isTerminating) return false;
  const ids = kubelet.free(pod.resource).slice(0, pod.count);
  if (!server || ids.length < pod.count) {
    refuse(pod);
    return true;
  }
  pod.stage = "Admitting";
  pod.ids = ids;
  const { incarnation } = kubelet;
  const isSame = (): boolean => kubelet.isRunning && kubelet.incarnation === incarnation && pod.stage === "Admitting";
  const ask = { call: "Allocate", resource: pod.resource, ids, pod } as const;
  watchForLoss(world, server, () => {
    if (isSame()) refuse(pod);
  });
  askPlugin(world, server, ask, {
    yes: (given) => {
      for (const one of given ?? []) pod.nodes.set(one.id, one.deviceNodes);
      for (const id of ids) pod.spans.set(id, world.module.find(world.host.find(id)?.regBase ?? "")?.trust.value ?? null);
      if (!isSame()) return;
      pod.stage = "Held";
      pod.givenBy = server.process;
      kubelet.write();
      pod.since = { sinceTick: world.time.tick, sinceMs: world.time.nowMs };
      startContainer(world, pod);
    },
    no: () => {
      if (isSame()) refuse(pod);
    },
  });
  return true;
}

/** Starts, or starts again, the container of a pod that has its devices. */
export function startContainer(world: World, pod: Pod): boolean {
  const { kubelet } = world;
  const server = kubelet.endpoints.get(pod.resource)?.server;
  if (!kubelet.isRunning || pod.stage !== "Held" || pod.isTerminating || pod.isRunning || pod.isStarting || pod.isOpening || !server) return false;
  if (kubelet.isBlind || pod.isForgotten) return false;
  pod.isStarting = true;
  pod.hasProcess = true;
  const { incarnation } = kubelet;
  const isSame = (): boolean => kubelet.isRunning && kubelet.incarnation === incarnation && pod.stage === "Held" && pod.isStarting;
  watchForLoss(world, server, () => {
    if (isSame()) pod.isStarting = false;
  });
  askPlugin(
    world,
    server,
    { call: "PreStart", resource: pod.resource, ids: pod.ids, pod },
    {
      yes: () => {
        if (!isSame()) return;
        pod.isStarting = false;
        pod.startedBy = server.process;
        startVm(world, pod);
      },
      no: (why) => {
        pod.refusals.push(why);
        if (isSame()) pod.isStarting = false;
      },
    },
  );
  return true;
}

export function stopContainer(world: World, pod: Pod): boolean {
  if (!pod.isRunning) return false;
  pod.isRunning = false;
  for (const fn of pod.opened) {
    world.host.change(fn.opens, fn.opens.value - 1, false);
    if (world.shape.resetsOnOpen) world.host.reset(fn);
  }
  pod.opened = [];
  // Kubelet has nothing to give to the next container.
  if (pod.isForgotten && pod.stage === "Held") refuse(pod);
  return true;
}

/** Kubelet's checkpoint has nothing of this pod any more: its container goes on; one that does not run is refused when it is to start. */
export function forget(pod: Pod): void {
  if (pod.isRunning || pod.isOpening) pod.isForgotten = true;
  else refuse(pod);
}

/** The pod is over: kubelet frees what it had, and the API forgets it or keeps it as finished. */
export function finish(world: World, pod: Pod, isKept: boolean): void {
  stopContainer(world, pod);
  pod.isOpening = false;
  pod.hasProcess = false;
  pod.stage = "Over";
  world.api.lastEnd = { sinceTick: world.time.tick, sinceMs: world.time.nowMs };
  pod.isStarting = false;
  pod.ids = [];
  pod.phase = "Succeeded";
  if (!isKept) pod.isInApi = false;
}

function refuse(pod: Pod): void {
  pod.stage = "Over";
  pod.hasProcess = false;
  pod.phase = "Failed";
  pod.ids = [];
}

/** Kubelet's part is done; the VM is there a moment later, also when its pod is not wanted any more by then. */
function startVm(world: World, pod: Pod): void {
  const devices = pod.ids.map((id) => ({ id, nodes: pod.nodes.get(id) ?? [] }));
  if (world.shape.openDelayMs === 0) {
    run(world, pod, devices);
    return;
  }
  pod.isOpening = true;
  pod.startedMs = world.time.nowMs;
  const { bootId } = world.host;
  world.time.after(WORLD, world.shape.openDelayMs, () => {
    if (pod.isOpening && world.host.bootId === bootId) run(world, pod, devices);
    pod.isOpening = false;
  });
}

/** The pod's VM starts and opens what is behind the nodes; on a simulated host, which has none, the device itself. False: a node is not there. */
function run(world: World, pod: Pod, devices: readonly { readonly id: string; readonly nodes: readonly string[] }[]): boolean {
  const { host, shape } = world;
  const opened = devices.map(({ id, nodes }) => (shape.isSimulated ? host.find(id) : host.behind(nodes[0] ?? "")));
  if (opened.includes(null)) return false;
  pod.opened = opened.filter((fn) => fn !== null);
  for (const fn of pod.opened) {
    host.change(fn.opens, fn.opens.value + 1, false);
    if (shape.resetsOnOpen) host.reset(fn);
  }
  pod.isRunning = true;
  pod.phase = "Running";
  return true;
}

/** The VM has crashed: the runtime makes the sandbox anew from the CDI names in place, without Allocate and without PreStart. */
export function recreateSandbox(world: World, pod: Pod): boolean {
  if (pod.stage !== "Held" || pod.isTerminating || pod.isStarting || pod.isOpening || pod.isForgotten) return false;
  stopContainer(world, pod);
  const named = pod.ids.map((id) => ({ id, nodes: world.specs.nodes.get(`${pod.resource}=${id}`) ?? null }));
  const devices = named.flatMap(({ id, nodes }) => (nodes === null ? [] : [{ id, nodes }]));
  if (devices.length < named.length || !run(world, pod, devices)) return false;
  world.witness.resolved(pod, pod.opened);
  return true;
}

/** A call to a process that dies ends with an error. */
function watchForLoss(world: World, server: PluginServer, lost: () => void): void {
  world.onProcessEnd(server.process, lost);
}

function askPlugin(
  world: World,
  server: PluginServer,
  ask: Pick<Yes, "call" | "resource" | "ids" | "pod">,
  then: { readonly yes: (given: Yes["given"]) => void; readonly no: (why: string) => void },
): void {
  const process = world.process;
  if (process === null || process.number !== server.process) {
    then.no("the plugin is gone");
    return;
  }
  world.time.tick += 1;
  const { tick: arrivedTick, nowMs: arrivedMs } = world.time;
  server.called(ask.ids);
  const { allocate, preStart } = server.handlers;
  const asked = { resource: ask.resource, ids: ask.ids, kubelet: String(world.kubelet.incarnation) };
  const call: Promise<Yes["given"]> = ask.call === "Allocate" ? allocate(asked) : preStart(asked).then(() => null);
  const point = ask.call === "Allocate" ? "kubelet.allocate.answer" : "kubelet.preStart.answer";
  // The plugin answers within a bound of its own, whatever becomes of the agent's handler.
  let isOver = false;
  world.time.after(process.number, ANSWER_MS[ask.call], () => {
    if (isOver) return;
    isOver = true;
    server.ended(ask.ids);
    then.no("the plugin has not answered");
  });
  const answered = (refusal: string | null, given: Yes["given"]): void => {
    if (refusal === null) world.witness.answered(process, { ...ask, arrivedTick, arrivedMs, given });
    if (isOver) return;
    void world.turnstile.pass(process.number, point, () => {
      if (isOver) return;
      isOver = true;
      server.ended(ask.ids);
      if (refusal === null) then.yes(given);
      else then.no(refusal);
    });
  };
  call.then(
    (given) => answered(null, given),
    (thrown: unknown) => {
      if (!isAppError(thrown)) world.witness.fatal(thrown);
      answered(messageOf(thrown), null);
    },
  );
}
