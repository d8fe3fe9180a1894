// SPDX-License-Identifier: Apache-2.0

/**
 * offer: makes kubelet's lists and the CDI specs match. Specs before lists when devices appear, lists before specs when they go: no container is
 * ever given a name that does not resolve. What may be listed and named is asked at the moment of listing and writing, never taken from a pass that
 * began earlier.
 */
import type { Address } from "../domain/device.ts";
import type { OfferedResource } from "../domain/offer.ts";
import type { SpecProof } from "../domain/proofs.ts";
import { addressOfSpec, NO_SPECS, resourceOfSpec, type SpecsInPlace } from "../domain/specs.ts";
import type { CdiOutcome, CdiResource, DevicePluginPort } from "../kubelet/port.ts";
import { deviceEnv, deviceNodesOf } from "./handlers.ts";
import type { AgentPorts } from "./ports.ts";
import { shareReads } from "./shared-read.ts";

/** CDI names that may be in place now, with the node that each must give. */
export interface WantedSpecs {
  readonly specs: ReadonlyMap<string, SpecProof>;
  /** SEAMCALLs are answered by a simulator: said in every container. */
  readonly simulated: boolean;
}

export interface Publisher {
  /** Makes the spec files match what is wanted when the work begins, which is after this call. Never rejects: a failure is a value, and withholds. */
  syncSpecs(): Promise<SpecsInPlace>;
  /** As the last sync left them. */
  specs(): SpecsInPlace;
  /** Specs differ from what is wanted now. */
  mustSyncSpecs(): boolean;
  /** Lists exactly `offer`. */
  list(offer: readonly OfferedResource[]): void;
  /** Takes away what `offer` does not have; adds nothing. */
  withdraw(offer: readonly OfferedResource[]): void;
  /** Removes all specs. Never rejects. */
  end(): Promise<void>;
}

export interface PublisherOptions {
  readonly plugins: DevicePluginPort | null;
  /** A simulated host: it has no device nodes to give. */
  readonly simulatedHost: boolean;
  readonly wanted: () => WantedSpecs;
}

export function createPublisher(ports: Pick<AgentPorts, "cdi" | "log">, options: PublisherOptions): Publisher {
  const { plugins, simulatedHost } = options;
  let listed: readonly OfferedResource[] = [];
  let inPlace: SpecsInPlace = { ...NO_SPECS, isServed: ports.cdi !== null };
  let isEnded = false;
  /** What a sync that is under way puts in place. */
  let writing: ReadonlyMap<string, SpecProof> | null = null;
  const list = (offer: readonly OfferedResource[]): void => {
    listed = offer;
    plugins?.publish(offer);
  };
  const wantedNow = (): WantedSpecs => (isEnded ? { ...options.wanted(), specs: new Map() } : options.wanted());

  const sync = shareReads(async () => {
    if (!ports.cdi) return inPlace;
    const wanted = wantedNow();
    writing = wanted.specs;
    const outcome = await ports.cdi.sync(cdiResources(wanted, simulatedHost));
    writing = null;
    if (outcome.problem) ports.log.warn({ err: outcome.problem }, "cdi specs are not as they should be");
    inPlace = specsAfter(outcome, wanted.specs, simulatedHost);
    return inPlace;
  });

  return {
    syncSpecs: sync,
    specs: () => inPlace,
    mustSyncSpecs: () =>
      inPlace.isServed && (inPlace.problem !== "" || !isSame(writing === null ? inPlace : { ...inPlace, proven: writing }, wantedNow().specs)),
    list,
    withdraw: (offer) => list(onlyIn(listed, offer)),
    async end() {
      isEnded = true;
      await sync();
    },
  };
}

/** `offer` without what `other` does not have: neither its devices nor their health. */
function onlyIn(offer: readonly OfferedResource[], other: readonly OfferedResource[]): readonly OfferedResource[] {
  return offer.map(({ resource, devices }) => {
    const kept = new Map(other.find((one) => one.resource === resource)?.devices.map((device) => [device.id, device.healthy]));
    const left = devices.filter((device) => kept.has(device.id));
    return { resource, devices: left.map((device) => ({ ...device, healthy: device.healthy && kept.get(device.id) === true })) };
  });
}

function isSame({ proven, stale }: SpecsInPlace, wanted: ReadonlyMap<string, SpecProof>): boolean {
  if (stale.size > 0 || proven.size !== wanted.size) return false;
  return [...wanted].every(([name, { node, epoch }]) => proven.get(name)?.node === node && proven.get(name)?.epoch === epoch);
}

/** What is in place and as wanted is proven; whatever else is in place should be gone. */
function specsAfter({ problem, inPlace, unreadable }: CdiOutcome, wanted: ReadonlyMap<string, SpecProof>, simulatedHost: boolean): SpecsInPlace {
  const isAsWanted = (name: string, nodes: readonly string[]): boolean =>
    wanted.has(name) && nodes.join() === deviceNodesOf(wanted.get(name)?.node ?? null, simulatedHost).join();
  const proven = new Map([...wanted].filter(([name]) => inPlace.has(name) && isAsWanted(name, inPlace.get(name) ?? [])));
  const stale = new Set([...inPlace.keys()].filter((name) => !proven.has(name)));
  return { isServed: true, problem: problem?.message ?? "", proven, stale, unreadable };
}

/** A device without a node and without environment has nothing that a spec could say. */
function cdiResources({ specs, simulated }: WantedSpecs, simulatedHost: boolean): readonly CdiResource[] {
  const env = deviceEnv(simulated);
  const byResource = new Map<string, { id: Address; deviceNodes: readonly string[]; env: typeof env }[]>();
  for (const [name, { node }] of [...specs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const device = { id: addressOfSpec(name), deviceNodes: deviceNodesOf(node, simulatedHost), env };
    if (device.deviceNodes.length === 0 && Object.keys(env).length === 0) continue;
    const resource = resourceOfSpec(name);
    byResource.set(resource, [...(byResource.get(resource) ?? []), device]);
  }
  return [...byResource].map(([resource, devices]) => ({ resource, devices }));
}
