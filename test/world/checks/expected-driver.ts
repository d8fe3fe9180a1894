// SPDX-License-Identifier: Apache-2.0

/** What the drivers of a quiet node must be like, where the spec has the agent change them: the checker's own statement, from the models' truth. */
import type { DeviceStatus } from "../../../src/domain/status.ts";
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import { isClaimed } from "./expected-ledger.ts";

type Reason = DeviceStatus["reason"];

/** What has failed three times is tried again that late. */
const TRIED_AGAIN_MS = 310_000;

/** Why a function that should get vfio-pci has not: a reason that lasts. Null: it has it, or nothing keeps it from it. */
export function keptFromVfio({ host }: World, fn: HostFunction): Reason | null {
  if (fn.isOnVfio.value) return null;
  if (!["", "vfio-pci"].includes(fn.override.value)) return "DriverOverridden";
  if (host.functions.some((one) => one.physical === fn && one.isPresent.value)) return "HasVirtualFunctions";
  return fn.isUsedByHost.value ? "InUseByHost" : null;
}

/** A function that no resource takes has the same IOMMU group. */
export function sharesGroup({ host, api }: World, fn: HostFunction): boolean {
  const takes = (one: HostFunction): boolean => api.spec.intent?.resources.some(({ match }) => match.vendors?.includes(one.vendor)) ?? false;
  return host.functions.some((one) => one !== fn && one.isPresent.value && one.iommuGroup === fn.iommuGroup && !takes(one));
}

const OF_A_CHANGE: ReadonlySet<Reason> = new Set(["DriverChanging", "BindStuck", "BindFailed", "NoVfioDevice"]);

/** It has no vfio device, and whether it can get one now the truth alone does not tell. */
export function isWaitingForDriver(world: World, fn: HostFunction, shown: Reason): boolean {
  return world.shape.driverBind === "Vfio" && OF_A_CHANGE.has(shown) && mayBeKept(world, fn);
}

/** Something that ends keeps its driver from being changed, or may, as far as anybody can see. */
function mayBeKept(world: World, fn: HostFunction): boolean {
  const { api, drivers, proofs, time } = world;
  if (drivers.stubborn.has(fn.address) || !drivers.isVfioLoaded || !proofs.areWritable.value) return true;
  if (time.nowMs - (drivers.failedMs.get(fn.address) ?? Number.NEGATIVE_INFINITY) < TRIED_AGAIN_MS) return true;
  const isReadable = fn.areHoldersReadable.value && fn.areOpensShown.value && fn.isBoundReadable.value && fn.isLinkReadable.value;
  const isUsed = fn.opens.value > 0 || fn.isBound.value || fn.link.value !== "Off";
  // A hold goes on for as long as some pod is not accounted for.
  const isHeld = api.status?.devices.find(({ address }) => address === fn.address)?.usedBy != null;
  if (isClaimed(world, fn.address)) return true;
  return !isReadable || !fn.isTsmFree.value || isUsed || isHeld || api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address));
}

/** Functions that are to have their own driver have it, once nobody has them. */
export function driverComplaints(world: World): readonly string[] {
  const { api, host, kubelet, process, shape, specs } = world;
  const intent = process?.intent.value?.intent ?? null;
  if (intent === null || !specs.areWritable.value || !host.isReadable.value || !host.isTsmFree.value) return [];
  if (shape.hasKubelet && (!kubelet.isAnswering.value || kubelet.isBlind)) return [];
  if (kubelet.others.length > 0 || (!shape.isStandalone && !api.isReachable.value)) return [];
  if (api.pods.some((pod) => pod.isAlive)) return [];
  return host.functions.flatMap((fn) => {
    const taker = intent.resources.find(({ match }) => match.vendors?.includes(fn.vendor));
    const isSelected = intent.units.all === true || (intent.units.regBases ?? []).includes(fn.regBase ?? "");
    if (taker?.driver.bind !== "Native" || !host.showsCapable(fn) || !isSelected || !fn.isOnVfio.value) return [];
    const isOverridden = !["", "vfio-pci"].includes(fn.override.value);
    const isPhysical = host.functions.some((one) => one.physical === fn && one.isPresent.value);
    return isOverridden || isPhysical || mayBeKept(world, fn) ? [] : [`nobody has ${fn.address}, and it is still on vfio`];
  });
}
