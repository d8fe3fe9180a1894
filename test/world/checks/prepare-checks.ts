// SPDX-License-Identifier: Apache-2.0

/** Every yes of the agent to kubelet's DRA manager, at the moment at which it is said: what is given, and to whom. */
import type { ClaimDevice } from "../../../src/domain/dra/claim.ts";
import type { PreparedDevice } from "../../../src/domain/dra/claim-file.ts";
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { World } from "../life/world.ts";
import type { ClaimFolder } from "../models/claim-files-model.ts";
import type { DraApi } from "../models/dra-api.ts";
import type { PreparedYes } from "../models/dra-calls.ts";
import { deviceKey } from "../models/dra-objects.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { CheckTools } from "./check-tools.ts";
import { believesKubelet, type Objection, objection } from "./eligibility.ts";

export interface Preparation {
  readonly tools: CheckTools;
  readonly process: AgentProcess;
  readonly yes: PreparedYes;
  readonly folder: ClaimFolder;
  readonly api: DraApi;
}

const NAME = "Prepare";

export function checkPrepare(preparation: Preparation): void {
  const { tools, process, yes } = preparation;
  const { world, violate } = tools;
  checkAllocation(preparation);
  for (const { pool, device, cdiNames } of yes.given) {
    const address = addressOfDraDevice(device);
    const fn = address === null ? null : world.host.find(address);
    if (fn === null) {
      violate(NAME, `${pool}/${device} is given, and is no device of this host`);
      continue;
    }
    const unit = world.module.find(fn.regBase ?? "");
    if (process.handle?.clearing.has(fn.regBase ?? "")) violate(NAME, `${fn.address}: yes after a CLEAR of its unit was asked for`);
    if (unit?.state === "Clearing") violate(NAME, `${fn.address}: yes while its unit is being cleared`);
    if (world.links.askedBy(process) === (fn.linkOwner ?? fn).address) violate(NAME, `${fn.address}: yes while its link is being written`);
    if (cdiNames.length === 0) violate(NAME, `${fn.address}: no CDI name is given`);
    for (const one of prepareObjections(preparation, fn.address)) if (isKnown(preparation, one)) violate(NAME, `${fn.address}: ${one.why}`);
    checkFile(preparation, fn.address);
  }
}

/** The gate's own objections, hands that the other ledger has given it into, and a VM of another claim. */
export function prepareObjections({ tools, process, yes }: Preparation, address: string): readonly Objection[] {
  const { world } = tools;
  const fn = world.host.find(address);
  const rules = process.intent.value?.intent?.resources ?? [];
  const rule = rules.find(({ match }) => match.vendors?.includes(fn?.vendor ?? "") || match.addresses?.includes(address));
  const holders = world.api.pods.filter((pod) => pod.stage === "Held" && !pod.isTerminating && !pod.isForgotten && pod.ids.includes(address));
  // Who gave it away remembers; another agent has to see it.
  const known = holders.filter((pod) => pod.givenBy === process.number || believesKubelet(world, process));
  const held = known.map((pod) => objection(`${pod.name} has it by the device plugin`, { ...pod.since, loud: false }));
  return [...tools.against(process, address, rule?.name ?? "", NAME), ...held, ...againstVms({ world, uid: yes.claim.uid, fn })];
}

/** A search for holders may be so old. */
const SEARCH_IS_GOOD_MS = 1_000;

/** A VM outlives its pod, and the claim of it: kubelet has unprepared what it has open. */
function againstVms({ world, uid, fn }: { readonly world: World; readonly uid: string; readonly fn: HostFunction | null }): readonly Objection[] {
  if (fn === null || !fn.areHoldersReadable.value || !fn.isSeenOpen) return [];
  const since = [fn.opens, fn.areOpensShown, fn.areHoldersReadable, fn.isPresent].reduce((one, other) =>
    other.sinceTick > one.sinceTick ? other : one,
  );
  if (world.time.nowMs - since.sinceMs <= SEARCH_IS_GOOD_MS) return [];
  const others = world.dra?.openers(fn.address).filter(({ claimUids }) => !claimUids.includes(uid)) ?? [];
  return others.map(({ name }) => objection(`the VM of ${name} has it open`, { sinceTick: since.sinceTick, sinceMs: since.sinceMs, loud: false }));
}

/**
 * What was so when the call came is known: it is read before the answer. What has woken the agent, or the table says, is known also when it became so
 * while the call waited for the link.
 */
function isKnown({ tools, yes }: Preparation, { sinceTick, isLoud, isFast }: Objection): boolean {
  const knownTick = isLoud || isFast ? Math.max(yes.arrivedTick, tools.world.quiet.tick) : yes.arrivedTick;
  return sinceTick < knownTick;
}

/** The claim was read afresh: what it had when the call came, and has still, is what is given. */
function checkAllocation({ tools, api, yes }: Preparation): void {
  const kept = api.claims.get(yes.claim.uid);
  if (kept === null || kept.sinceTick >= yes.arrivedTick) return;
  const { allocation, parameters } = kept.value;
  const devices: readonly Omit<ClaimDevice, "conditions">[] = allocation?.node === api.node ? allocation.devices : [];
  const allocated = new Set(devices.map(deviceKey));
  const given = new Set(yes.given.map(deviceKey));
  for (const key of given) if (!allocated.has(key)) tools.violate(NAME, `${key} is given, and ${yes.claim.name} is not allocated it`);
  for (const key of allocated) if (!given.has(key)) tools.violate(NAME, `${yes.claim.name} is allocated ${key}, and is not given it`);
  if (devices.some(({ adminAccess }) => adminAccess)) tools.violate(NAME, `${yes.claim.name} asks for admin access`);
  if (parameters.length > 0) tools.violate(NAME, `${yes.claim.name} has parameters`);
}

/** The claim's file is in place before the answer, gives that very device, and no other claim of this boot has it. */
function checkFile({ tools, folder, yes }: Preparation, address: string): void {
  const { host, shape } = tools.world;
  const bootId = `boot-${host.bootId}`;
  const has = (devices: readonly PreparedDevice[]): PreparedDevice | undefined => devices.find((one) => one.address === address);
  const own = folder.inPlace.find(({ file }) => file.uid === yes.claim.uid && file.bootId === bootId)?.file;
  const named = has(own?.devices ?? []);
  if (named === undefined) tools.violate(NAME, `${address}: no claim file of this boot gives it`);
  const fn = host.find(address);
  const isStale = named !== undefined && fn !== null && fn.node.sinceTick < yes.arrivedTick && named.node !== fn.node.value;
  if (isStale && !shape.isSimulated) tools.violate(NAME, `${address}: it is ${fn.node.value}, and its claim file gives ${named.node}`);
  for (const { file } of folder.files.values()) {
    const isOther = file.uid !== yes.claim.uid && file.bootId === bootId && has(file.devices) !== undefined;
    if (isOther) tools.violate(NAME, `${address}: claim ${file.name} has it`);
  }
}
