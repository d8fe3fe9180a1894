// SPDX-License-Identifier: Apache-2.0
import type { Dice } from "./dice.ts";
import { Pod } from "./pod.ts";
import { admit, finish, recreateSandbox, startContainer, stopContainer } from "./pod-life.ts";
import { GPU, NIC, RENAMED } from "./shape.ts";
import type { Args, StepKind } from "./steps.ts";
import type { World } from "./world.ts";

/** Pods of the node that are not over yet: more of them would only slow the world down. */
const PODS = 3;

const alive = (world: World): readonly Pod[] => world.api.pods.filter((pod) => pod.isAlive);

/** A step that does `act` to one of the pods for which `fits` holds. */
function onPod(weight: number, fits: (pod: Pod, world: World) => boolean, act: (world: World, pod: Pod, args: Args) => boolean): StepKind {
  const fitting = (world: World): readonly Pod[] => alive(world).filter((pod) => fits(pod, world));
  return {
    weight: (world) => (fitting(world).length > 0 ? weight : 0),
    propose: (world, dice) => ({ word: dice.pick(fitting(world)).name, at: dice.below(2) }),
    apply: (world, args) => {
      const pod = fitting(world).find((one) => one.name === args.word);
      return pod !== undefined && act(world, pod, args);
    },
  };
}

/** Kubelet, the scheduler and the people who make and delete pods. */
export const POD_STEPS: Readonly<Record<string, StepKind>> = {
  createPod: {
    weight: (world) => (world.shape.hasKubelet && alive(world).length < PODS ? 8 : 0),
    propose: (world: World, dice: Dice) => {
      const known = world.api.spec.intent?.resources.map((rule) => rule.name) ?? [];
      const free = known.filter((resource) => world.kubelet.free(resource).length > 0);
      const names = free.length > 0 && dice.chance(0.9) ? free : known.length > 0 ? known : [GPU, NIC, RENAMED];
      return { word: dice.pick(names), at: dice.chance(0.85) ? 1 : 2 };
    },
    apply: (world, { word, at }) => {
      const pod = new Pod(world.api.pods.length, { resource: word ?? GPU, count: at ?? 1 });
      world.time.tick += 1;
      pod.since = { sinceTick: world.time.tick, sinceMs: world.time.nowMs };
      world.api.pods.push(pod);
      return true;
    },
  },
  admitPod: onPod(25, (pod) => pod.stage === "Waiting" && !pod.isTerminating, admit),
  startContainer: onPod(12, (pod) => pod.stage === "Held" && !pod.isRunning && !pod.isStarting && !pod.isTerminating, startContainer),
  recreateSandbox: { ...onPod(4, (pod) => pod.stage === "Held" && !pod.isTerminating && !pod.isStarting, recreateSandbox), needs: "sandboxes" },
  stopContainer: onPod(3, (pod) => pod.isRunning, stopContainer),
  terminatePod: onPod(
    5,
    (pod) => !pod.isTerminating,
    (_world, pod) => {
      pod.isTerminating = true;
      pod.isStarting = false;
      return true;
    },
  ),
  forceDeletePod: onPod(
    0.5,
    (pod) => pod.isInApi,
    (world, pod) => {
      pod.isTerminating = true;
      pod.isStarting = false;
      pod.isInApi = false;
      if (pod.isRunning) return true;
      finish(world, pod, false);
      return true;
    },
  ),
  finishPod: onPod(
    8,
    (pod, { kubelet }) => pod.isTerminating && (kubelet.isRunning || pod.stage === "Waiting"),
    (world, pod) => {
      finish(world, pod, false);
      return true;
    },
  ),
  completePod: onPod(
    2,
    (pod, { kubelet }) => pod.isRunning && kubelet.isRunning,
    (world, pod) => {
      finish(world, pod, true);
      return true;
    },
  ),
  killKubelet: {
    weight: ({ kubelet, shape }) => (kubelet.isRunning && shape.hasKubelet ? 2 * shape.unrest : 0),
    propose: () => ({}),
    apply: ({ kubelet }) => {
      if (!kubelet.isRunning) return false;
      kubelet.kill();
      return true;
    },
  },
  startKubelet: {
    weight: ({ kubelet }) => (kubelet.isRunning ? 0 : 25),
    propose: () => ({}),
    apply: ({ kubelet }) => {
      if (kubelet.isRunning) return false;
      kubelet.start();
      return true;
    },
  },
  refuseRegistration: {
    weight: ({ kubelet, shape }) => (shape.hasKubelet && kubelet.refusals === 0 ? shape.unrest : 0),
    propose: (_world, dice) => ({ at: 1 + dice.below(2) }),
    apply: ({ kubelet }, { at }) => {
      kubelet.refusals = at ?? 1;
      return true;
    },
  },
  podresourcesDown: {
    weight: ({ kubelet, shape }) => (!shape.hasKubelet ? 0 : kubelet.isReadable.value ? shape.unrest : 10),
    propose: () => ({}),
    apply: ({ kubelet }) => kubelet.setReadable(!kubelet.isReadable.value),
  },
};
