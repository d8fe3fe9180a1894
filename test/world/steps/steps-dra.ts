// SPDX-License-Identifier: Apache-2.0

/** What happens to claims and to the pods that use them. A world without DRA has none of it. */
import type { DraWorld } from "../life/dra-world.ts";
import { ClaimPod } from "../models/claim-pod.ts";
import { DROPPABLE } from "../models/dra-objects.ts";
import { GPU } from "../models/shape.ts";
import type { Args, StepKind } from "./step.ts";

const PODS = 3;

const alive = (dra: DraWorld): readonly ClaimPod[] => dra.api.pods.filter(({ stage }) => stage !== "Over");

const stuck = (dra: DraWorld | null): readonly ClaimPod[] => dra?.api.pods.filter(({ isVmStuck }) => isVmStuck) ?? [];

/** A step of a world with DRA. `fits`: whether it is possible now. */
function inDra(
  weight: number,
  fits: (dra: DraWorld) => boolean,
  act: (dra: DraWorld, args: Args) => boolean,
  words: readonly string[] = [],
): StepKind {
  return {
    needs: "claims",
    weight: ({ dra }) => (dra !== null && fits(dra) ? weight : 0),
    propose: (_world, dice) => ({ at: 1 + dice.below(2), ...(words.length > 0 ? { word: dice.pick(words) } : {}) }),
    apply: ({ dra }, args) => dra !== null && act(dra, args),
  };
}

/** Something that is mostly true, breaks now and then, and heals soon. */
function flaw(weights: { readonly breaks: number; readonly heals: number }, isBroken: (dra: DraWorld) => boolean, kind: StepKind): StepKind {
  return { ...kind, weight: (world) => (world.dra !== null && kind.weight(world) > 0 ? (isBroken(world.dra) ? weights.heals : weights.breaks) : 0) };
}

/** The same on the pod that `word` names. */
function onPod(weight: number, fits: (pod: ClaimPod) => boolean, act: (dra: DraWorld, pod: ClaimPod) => boolean): StepKind {
  const fitting = (dra: DraWorld | null): readonly ClaimPod[] => (dra === null ? [] : alive(dra).filter(fits));
  return {
    needs: "claims",
    weight: ({ dra }) => (fitting(dra).length > 0 ? weight : 0),
    propose: ({ dra }, dice) => ({ word: dice.pick(fitting(dra)).name }),
    apply: ({ dra }, { word }) => {
      const pod = fitting(dra).find(({ name }) => name === word);
      return dra !== null && pod !== undefined && act(dra, pod);
    },
  };
}

/** How a pod asks: by an extended resource, by a claim made from a template, by a claim of a user's, or by the newest one of those that there are. */
const WAYS = ["extended", "template", "named", "shared"] as const;

function addPod({ api }: DraWorld, { word, at: count = 1 }: Args): boolean {
  const name = `claim-pod-${api.pods.length}`;
  const ask = { request: "gpu", count, resource: GPU };
  const asks = [ask];
  const users = [...api.claims.state.items.values()].map(({ value }) => value).filter(({ owner }) => owner === null);
  const shared = users.at(-1)?.uid;
  if (word === "shared" && shared === undefined) return false;
  const uids: Readonly<Record<string, () => string>> = {
    parameters: () => api.addClaim(asks, { owner: `uid-of-${name}`, parameters: ["spec.devices.config[0]"] }).uid,
    admin: () => api.addClaim([{ ...ask, adminAccess: true }], { owner: `uid-of-${name}` }).uid,
    tolerant: () => api.addClaim([{ ...ask, tolerates: true }], { owner: `uid-of-${name}` }).uid,
    template: () => api.addClaim(asks, { owner: `uid-of-${name}` }).uid,
    named: () => api.addClaim(asks).uid,
    shared: () => shared ?? "",
  };
  const uid = uids[word ?? ""]?.();
  api.addPod(new ClaimPod(name, uid === undefined ? { extended: { resource: GPU, count } } : { claims: [uid] }));
  return true;
}

/** Kubelet gets to what it is told only while it runs and sees its API server. */
const canWork = ({ kubelet }: DraWorld): boolean => kubelet.canWork;

export const DRA_STEPS: Readonly<Record<string, StepKind>> = {
  createClaimPod: {
    ...inDra(8, (dra) => alive(dra).length < PODS, addPod, WAYS),
    propose: (_world, dice) => ({ at: dice.chance(0.85) ? 1 : 2, word: dice.pick(WAYS) }),
  },
  restartClaimContainer: onPod(
    3,
    ({ stage }) => stage === "Running",
    (dra, pod) => dra.kubelet.restartContainer(pod),
  ),
  terminateClaimPod: onPod(
    5,
    ({ isTerminating }) => !isTerminating,
    (_dra, pod) => {
      pod.isTerminating = true;
      return true;
    },
  ),
  finishClaimPod: onPod(
    8,
    ({ isTerminating }) => isTerminating,
    (dra, pod) => {
      if (pod.node === dra.api.node && !canWork(dra)) return false;
      dra.kubelet.end(pod, false);
      return true;
    },
  ),
  completeClaimPod: onPod(
    2,
    ({ stage }) => stage === "Running",
    (dra, pod) => {
      if (!canWork(dra)) return false;
      dra.kubelet.end(pod, true);
      return true;
    },
  ),
  forceDeleteClaimPod: onPod(
    0.5,
    ({ isInApi }) => isInApi,
    (dra, pod) => {
      dra.kubelet.forceDelete(pod);
      return true;
    },
  ),
  /** Forced, while its VM does not end: kubelet unprepares what the VM has open. */
  abandonClaimVm: onPod(
    3,
    ({ stage, isInApi }) => stage === "Running" && isInApi,
    (dra, pod) => {
      pod.isVmStuck = true;
      dra.kubelet.forceDelete(pod);
      return true;
    },
  ),
  endClaimVm: {
    needs: "claims",
    weight: ({ dra }) => (stuck(dra).length > 0 ? 2 : 0),
    propose: ({ dra }, dice) => ({ word: dice.pick(stuck(dra)).name }),
    apply: ({ dra }, { word }) => dra?.api.pods.some((pod) => pod.name === word && dra.endVm(pod)) ?? false,
  },
  /** Kubelet's call fails when a pod ends: what the pod had stays prepared until kubelet comes back to it. */
  failUnprepare: inDra(
    3,
    ({ api, kubelet }) => kubelet.unprepareFailures === 0 && api.pods.some(({ stage }) => stage === "Running"),
    ({ kubelet }) => {
      kubelet.unprepareFailures = 1;
      return true;
    },
  ),
  restartScheduler: inDra(
    0.5,
    () => true,
    ({ scheduler }) => {
      scheduler.restart();
      return true;
    },
  ),
  /** A watch of the agent's shows nothing new, or goes on with a new list. */
  holdWatch: flaw({ breaks: 0.7, heals: 10 }, ({ api }) => api.isHeld, {
    ...inDra(
      1,
      ({ api }) => api.watches !== null,
      ({ api }, { word, at }) => api.holdWatch(word === "slices" ? "slices" : "claims", at === 1),
    ),
    propose: ({ dra }, dice) => {
      const held = dra?.api.watches?.slices.isHeld === true ? "slices" : "claims";
      return dra?.api.isHeld === true ? { word: held, at: 2 } : { word: dice.pick(["slices", "claims"]), at: 1 };
    },
  }),
  refuseDraWrites: flaw(
    { breaks: 0.5, heals: 10 },
    ({ api }) => api.isRefusing,
    inDra(
      1,
      () => true,
      ({ api }) => {
        api.isRefusing = !api.isRefusing;
        return true;
      },
    ),
  ),
  /** Another DRA driver of this node lists the function. */
  listElsewhere: {
    isScripted: true,
    weight: () => 0,
    propose: () => ({}),
    apply: ({ dra, host }, { at }) => {
      const fn = host.functions[at ?? 0];
      if (dra === null || fn === undefined) return false;
      const { address } = fn;
      const listed = { address, owner: (fn.linkOwner ?? fn).address, attributes: {}, streams: 0, taints: [], bindsWhenSecured: false } as const;
      const pool = { name: `${dra.api.node}/other`, devices: [listed], streams: null };
      dra.api.pools.put("gpu.example.com/other", { driver: "gpu.example.com", node: dra.api.node, pool, isWhole: true });
      return true;
    },
  },
  /** Somebody damages a claim file, and puts it in order. */
  damageClaimFile: flaw(
    { breaks: 0.3, heals: 8 },
    ({ folder }) => folder.damaged.size > 0,
    inDra(
      1,
      ({ folder }) => folder.files.size > 0,
      ({ folder }) => {
        const [uid] = folder.files.keys();
        if (uid === undefined) return false;
        if (folder.damaged.size > 0) folder.repair();
        else folder.damaged.add(uid);
        return true;
      },
    ),
  ),
  /** The API server goes back to a version, or comes to one, that keeps a field not. */
  dropField: flaw(
    { breaks: 0.2, heals: 5 },
    ({ api }) => api.drops.size > 0,
    inDra(
      1,
      () => true,
      ({ api }, { word }) => {
        const field = DROPPABLE.find((one) => one === word) ?? "taints";
        if (api.drops.size > 0) api.drops.clear();
        else api.drops.add(field);
        api.dropsChanged();
        return true;
      },
      DROPPABLE,
    ),
  ),
};
