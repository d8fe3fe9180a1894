// SPDX-License-Identifier: Apache-2.0

/**
 * What DRA is to be told of this node: a projection of the gate's verdicts, one pool for each host bridge. A device whose gate is open is listed. One whose
 * gate is closed leaves its slice when nobody has it; allocated or held it stays, with a taint, because to a scheduler a device that is gone has given back
 * what it consumed. Pure.
 */
import { compareAddress } from "../address.ts";
import type { Address, PciFunction } from "../device.ts";
import type { Verdict } from "../gate/inputs.ts";
import type { Ground } from "../ground.ts";
import type { Intent } from "../intent.ts";
import type { Memory } from "../memory.ts";
import type { DeviceReason } from "../reason.ts";
import { slotOwnerOf } from "../slot.ts";
import type { NodeView } from "../view.ts";
import { attributesOf, PCI_ADDRESS } from "./attributes.ts";
import { addressOf, claimedDevices, filesOfBoot, listedDevices } from "./holds.ts";
import { DRA_DRIVER, LINK_FAILED_TAINT, poolName, WITHHELD_TAINT } from "./names.ts";
import type { DeviceTaint, Pool, PoolDevice } from "./pool.ts";
import { streamsOf, streamsTakenBy } from "./stream-counter.ts";

export interface PoolInputs {
  readonly node: string;
  readonly intent: Intent | null;
  readonly ground: Ground;
  readonly memory: Memory;
  /** Of the functions that a resource of DRA takes, and of all that are held. */
  readonly verdicts: readonly Verdict[];
  /** What this process asked for last; null: nothing yet, and slices tell what an earlier one did. */
  readonly asked: readonly Pool[] | null;
  /** RFC 3339. */
  readonly nowIso: string;
}

export function poolsFrom(inputs: PoolInputs): readonly Pool[] {
  const { node, ground } = inputs;
  const claimed = new Set(claimedDevices(ground.view).keys());
  const shown = listedDevices(ground.view);
  const { dra } = ground.view;
  const areTaintsDropped = dra?.slices.kind === "Read" && dra.slices.value.dropped.includes("taints");
  // Slices show what is asked for later: who looked before and who looked after would each put its own in the other's place, without end.
  const places = placesOf(ground.view, inputs.asked ?? []);
  const last = inputs.asked?.flatMap(({ devices }) => devices) ?? shown;
  const tainted = new Map(last.map(({ address, taints }) => [address, taints]));
  const entries = inputs.verdicts.flatMap((verdict) => {
    const { address } = verdict;
    const pool = poolOf(node, ground.functions.get(address), places.get(address));
    const taints = taintsOf(verdict, inputs, { isClaimed: claimed.has(address), before: tainted.get(address) ?? [], areTaintsDropped });
    return pool === null || taints === null ? [] : [{ pool, verdict, taints }];
  });
  const taken = streamsTakenBy(
    ground,
    entries.map(({ verdict }) => verdict.address),
    claimed,
  );
  return [...Map.groupBy(entries, ({ pool }) => pool)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, on]) => {
      const devices = on
        .map(({ verdict, taints }) => deviceOf(verdict, taints, inputs, taken))
        .toSorted((a, b) => compareAddress(a.owner, b.owner) || compareAddress(a.address, b.address));
      const streams = streamsOf(inputs, devices, claimed);
      // A device that takes of a counter that is not there makes the whole pool unusable.
      return { name, streams, devices: streams === null ? devices.map((device) => ({ ...device, streams: 0 as const })) : devices };
    });
}

/** In which pool each device was: as claims have it, else as this process asked for last, else as slices show. */
function placesOf(view: NodeView, asked: readonly Pool[]): ReadonlyMap<Address, string> {
  const claims = view.dra?.claims.kind === "Read" ? view.dra.claims.value : [];
  return new Map([
    ...listedDevices(view).map(({ address, pool }) => [address, pool] as const),
    ...asked.flatMap(({ name, devices }) => devices.map(({ address }) => [address, name] as const)),
    ...filesOfBoot(view).flatMap(({ devices }) => devices.map(({ address, pool }) => [address, pool] as const)),
    ...claims.flatMap(({ devices }) => devices.map((device) => [addressOf(device) ?? "", device.pool] as const)),
  ]);
}

/** One that left the bus stays where it was; one whose host bridge is not known counts streams with nobody. */
function poolOf(node: string, fn: PciFunction | undefined, place: string | undefined): string | null {
  if (fn === undefined) return place ?? null;
  return poolName(node, fn.hostBridge ?? "unknown");
}

/** Null: it is not listed. */
function taintsOf(
  verdict: Verdict,
  { ground, memory, nowIso }: PoolInputs,
  {
    isClaimed,
    before,
    areTaintsDropped,
  }: { readonly isClaimed: boolean; readonly before: readonly DeviceTaint[]; readonly areTaintsDropped: boolean },
): readonly DeviceTaint[] | null {
  const { address, offered, reason, resource } = verdict;
  const isDras = resource?.ledger === "DRA";
  const fn = ground.functions.get(address);
  const failed = memory.linkTaints.standing.get(fn === undefined ? address : slotOwnerOf(fn));
  if (isDras && offered) return failed === undefined ? [] : [failed];
  // Free or not, so that the taint is there for the agent that comes next.
  if (isDras && failed !== undefined && !areTaintsDropped && isOpenButForLink(verdict)) return [failed];
  const isHeld = memory.holds.get(address)?.resource === DRA_DRIVER;
  // Where the API server keeps no taints, what nobody is allocated would be free to a scheduler.
  if (!isClaimed && (!isHeld || areTaintsDropped)) return null;
  const value = offered ? "LedgerSwitching" : reason;
  const key = isLinkFailed(reason) ? LINK_FAILED_TAINT : WITHHELD_TAINT;
  const since = before.find((one) => one.key === key && one.value === value);
  const taint: DeviceTaint = { key, value, effect: "NoSchedule", timeAdded: since?.timeAdded ?? nowIso };
  if (failed === undefined) return [taint];
  return key === LINK_FAILED_TAINT ? [failed] : [taint, failed];
}

/** Nothing else is wrong with it than that its link could not be secured. */
function isOpenButForLink({ reason, rules }: Verdict): boolean {
  return isLinkFailed(reason) && rules.every((rule) => rule.passed || isLinkFailed(rule.reason));
}

function isLinkFailed(reason: DeviceReason): boolean {
  return reason === "AuthenticationFailed" || reason === "LinkFailed";
}

function deviceOf(
  { address, resource }: Verdict,
  taints: readonly DeviceTaint[],
  { ground, intent }: PoolInputs,
  taken: ReadonlyMap<Address, 0 | 1>,
): PoolDevice {
  const fn = ground.functions.get(address);
  return {
    address,
    owner: fn === undefined ? address : slotOwnerOf(fn),
    attributes: fn === undefined ? { [PCI_ADDRESS]: address } : attributesOf(fn, { resource: resource?.name ?? "", simulated: isSimulated(ground) }),
    streams: taken.get(address) ?? 1,
    taints,
    bindsWhenSecured: intent?.link.enable === "OnPrepare",
  };
}

function isSimulated({ view: { driver } }: Ground): boolean | null {
  return driver.kind === "Read" ? driver.value.info.simulated : null;
}
