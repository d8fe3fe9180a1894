// SPDX-License-Identifier: Apache-2.0

/** What must never be of DRA's two ledgers, of claims and of links: pure statements over the models' truth. Each gives what is wrong. */
import type { ClaimRef } from "../../../src/domain/dra/claim.ts";
import type { ClaimFile } from "../../../src/domain/dra/claim-file.ts";
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { World } from "../life/world.ts";
import type { ClaimFolder, FileOnDisk } from "../models/claim-files-model.ts";
import { isOurs, type StoredClaim, type StoredPool } from "../models/dra-objects.ts";
import type { HostFunction } from "../models/host-function.ts";
import { type Objection, objection } from "./eligibility.ts";
import { type FileInPlace, NOTICE_SLACK_MS } from "./overdue-checks.ts";

/** All that holds at every moment of a world with DRA. */
export function draAtRest({ dra, kubelet, host, shape }: World): readonly string[] {
  if (dra === null) return [];
  const lists = new Map([...kubelet.endpoints.keys()].map((resource) => [resource, kubelet.healthy(resource)]));
  const pools = [...dra.api.pools.state.items.values()].map(({ value }) => value);
  const { files } = dra.folder.view();
  return [
    ...dra.api.early,
    ...inTwoLedgers({ lists, pools }),
    ...inTwoClaims(files, `boot-${host.bootId}`),
    ...tooManyLinks(host.functions, shape.streams),
  ];
}

export interface Ledgers {
  /** Healthy devices of kubelet's lists, by resource. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly pools: readonly StoredPool[];
}

/** A device that kubelet may give away, and the scheduler may, too: it is listed, and in a slice without a taint (I7). */
export function inTwoLedgers({ lists, pools }: Ledgers): readonly string[] {
  const free = pools.filter(isOurs).flatMap(({ pool }) => pool.devices.filter(({ taints }) => taints.length === 0));
  const open = new Set(free.map(({ address }) => address));
  return [...lists].flatMap(([resource, ids]) => ids.filter((id) => open.has(id)).map((id) => `${id} is in the list of ${resource} and in a slice`));
}

/** Of this boot, void or not: what is void may still run. */
export function inTwoClaims(files: readonly ClaimFile[], bootId: string): readonly string[] {
  const owners = new Map<string, ClaimFile>();
  const wrong: string[] = [];
  for (const file of files.filter((one) => one.bootId === bootId)) {
    for (const { address } of file.devices) {
      const other = owners.get(address);
      if (other !== undefined && other.uid !== file.uid) wrong.push(`${address} is prepared for ${nameOf(other)} and for ${nameOf(file)}`);
      owners.set(address, file);
    }
  }
  return wrong;
}

function nameOf({ namespace, name }: ClaimRef): string {
  return `${namespace}/${name}`;
}

/** A slot takes one stream for all of its functions, from the moment at which it is being secured. */
export function tooManyLinks(functions: readonly HostFunction[], streams: number | null): readonly string[] {
  const linked = functions.filter((fn) => fn.linkOwner === null && (fn.link.value !== "Off" || fn.isHalfWritten.value));
  if (streams === null || linked.length <= streams) return [];
  return [`${linked.length} links, and ${streams} streams: ${linked.map(({ address }) => address).join(" ")}`];
}

/**
 * Claims of `node` have devices in more slots than there are streams: where links are secured for pods, and nobody else takes streams, the counters
 * of the slices must never let that happen.
 */
export function overCommitted(
  claims: Iterable<StoredClaim>,
  host: { readonly node: string; readonly functions: readonly HostFunction[]; readonly streams: number | null },
): readonly string[] {
  const ours = [...claims].flatMap(({ allocation }) => (allocation?.node === host.node ? allocation.devices : []));
  const given = new Set(ours.map(({ device }) => addressOfDraDevice(device)));
  const slots = new Set(host.functions.filter(({ address }) => given.has(address)).map((fn) => (fn.linkOwner ?? fn).address));
  return host.streams === null || slots.size <= host.streams ? [] : [`claims have ${slots.size} slots, and there are ${host.streams} streams`];
}

/** Claim files that resolve, each with the loss of trust that speaks against it: how late they may go is what holds for CDI specs (I2). */
export function claimFilesInPlace(world: World, folder: ClaimFolder): readonly FileInPlace[] {
  return folder.inPlace.flatMap((one) =>
    one.file.devices.map(({ address }) => ({ name: `claim file of ${one.file.name}`, id: address, against: againstFile(world, one, address) })),
  );
}

function againstFile(world: World, { file, spans, since, repaired }: FileOnDisk, address: string): readonly Objection[] {
  const { host, module, process, shape, time } = world;
  // What nobody could read nobody could make void: the time for that begins when it is in order again.
  if (repaired !== null && time.nowMs - repaired.sinceMs <= shape.observeEveryMs + NOTICE_SLACK_MS) return [];
  if (file.bootId !== `boot-${host.bootId}`) {
    const known = { sinceTick: process?.startedTick ?? -1, sinceMs: process?.startedMs ?? 0, loud: false };
    return [objection("it is of another boot", known)];
  }
  const fn = host.find(address);
  const trust = module.find(fn?.regBase ?? "")?.trust;
  if (fn === null || trust === undefined) return [objection("its device is below no unit", { ...since, loud: false })];
  if (trust.value !== null && trust.value === spans.get(address)) return [];
  // Of a function that has come back below another unit, only a look at the host tells.
  const hasMoved = fn.isPresent.sinceTick > trust.sinceTick;
  return [{ ...objection("trust was lost since it was written", hasMoved ? fn.isPresent : trust), isFast: !hasMoved }];
}
