// SPDX-License-Identifier: Apache-2.0

/**
 * The ledger of DRA: pools of devices for the API server's ResourceSlices, claims that kubelet has prepared, and their files. What is published is a
 * projection of the gate's verdicts, as with the device plugin's lists; what is allocated stays listed with a taint, because a scheduler takes what a device
 * that is gone consumed for free.
 */
import type { Address } from "../domain/device.ts";
import { claimedDevices } from "../domain/dra/holds.ts";
import { DRA_DRIVER, draDeviceName } from "../domain/dra/names.ts";
import { orphanedFiles } from "../domain/dra/orphaned-files.ts";
import type { Pool } from "../domain/dra/pool.ts";
import { poolsFrom } from "../domain/dra/pools.ts";
import type { DraPublication } from "../domain/dra/view.ts";
import { judge } from "../domain/gate/gate.ts";
import type { Verdict } from "../domain/gate/inputs.ts";
import { unitFacts } from "../domain/ground.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { DriverView, Reading } from "../domain/view.ts";
import type { DeviceHealth, DraPluginPort } from "../kubelet/dra/port.ts";
import type { RunAgain } from "../runtime/jobs.ts";
import { tellClaims } from "./claim-conditions.ts";
import { createClaimKeeper } from "./claim-keeper.ts";
import { type ClaimParts, createClaimHandlers } from "./claims.ts";
import type { Newest } from "./newest.ts";
import { gateOn, type News } from "./pass.ts";
import type { AgentPorts, DraPorts } from "./ports.ts";
import type { Wanted } from "./state.ts";

export interface AgentDra {
  publication(): DraPublication;
  /** From now on kubelet may ask. */
  serve(): void;
  /** Publishes what the pass would list and the newest readings allow. Never more than the pass. */
  list(pass: Wanted, news: News): void;
  /** Claim files are not as they should be by now. */
  mustSync(): boolean;
  /** Makes them so, and removes those of claims that nothing knows any more. */
  sync(): Promise<RunAgain | undefined>;
  /** Tells claims whose pods wait to be bound what became of their links. */
  tell(): Promise<RunAgain | undefined>;
  onChange(listener: () => void): () => void;
  /** Empties the pools and ends the plugin. Repeatable. */
  close(): Promise<void>;
}

export interface DraParts extends Omit<ClaimParts, "dra" | "files"> {
  readonly ports: Pick<AgentPorts, "clock" | "host" | "intent" | "log">;
  readonly dra: DraPorts;
  readonly newest: Pick<Newest, "driver">;
  readonly news: () => News;
  readonly nowIso: () => string;
  /** Told of the devices that are free to be given away, before the API server is. */
  readonly onList: (offered: OfferedResource) => void;
}

const AGAIN_MS = 2_000;
/** One slice after the other; kubelet gives a pod longer. */
const EMPTY_WITHIN_MS = 5_000;

export function createDra(parts: DraParts): AgentDra {
  const { ports, dra, state } = parts;
  const keeper = createClaimKeeper(dra.files, ports, {
    gate: () => state.pass && gateOn(state.pass, parts.news()),
    epochs: () => epochsOf(parts.newest.driver()),
    bootId: () => ports.host.bootId(),
  });
  let asked: readonly Pool[] | null = null;
  const plugin: DraPluginPort = dra.plugin(createClaimHandlers({ ...parts, files: keeper }));

  return {
    publication: () => plugin.publication(),
    serve: () => plugin.serve(),
    list(pass, news) {
      // What the slices of an earlier process say of failed links is read before anything is written over it.
      if (news.memory.linkTaints.found === null) return;
      const verdicts = verdictsBy(pass, news);
      const { intent, memory } = news;
      const pools = poolsFrom({ node: dra.node, intent, ground: pass.ground, memory, verdicts, asked, nowIso: parts.nowIso() });
      asked = pools;
      parts.onList(offeredBy(pools));
      dra.slices.publish(pools);
      plugin.health(healthOf(pools, new Map(verdicts.map((verdict) => [verdict.address, verdict]))));
    },
    mustSync: () => keeper.mustSync(),
    async sync() {
      const ground = state.pass?.ground ?? null;
      const { problem, removed } = await keeper.sync((files) => (ground === null ? [] : orphanedFiles(files, ground, state.memory)));
      for (const uid of removed) state.noteUnprepared(uid);
      return problem === "" ? undefined : { afterMs: AGAIN_MS };
    },
    tell: () => tellClaims(parts),
    onChange(listener) {
      const stops = [plugin.onChange(listener), dra.slices.onChange(listener), dra.claims.onChange(listener)];
      return () => stops.forEach((stop) => void stop());
    },
    async close() {
      parts.onList(offeredBy([]));
      dra.slices.publish([]);
      await Promise.all([plugin.close(), untilEmpty(parts)]);
    },
  };
}

/** Slices of a process that is gone stay until kubelet wipes them. An API server that does not answer is not waited for. */
async function untilEmpty({ dra: { slices }, ports }: DraParts): Promise<void> {
  const isEmpty = (): boolean => {
    const seen = slices.current();
    return seen?.kind !== "Read" || (seen.value.listed.length === 0 && seen.value.asked.length === 0);
  };
  if (isEmpty()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = ports.clock.after(EMPTY_WITHIN_MS, resolve);
  const stop = slices.onChange(() => {
    if (isEmpty()) resolve();
  });
  await promise;
  timer.stop();
  stop();
}

/** Devices that a scheduler may give away, under the driver's name. */
function offeredBy(pools: readonly Pool[]): OfferedResource {
  const free = pools.flatMap(({ devices }) => devices.filter(({ taints }) => taints.length === 0));
  return { resource: DRA_DRIVER, devices: free.map(({ address }) => ({ id: address, healthy: true, numaNode: null })), isQuiet: false };
}

/** Of the units that the table calls trusted. */
function epochsOf(driver: Reading<DriverView> | null): ReadonlySet<string> {
  return new Set(driver === null ? [] : [...unitFacts(driver).values()].flatMap(({ epoch }) => epoch ?? []));
}

/** What kubelet shows in the status of pods: devices that the gate is closed for. */
function healthOf(pools: readonly Pool[], verdicts: ReadonlyMap<Address, Verdict>): readonly DeviceHealth[] {
  return pools.flatMap(({ name, devices }) =>
    devices.map(({ address }): DeviceHealth => {
      const verdict = verdicts.get(address);
      const isOpen = verdict?.offered === true;
      const message = verdict === undefined || isOpen ? "" : `${verdict.reason}: ${verdict.message}`;
      return { pool: name, device: draDeviceName(address), health: isOpen ? "Healthy" : "Unhealthy", message };
    }),
  );
}

/** Verdicts on the devices that DRA offers, and on those that it has given to somebody, judged again by the newest readings. */
function verdictsBy(pass: Wanted, news: News): readonly Verdict[] {
  const gate = gateOn(pass, news);
  const claimed = claimedDevices(pass.ground.view);
  const isDras = ({ address, resource }: Verdict): boolean =>
    resource?.ledger === "DRA" || claimed.has(address) || news.memory.holds.get(address)?.resource === DRA_DRIVER;
  const missing = [...claimed.keys()].filter((address) => !pass.ground.functions.has(address) && !news.memory.holds.has(address));
  const verdicts = pass.verdicts.filter(isDras).map((verdict) => (verdict.offered ? judge(gate(verdict.address)) : verdict));
  return [...verdicts, ...missing.map((address) => judge(gate(address)))];
}
