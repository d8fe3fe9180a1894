// SPDX-License-Identifier: Apache-2.0

/** What the status of a quiet node whose kernel owns TDX Connect must say: never more than is true, and what can be proven. */
import type { World } from "../life/world.ts";
import type { KernelOwner } from "../models/kernel-owner.ts";
import { isGivable } from "./expected-ledger.ts";

export function ownerComplaints(world: World, owner: KernelOwner): readonly string[] {
  const { module, api, isDriverReadable, kubelet, host, shape } = world;
  const written = api.status;
  if (written === null) return ["there is no status"];
  const untrue = module.units.flatMap((unit) => {
    const shown = written.units.find((one) => one.regBase === unit.regBase);
    const saysTrusted = shown?.state === "Trusted";
    if (saysTrusted && unit.trust.value === null) return [`${unit.regBase} is not trusted, the status says that it is`];
    const isOneLoad = owner.loads === 1 && owner.tsm !== null && (owner.shape.isBuiltIn || owner.shape.isNaming);
    return isOneLoad && unit.trust.value !== null && isDriverReadable.value && shown !== undefined && !saysTrusted
      ? [`${unit.regBase} is trusted, the status says ${shown.reason}`]
      : [];
  });
  const listed = written.devices.flatMap(({ address, resource, reason }) => {
    const rule = api.spec.intent?.resources.find(({ name }) => name === resource);
    const isListed = rule?.ledger === "DRA" ? isGivable(world, { address }, rule) : kubelet.healthy(resource).includes(address);
    const isTrue = isListed === (reason === "Offered") || host.find(address) === null;
    return isTrue
      ? []
      : [`${address} is ${isListed ? "" : "not "}in ${rule?.ledger === "DRA" ? "a slice" : "kubelet's list"}, the status says ${reason}`];
  });
  return [...untrue, ...(shape.hasKubelet && kubelet.isAnswering.value ? listed : [])];
}
