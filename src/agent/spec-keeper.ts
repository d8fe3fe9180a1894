// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps the CDI specs as the gate says. Specs before lists when devices appear, lists before specs when they go: no container is ever given a name that
 * does not resolve. What may be named is asked at the moment of writing, never taken from a pass that began earlier.
 */
import type { Address } from "../domain/device.ts";
import type { SpecProof } from "../domain/proofs.ts";
import { addressOfSpec, NO_SPECS, resourceOfSpec, type SpecsInPlace } from "../domain/specs.ts";
import type { CdiOutcome, CdiResource } from "../kubelet/port.ts";
import { deviceEnv, deviceNodesOf } from "./given.ts";
import type { AgentPorts } from "./ports.ts";
import { shareReads } from "./shared-read.ts";

/** CDI names that may be in place now, with the node that each must give. */
export interface WantedSpecs {
  readonly specs: ReadonlyMap<string, SpecProof>;
  /** SEAMCALLs are answered by a simulator: said in every container. */
  readonly simulated: boolean;
}

export interface SpecKeeper {
  /** Makes the spec files match what is wanted when the work begins, which is after this call. Never rejects: a failure is a value, and withholds. */
  sync(): Promise<SpecsInPlace>;
  /** As the last sync left them. */
  inPlace(): SpecsInPlace;
  /** Specs differ from what is wanted now. */
  mustSync(): boolean;
  /** Removes all specs. Never rejects. */
  end(): Promise<void>;
}

export interface SpecKeeperOptions {
  /** A simulated host: it has no device nodes to give. */
  readonly simulatedHost: boolean;
  readonly wanted: () => WantedSpecs;
}

export function createSpecKeeper(ports: Pick<AgentPorts, "cdi" | "log">, options: SpecKeeperOptions): SpecKeeper {
  const { simulatedHost } = options;
  let inPlace: SpecsInPlace = { ...NO_SPECS, isServed: ports.cdi !== null };
  let isEnded = false;
  /** What a sync that is under way puts in place. */
  let writing: ReadonlyMap<string, SpecProof> | null = null;
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
    sync,
    inPlace: () => inPlace,
    mustSync: () =>
      inPlace.isServed && (inPlace.problem !== "" || !isSame(writing === null ? inPlace : { ...inPlace, proven: writing }, wantedNow().specs)),
    async end() {
      isEnded = true;
      await sync();
    },
  };
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
