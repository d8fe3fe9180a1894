// SPDX-License-Identifier: Apache-2.0

/** What kubelet does with pods: asks our plugin for devices, starts containers, frees what a finished pod had. */
import { isAppError } from "../../runtime/errors.ts";
import type { PluginServer } from "./plugin-model.ts";
import type { Pod } from "./pod.ts";
import type { Yes } from "./witness.ts";
import type { World } from "./world.ts";

const ANSWER_MS = 2_500;

/** Admits a pod: Allocate, then its first container start. False when kubelet has nothing to give it. */
export function admit(world: World, pod: Pod): boolean {
  const { kubelet } = world;
  const server = kubelet.endpoints.get(pod.resource)?.server;
  if (!kubelet.isRunning || !server || pod.stage !== "Waiting" || pod.isTerminating) return false;
  const ids = kubelet.free(pod.resource).slice(0, pod.count);
  if (ids.length < pod.count) return false;
  pod.stage = "Admitting";
  pod.ids = ids;
  const { incarnation } = kubelet;
  const isSame = (): boolean => kubelet.isRunning && kubelet.incarnation === incarnation && pod.stage === "Admitting";
  const ask = { call: "Allocate", resource: pod.resource, ids, pod } as const;
  watchForLoss(world, server, () => {
    if (isSame()) refuse(pod);
  });
  askPlugin(world, server, ask, {
    yes: () => {
      for (const id of ids) pod.spans.set(id, world.module.find(world.host.find(id)?.regBase ?? "")?.trust.value ?? null);
      if (!isSame()) return;
      pod.stage = "Held";
      pod.givenBy = server.process;
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
  if (!kubelet.isRunning || pod.stage !== "Held" || pod.isTerminating || pod.isRunning || pod.isStarting || !server) return false;
  pod.isStarting = true;
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
        pod.isRunning = true;
        pod.phase = "Running";
        open(world, pod, 1);
      },
      no: () => {
        if (isSame()) pod.isStarting = false;
      },
    },
  );
  return true;
}

export function stopContainer(world: World, pod: Pod): boolean {
  if (!pod.isRunning) return false;
  pod.isRunning = false;
  open(world, pod, -1);
  return true;
}

/** The pod is over: kubelet frees what it had, and the API forgets it or keeps it as finished. */
export function finish(world: World, pod: Pod, isKept: boolean): void {
  stopContainer(world, pod);
  pod.stage = "Over";
  pod.isStarting = false;
  pod.ids = [];
  pod.phase = "Succeeded";
  if (!isKept) pod.isInApi = false;
}

function refuse(pod: Pod): void {
  pod.stage = "Over";
  pod.phase = "Failed";
  pod.ids = [];
}

/** The pod's VM opens or closes the vfio devices it was given. */
function open(world: World, pod: Pod, by: 1 | -1): void {
  for (const id of pod.ids) {
    const fn = world.host.find(id);
    if (fn) world.host.change(fn.opens, fn.opens.value + by, false);
  }
}

/** A call to a process that dies ends with an error. */
function watchForLoss(world: World, server: PluginServer, lost: () => void): void {
  world.onProcessEnd(server.process, lost);
}

function askPlugin(
  world: World,
  server: PluginServer,
  ask: Pick<Yes, "call" | "resource" | "ids" | "pod">,
  then: { readonly yes: () => void; readonly no: () => void },
): void {
  const process = world.process;
  if (process === null || process.number !== server.process) {
    then.no();
    return;
  }
  world.time.tick += 1;
  const arrivedTick = world.time.tick;
  server.callsInFlight += 1;
  const { allocate, preStart } = server.handlers;
  const call: Promise<unknown> = ask.call === "Allocate" ? allocate(ask.resource, ask.ids) : preStart(ask.resource, ask.ids);
  const point = ask.call === "Allocate" ? "kubelet.allocate.answer" : "kubelet.preStart.answer";
  // The plugin answers within a bound of its own, whatever becomes of the agent's handler.
  let isOver = false;
  world.time.after(process.number, ANSWER_MS, () => {
    if (isOver) return;
    isOver = true;
    server.ended();
    then.no();
  });
  const answered = (isYes: boolean): void => {
    if (isYes) world.witness.answered(process, { ...ask, arrivedTick });
    if (isOver) return;
    void world.turnstile.pass(process.number, point, () => {
      if (isOver) return;
      isOver = true;
      server.ended();
      if (isYes) then.yes();
      else then.no();
    });
  };
  call.then(
    () => answered(true),
    (thrown: unknown) => {
      if (!isAppError(thrown)) world.witness.fatal(thrown);
      answered(false);
    },
  );
}
