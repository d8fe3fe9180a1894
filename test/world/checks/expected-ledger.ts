// SPDX-License-Identifier: Apache-2.0

import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
/** What the two ledgers of a quiet node must be like: the checker's own statement, from the models' truth. A world without DRA has one. */
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { DeviceStatus } from "../../../src/domain/status.ts";
import type { World } from "../life/world.ts";
import { isOurs } from "../models/dra-objects.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";

type Reason = DeviceStatus["reason"];

/** The agent offers what the rule takes: it serves DRA where there is any. */
export function isServed({ dra }: Pick<World, "dra">, rule: Pick<ResourceRule, "ledger"> | undefined): boolean {
  return rule?.ledger === "DevicePlugin" || (rule?.ledger === "DRA" && dra !== null);
}

/** Somebody may be given it now: it is healthy in kubelet's list of the resource, or in a slice without a taint. */
export function isGivable({ dra, kubelet }: World, { address }: Pick<HostFunction, "address">, rule: ResourceRule | undefined): boolean {
  if (rule?.ledger !== "DRA") return kubelet.healthy(rule?.name ?? "").includes(address);
  const pools = [...(dra?.api.pools.state.items.values() ?? [])].map(({ value }) => value).filter(isOurs);
  return pools.some(({ pool }) => pool.devices.some((one) => one.address === address && one.taints.length === 0));
}

/** Another DRA driver of this node may give it away. */
export function isListedElsewhere({ dra }: World, { address }: Pick<HostFunction, "address">): boolean {
  const pools = [...(dra?.api.pools.state.items.values() ?? [])].map(({ value }) => value);
  return pools.some((one) => !isOurs(one) && one.pool.devices.some((device) => device.address === address));
}

/** A claim is allocated it, has it prepared, or has its VM hold it open. */
export function isClaimed(world: World, address: string): boolean {
  const { dra, host } = world;
  if (dra === null) return false;
  const files = [...dra.folder.files.values()].filter(({ file }) => file.bootId === `boot-${host.bootId}`);
  return isAllocated(world, address) || files.some(({ file }) => file.devices.some((one) => one.address === address)) || dra.hasOpen(address);
}

function isAllocated({ dra }: World, address: string): boolean {
  const claims = [...(dra?.api.claims.state.items.values() ?? [])].map(({ value }) => value);
  return claims.some(({ allocation }) => allocation?.devices.some(({ device }) => addressOfDraDevice(device) === address));
}

/** An API server that refuses writes leaves the scheduler a device to give away. */
export function isStuckInSlice(world: World, address: string): boolean {
  return world.dra?.api.isRefusing === true && isInSlice(world, address);
}

/** What is allocated stays listed, and an API server without taints shows no reason: nobody else is given it. */
export function isShownAllocated(world: World, address: string): boolean {
  return world.dra?.api.drops.has("taints") === true && isInSlice(world, address) && isAllocated(world, address);
}

/** It has ended, and while another one is on its way out nobody can tell that it is not that one which has the devices of this one. */
function mayLinger({ api, shape }: World, pod: Pod): boolean {
  return pod.spans.size > 0 && api.pods.some((one) => one.isAlive && one.isTerminating && (shape.isStandalone ? one.hasProcess : one.isInApi));
}

function isInSlice({ dra }: World, address: string): boolean {
  const pools = [...(dra?.api.pools.state.items.values() ?? [])].map(({ value }) => value).filter(isOurs);
  return pools.some(({ pool }) => pool.devices.some((one) => one.address === address));
}

/** Nobody can tell which devices a claim has whose file is damaged. */
export function isAnyFileUnread({ dra }: World): boolean {
  return [...(dra?.folder.damaged ?? [])].some((uid) => dra?.folder.files.has(uid));
}

const OF_HANDS: ReadonlySet<Reason> = new Set([
  "LedgerSwitching",
  "HeldInOtherLedger",
  "HeldUnderOtherName",
  "HeldByOtherLedger",
  "HeldAcrossTrustLoss",
]);

/** Where who has a device, or an API server that refuses writes, decides what is shown. */
export function isFineInLedgers(world: World, { address }: HostFunction, shown: Reason): boolean {
  const { dra, api } = world;
  if (dra === null) return false;
  // Slices neither come nor go.
  if (dra.api.isRefusing && (shown === "AwaitingSlice" || shown === "LedgerSwitching")) return true;
  const takerOf = (vendor: string) => api.spec.intent?.resources.find(({ match }) => match.vendors?.includes(vendor));
  const taker = takerOf(world.host.find(address)?.vendor ?? "");
  // How many streams are spoken for is the agent's to count; that the scheduler's and the device plugin's come from one number is not.
  const isBesideDra = world.host.functions.some((one) => one.isPresent.value && takerOf(one.vendor)?.ledger === "DRA");
  if (shown === "StreamsShared") return world.host.streamsLeft !== null && taker?.ledger === "DevicePlugin" && isBesideDra;
  // A scheduler counts a device plugin's devices by name: one that is held keeps the name the plugin's.
  const isNameHeld = api.pods.some((pod) => pod.resource === taker?.name && ((pod.isAlive && pod.stage === "Held") || mayLinger(world, pod)));
  if (shown === "LedgerSwitching" && taker?.ledger === "DRA" && isNameHeld) return true;
  const isInPod = api.pods.some((pod) => pod.isAlive && pod.ids.includes(address));
  return OF_HANDS.has(shown) && (isInPod || isClaimed(world, address));
}
