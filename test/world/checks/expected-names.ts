// SPDX-License-Identifier: Apache-2.0

/** Under which names kubelet must not ask a device plugin on a quiet node: the checker's own statement, from the models' truth. */
import type { World } from "../life/world.ts";
import { isGivable } from "./expected-ledger.ts";

/** A pod that asks for a resource of DRA by its name could not start: kubelet remembers a device plugin of that name that wants to be asked. */
export function nameComplaints(world: World): readonly string[] {
  const { api, dra, host, kubelet, process } = world;
  const rules = process?.intent.value?.intent?.resources ?? [];
  if (dra === null || !kubelet.isAnswering.value || kubelet.isBlind) return [];
  return rules
    .filter((rule) => {
      const { ledger, match, name } = rule;
      const isGiven = api.pods.some((pod) => pod.resource === name && pod.spans.size > 0 && (pod.isAlive || pod.isInApi || pod.hasProcess));
      const isOthers = kubelet.others.some(({ resource }) => resource === name);
      const takes = host.functions.filter(({ vendor }) => match.vendors?.includes(vendor));
      return ledger === "DRA" && !isGiven && !isOthers && takes.some((fn) => isGivable(world, fn, rule));
    })
    .filter(({ name }) => kubelet.failsByPreStart(name))
    .map(({ name }) => `DRA gives ${name} away, and kubelet asks a device plugin before it starts a container with it`);
}
