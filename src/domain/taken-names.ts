// SPDX-License-Identifier: Apache-2.0

/** Resource names that another device plugin serves on this node: kubelet would call whichever registered last, and mix up their devices. */
import type { Ground } from "./ground.ts";
import type { Intent } from "./intent.ts";
import { resourceFor } from "./selector.ts";

/**
 * By name what shows it, for names of the intent that were never listed by us in this boot (`served`): an id under that name which is no address of a
 * function that the name takes. Such an address is ours: a wedged kubelet shows our own dead list. Two plugins with the same addresses stay undetected,
 * and so does one that has not registered yet. Without podresources nothing is known, and what was known stands.
 */
export function takenNames(
  memory: { readonly served: ReadonlySet<string>; readonly taken: ReadonlyMap<string, string> },
  intent: Intent | null,
  ground: Ground,
): ReadonlyMap<string, string> {
  const { podResources } = ground.view;
  if (intent === null || podResources.kind === "None") return new Map();
  if (podResources.kind === "Unreadable") return memory.taken;
  const isOurs = (id: string, name: string): boolean => {
    const fn = ground.functions.get(id);
    return fn !== undefined && resourceFor(intent, fn)?.name === name;
  };
  const taken = new Map<string, string>();
  for (const { name } of intent.resources.filter((rule) => rule.ledger === "DevicePlugin" && !memory.served.has(rule.name))) {
    const listed = podResources.allocatable.filter((one) => one.resource === name).map(({ ids }) => ({ ids, where: "kubelet lists" }));
    const held = podResources.pods.filter((one) => one.resource === name && one.claim === undefined);
    const given = held.map(({ ids, namespace, pod }) => ({ ids, where: `pod ${namespace}/${pod} has` }));
    for (const { ids, where } of [...listed, ...given]) {
      const other = ids.find((id) => !isOurs(id, name));
      if (other !== undefined && !taken.has(name)) taken.set(name, `${where} ${name} ${other}, which is none of this spec's devices`);
    }
  }
  return taken;
}
