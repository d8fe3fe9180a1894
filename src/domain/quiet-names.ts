// SPDX-License-Identifier: Apache-2.0

import type { Address } from "./device.ts";
/**
 * Resource names that have gone over to DRA while kubelet remembers them as a device plugin's. Kubelet asks the plugin that it remembers to start each
 * container with the name, also one that has its device by DRA, and fails it when that plugin had asked for PreStart (Kubernetes 1.37.2, kubernetes#141426;
 * it remembers a plugin that is gone for five minutes). So such a name is registered again without PreStart and with an empty list, until kubelet has been
 * restarted: then it knows nothing of PreStart any more. Pure.
 */
import type { Ground } from "./ground.ts";
import type { Hold } from "./holds.ts";
import type { Intent } from "./intent.ts";
import type { Publication } from "./view.ts";

/** By name: the start of kubelet in which it was registered with PreStart; null: an earlier process of ours did, in which one is not known. */
export type RememberedNames = ReadonlyMap<string, string | null>;

/** After one more look at what is registered. */
export function rememberedNamesAfter(before: RememberedNames, publications: readonly Publication[]): RememberedNames {
  const after = new Map(before);
  for (const { resource, kubelet, isQuiet } of publications) {
    if (kubelet === null) continue;
    const known = after.get(resource);
    if (isQuiet !== true) after.set(resource, kubelet);
    // Not known when: it may have been this one.
    else if (known === null) after.set(resource, kubelet);
    else if (known !== undefined && known !== kubelet) after.delete(resource);
  }
  return after;
}

interface QuietMemory {
  readonly remembered: RememberedNames;
  readonly taken: ReadonlyMap<string, string>;
  readonly holds: ReadonlyMap<Address, Hold>;
}

/** Not while one of its devices is given away by the device plugin: that pod's containers are to be asked for before they start. */
export function quietNames(
  { remembered, taken, holds }: QuietMemory,
  intent: Intent | null,
  { view: { podResources } }: Pick<Ground, "view">,
): readonly string[] {
  if (podResources.kind !== "Read") return [];
  const given = new Set([...holds.values()].map(({ resource }) => resource));
  for (const { resource, claim } of podResources.pods) if (claim === undefined) given.add(resource);
  const names = (intent?.resources ?? []).filter(({ ledger }) => ledger === "DRA").map(({ name }) => name);
  return names.filter((name) => remembered.has(name) && !taken.has(name) && !given.has(name));
}
