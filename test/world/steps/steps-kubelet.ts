// SPDX-License-Identifier: Apache-2.0

import { forget } from "../life/pod-life.ts";
import { otherTakes } from "../life/taken.ts";
import { OTHER_IDS } from "../models/other-plugin.ts";
import { GPU } from "../models/shape.ts";
import { has } from "../runs/capabilities.ts";
import type { StepKind } from "./step.ts";

/** What happens to kubelet, and what other plugins do beside ours. */
export const KUBELET_STEPS: Readonly<Record<string, StepKind>> = {
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
  /** Kubelet cannot reach its API server: one that starts meanwhile knows of no pod, and answers so with success. */
  cutOffKubelet: {
    needs: "blindKubelet",
    weight: ({ kubelet, shape }) => {
      const isPossible = shape.hasKubelet && (!shape.isStandalone || has("blindAlone"));
      return !isPossible ? 0 : kubelet.isCutOff ? 6 : 1.5 * shape.unrest;
    },
    propose: () => ({}),
    apply: ({ kubelet }) => kubelet.cutOff(!kubelet.isCutOff),
  },
  /** While kubelet is down its device checkpoint goes, or is put back to one from before the newest pod. */
  loseCheckpoint: {
    needs: "checkpoints",
    weight: ({ kubelet, shape, api }) => (kubelet.isRunning || !api.pods.some((pod) => pod.stage === "Held") ? 0 : 8 * shape.unrest),
    propose: (_world, dice) => ({ word: dice.chance(0.5) ? "lost" : "rolled back" }),
    apply: ({ kubelet, api }, { word }) => {
      const held = api.pods.filter((pod) => pod.stage === "Held" && !pod.isForgotten);
      if (kubelet.isRunning || held.length === 0) return false;
      for (const pod of word === "lost" ? held : held.slice(-1)) forget(pod);
      return true;
    },
  },
  otherPluginTakes: {
    needs: "otherPlugins",
    weight: ({ kubelet, shape }) => (shape.hasKubelet && kubelet.others.length === 0 ? shape.unrest : 0),
    propose: ({ host }, dice) => ({ at: dice.below(host.functions.length), word: dice.pick(OTHER_IDS) }),
    apply: (world, { at, word }) => otherTakes(world, at ?? 0, OTHER_IDS.find((one) => one === word) ?? "small"),
  },
  /** Another plugin serves one of the spec's names, and has given a device of its own. Scripted only. */
  otherPluginServes: {
    isScripted: true,
    weight: () => 1,
    propose: () => ({ word: GPU }),
    apply: ({ kubelet, time }, { word = GPU }) => {
      const since = { sinceTick: time.tick, sinceMs: time.nowMs };
      const pod = { namespace: "ml", pod: "other", resource: word, ids: ["slice-0"] };
      kubelet.others.push({ ...pod, listed: () => ["slice-0", "slice-1"], address: null, style: "small", since });
      return true;
    },
  },
  otherPluginReturns: {
    needs: "otherPlugins",
    weight: ({ kubelet }) => (kubelet.others.length > 0 ? 5 : 0),
    propose: () => ({}),
    apply: ({ kubelet }) => kubelet.others.splice(0, 1).length > 0,
  },
};
