// SPDX-License-Identifier: Apache-2.0

/** What the other device plugin has given away, and how it gives. */
import type { HostFunction } from "../models/host-function.ts";
import type { OtherIds, OtherPod } from "../models/other-plugin.ts";
import type { World } from "./world.ts";

/** The other plugin gives one function to a pod of its own. It opens nothing yet. */
export function otherTakes({ host, kubelet, time, api }: World, at: number, ids: OtherIds): boolean {
  const fn = host.functions[at];
  if (fn === undefined || !kubelet.isRunning || kubelet.isBlind) return false;
  if (!fn.isPresent.value || !fn.isOnVfio.value || api.pods.some((pod) => pod.stage !== "Over" && pod.ids.includes(fn.address))) return false;
  const names: Readonly<Record<OtherIds, (one: HostFunction) => string>> = {
    address: (one) => one.address,
    upper: (one) => one.address.toUpperCase(),
    short: (one) => one.address.slice(5),
    vfio: (one) => one.node.value.slice("/dev/vfio/devices/".length),
    group: (one) => one.iommuGroup,
    claim: (one) => `node-1/pci-${one.address.replaceAll(/[:.]/g, "-")}`,
    alias: () => "node-1/gpu-0",
    small: (one) => one.iommuGroup,
  };
  // A number that is a group by chance, among others that are none: what kvm and fuse plugins list.
  const onVfio = (): readonly HostFunction[] => host.functions.filter((one) => one === fn || (one.isPresent.value && one.isOnVfio.value));
  const listed = (): readonly string[] => (ids === "small" ? ["0", "1", fn.iommuGroup] : onVfio().map(names[ids]));
  time.tick += 1;
  const since = { sinceTick: time.tick, sinceMs: time.nowMs };
  const address = ids === "small" ? null : fn.address;
  const isClaim = ids === "claim" || ids === "alias";
  const named = isClaim ? { resource: "gpu.example.com", claim: "mine" } : { resource: "example.com/passthrough" };
  const aliases = ids === "alias" ? { aliases: [`gpu.example.com/device=${address}`] } : {};
  const pod = { namespace: "ml", pod: `other-${ids}`, ...named, ids: [names[ids](fn)], ...aliases };
  kubelet.others.push({ ...pod, listed: isClaim ? () => [] : listed, address, style: ids, since });
  return true;
}

/** The same, as far as the ids tell: a vfio or group number says nothing of a function that is not on vfio. */
export function knownToBeTaken(world: World, fn: HostFunction): OtherPod | null {
  const other = takenByOther(world, fn.address);
  const isNumber = other?.style === "vfio" || other?.style === "group";
  return isNumber && !(fn.isPresent.value && fn.isOnVfio.value) ? null : other;
}

/** Whether a pod of another plugin has the function, and since when. */
export function takenByOther({ kubelet }: World, address: string): OtherPod | null {
  return kubelet.others.find((other) => other.address === address) ?? null;
}
