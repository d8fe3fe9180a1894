// SPDX-License-Identifier: Apache-2.0

import type { Dice } from "../life/dice.ts";
import { admit, finish, recreateSandbox, startContainer, stopContainer } from "../life/pod-life.ts";
import type { World } from "../life/world.ts";
import { Pod } from "../models/pod.ts";
import { GPU, NIC, RENAMED } from "../models/shape.ts";
import { has } from "../runs/capabilities.ts";
import type { Args, StepKind } from "./step.ts";

/** Pods of the node that are not over yet: more of them would only slow the world down. */
const PODS = 3;

const alive = (world: World): readonly Pod[] => world.api.pods.filter((pod) => pod.isAlive);

/** A step that does `act` to one of the pods for which `fits` holds. */
function onPod(weight: number, fits: (pod: Pod, world: World) => boolean, act: (world: World, pod: Pod, args: Args) => boolean): StepKind {
  const fitting = (world: World): readonly Pod[] => alive(world).filter((pod) => fits(pod, world));
  return {
    weight: (world) => (fitting(world).length > 0 ? weight : 0),
    propose: (world, dice) => ({ word: dice.pick(fitting(world)).key, at: dice.below(2) }),
    apply: (world, args) => {
      const pod = fitting(world).find((one) => one.key === args.word);
      return pod !== undefined && act(world, pod, args);
    },
  };
}

/** The scheduler, and the people who make and delete pods. */
export const POD_STEPS: Readonly<Record<string, StepKind>> = {
  createPod: {
    weight: (world) => (world.shape.hasKubelet && alive(world).length < PODS ? 8 : 0),
    propose: (world: World, dice: Dice) => {
      const known = world.api.spec.intent?.resources.map((rule) => rule.name) ?? [];
      const free = known.filter((resource) => world.kubelet.free(resource).length > 0);
      const names = free.length > 0 && dice.chance(0.9) ? free : known.length > 0 ? known : [GPU, NIC, RENAMED];
      // Here ms is 1 for a pod with the name of one that the API has forgotten.
      return { word: dice.pick(names), at: dice.chance(0.85) ? 1 : 2, ms: has("podNames") && dice.chance(0.3) ? 1 : 0 };
    },
    apply: (world, { word, at, ms }) => {
      const pods = world.api.pods;
      const namesake = ms === 1 ? pods.find((one) => !one.isInApi && !pods.some((two) => two.isInApi && two.name === one.name)) : undefined;
      const pod = new Pod(pods.length, { resource: word ?? GPU, count: at ?? 1, name: namesake?.name ?? null });
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
      pod.isInApi = false;
      if (pod.isRunning || pod.isOpening) return true;
      pod.isStarting = false;
      finish(world, pod, false);
      return true;
    },
  ),
  finishPod: onPod(
    8,
    (pod, { kubelet }) => pod.isTerminating && ((kubelet.isRunning && !kubelet.isBlind) || pod.stage === "Waiting"),
    (world, pod) => {
      finish(world, pod, false);
      return true;
    },
  ),
  /** Somebody writes a pod's status: its containers go on. */
  editPhase: {
    needs: "editedPods",
    ...onPod(
      1,
      (pod) => pod.isInApi && pod.stage === "Held" && pod.phase !== "Succeeded",
      (_world, pod) => {
        pod.phase = "Succeeded";
        return true;
      },
    ),
  },
  completePod: onPod(
    2,
    (pod, { kubelet }) => pod.isRunning && kubelet.isRunning && !kubelet.isBlind,
    (world, pod) => {
      finish(world, pod, true);
      return true;
    },
  ),
};
