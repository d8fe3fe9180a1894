// SPDX-License-Identifier: Apache-2.0

/**
 * Where a device is in the other ledger still (I7). Whoever gives devices away in one ledger knows nothing of what the other one has given, so a device is
 * offered in the one that the spec says only after the other has let go of it: not listed, not held, not allocated. Pure.
 */
import type { Address } from "../device.ts";
import type { Ground } from "../ground.ts";
import type { Hold } from "../holds.ts";
import type { Intent, ResourceRule } from "../intent.ts";
import { resourceFor } from "../selector.ts";
import { claimName, claimsOf } from "./holds.ts";
import { DRA_DRIVER } from "./names.ts";

interface LedgerMemory {
  readonly holds: ReadonlyMap<Address, Hold>;
  readonly resources: ReadonlySet<string>;
  /** Names that a device plugin of ours has listed in this boot. */
  readonly served: ReadonlySet<string>;
}

/** By address: what still has it. Devices that no resource takes are in neither ledger. */
export function inOtherLedger({ holds, resources, served }: LedgerMemory, intent: Intent | null, ground: Ground): ReadonlyMap<Address, string> {
  const { dra, publications, podResources } = ground.view;
  const found = new Map<Address, string>();
  if (intent === null || dra === null) return found;
  const byKubelet = new Map<Address, string>();
  const lists = podResources.kind === "Read" ? podResources.allocatable.filter(({ resource }) => resources.has(resource)) : [];
  for (const { resource, ids } of [...publications, ...lists]) for (const id of ids) byKubelet.set(id, `kubelet lists it as ${resource}`);
  const heldNames = new Map([...holds].flatMap(([address, { resource }]) => (resource === null ? [] : [[resource, address] as const])));
  const inSlices = slicesText(ground);
  // A list that left this process may not have been taken yet: only kubelet tells. What is in a slice by now it had let go of before.
  const unread = podResources.kind === "Unreadable" && served.size > 0 ? `podresources cannot be read: ${podResources.why}` : "";
  for (const fn of ground.functions.values()) {
    const rule = resourceFor(intent, fn);
    if (rule === null) continue;
    const { address } = fn;
    const byPlugin = () => byKubelet.get(address) ?? (heldText(rule, heldNames) || (inSlices(address) === "" ? unread : ""));
    const text = rule.ledger === "DRA" ? byPlugin() : inDra(ground, address, inSlices);
    if (text !== undefined && text !== "") found.set(address, text);
  }
  return found;
}

/** A scheduler counts a device plugin's devices by name: where one of them is held, the name is the plugin's. */
function heldText({ name }: ResourceRule, heldNames: ReadonlyMap<string, Address>): string {
  const address = heldNames.get(name);
  return address === undefined || name === DRA_DRIVER ? "" : `${address} is held as ${name}, by a device plugin's pod`;
}

type SlicesText = (address: Address) => string;

function slicesText({ view: { dra } }: Ground): SlicesText {
  if (dra === null) return () => "";
  const { slices } = dra;
  if (slices.kind !== "Read") return () => (slices.isMissing === true ? "" : `ResourceSlices cannot be read: ${slices.why}`);
  // What was asked for may be written although no watch shows it yet.
  const asked = slices.value.asked.map((address) => [address, "a ResourceSlice that lists it may be being written"] as const);
  const pools = new Map([...asked, ...slices.value.listed.map(({ address, pool }) => [address, `pool ${pool} lists it`] as const)]);
  return (address) => pools.get(address) ?? "";
}

function inDra(ground: Ground, address: Address, inSlices: SlicesText): string {
  const [claim] = claimsOf(ground.view, address);
  if (claim !== undefined) return `it is allocated to ${claimName(claim)}`;
  return inSlices(address);
}

/** By address: another DRA driver that lists the same function of this node. */
export function offeredByOthers({ view: { dra } }: Pick<Ground, "view">): ReadonlyMap<Address, string> {
  if (dra === null || dra.slices.kind !== "Read") return new Map();
  return new Map(dra.slices.value.foreign.map(({ address, driver, pool, device }) => [address, `${driver} lists it as ${device} in pool ${pool}`]));
}
