// SPDX-License-Identifier: Apache-2.0

/** What a history has been through of DRA, looked for after each step: only what was there at the end of one is seen. */
import { addressOfDraDevice, LINK_FAILED } from "../../../src/domain/dra/names.ts";
import type { DraWorld } from "../life/dra-world.ts";
import type { World } from "../life/world.ts";
import { isOurs } from "../models/dra-objects.ts";

/** How often a hundred histories must at least have met each. A third of what they do, so that other dice do not make it fail. */
export const DRA_FLOORS = {
  /** Pods whose container ran with devices of its claims. */
  ran: 8,
  /** Claims that kubelet had in its checkpoint, and has no more. */
  unprepared: 10,
  /** Claims that the agent said of that their link failed. */
  linkFailed: 0.4,
  /** Kubelet deleted slices of ours. */
  wiped: 10,
  /** Pools that were listed again after that. */
  back: 10,
  /** Devices that were in kubelet's list, and then free in a slice. */
  toDra: 0.6,
  toPlugin: 2,
  voided: 3,
  /** Claims whose preparation met a device that another claim had not been unprepared of, or that an ended pod's VM had open still. */
  metClaim: 0.1,
  metVm: 0.1,
} as const;
export type DraEvent = keyof typeof DRA_FLOORS;

export class DraSeen {
  readonly #seen: Readonly<Record<DraEvent, Set<string>>>;
  readonly #known = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #ledgers = new Map<string, "toDra" | "toPlugin">();
  #pools: ReadonlySet<string> = new Set();
  #wipes = 0;

  constructor() {
    const names = Object.keys(DRA_FLOORS) as DraEvent[];
    this.#seen = Object.fromEntries(names.map((name) => [name, new Set<string>()])) as Record<DraEvent, Set<string>>;
  }

  get counts(): Readonly<Record<DraEvent, number>> {
    return Object.fromEntries(Object.entries(this.#seen).map(([name, found]) => [name, found.size])) as Record<DraEvent, number>;
  }

  look(world: World): void {
    const { dra, time } = world;
    if (dra === null) return;
    this.#lookAtClaims(dra);
    this.#lookAtCalls(dra);
    this.#lookAtPools(dra);
    for (const [address, ledger] of ledgersOf(world, dra)) {
      const before = this.#ledgers.get(address);
      this.#ledgers.set(address, ledger);
      if (before !== undefined && before !== ledger) this.#seen[ledger].add(`${address} ${time.nowMs}`);
    }
  }

  #lookAtClaims({ api, kubelet, folder }: DraWorld): void {
    for (const pod of api.pods) {
      if (pod.stage === "Running") this.#seen.ran.add(pod.uid);
    }
    for (const { value } of api.claims.state.items.values()) {
      const isFailed = value.conditions.some(({ conditions }) => conditions.some(({ type, status }) => type === LINK_FAILED && status === "True"));
      if (isFailed) this.#seen.linkFailed.add(value.uid);
    }
    for (const { file } of folder.files.values()) if (file.isVoid) this.#seen.voided.add(file.uid);
    for (const uid of this.#known) if (!kubelet.known.includes(uid)) this.#seen.unprepared.add(uid);
    for (const uid of kubelet.known) this.#known.add(uid);
  }

  #lookAtCalls(dra: DraWorld): void {
    const { api, kubelet, folder } = dra;
    for (const uid of kubelet.plugin?.publication().inCalls ?? []) {
      for (const { device } of api.claims.get(uid)?.value.allocation?.devices ?? []) {
        const address = addressOfDraDevice(device) ?? "";
        const other = [...folder.files.values()].find(({ file }) => file.uid !== uid && file.devices.some((one) => one.address === address));
        if (other !== undefined) this.#seen.metClaim.add(uid);
        else if (dra.openers(address).some(({ claimUids }) => !claimUids.includes(uid))) this.#seen.metVm.add(uid);
      }
    }
  }

  #lookAtPools({ api, kubelet }: DraWorld): void {
    const pools = new Set([...api.pools.state.items].filter(([, { value }]) => isOurs(value)).map(([key]) => key));
    const { length: wipes } = kubelet.wipedMs;
    // Whoever is quick has it back within the same step.
    const deleted = wipes > this.#wipes ? [...this.#pools] : [];
    this.#wipes = wipes;
    for (const key of deleted) {
      this.#lost.add(key);
      this.#seen.wiped.add(`${key} ${wipes}`);
    }
    for (const key of [...this.#lost].filter((one) => pools.has(one))) {
      this.#lost.delete(key);
      this.#seen.back.add(`${key} ${wipes}`);
    }
    this.#pools = pools;
  }
}

/** In which ledger somebody may be given each device; nothing of those that nobody may. */
function ledgersOf({ kubelet }: World, { api }: DraWorld): ReadonlyMap<string, "toDra" | "toPlugin"> {
  const listed = [...kubelet.endpoints.keys()].flatMap((resource) => kubelet.healthy(resource));
  const pools = [...api.pools.state.items.values()].map(({ value }) => value).filter(isOurs);
  const open = pools.flatMap(({ pool }) => pool.devices).filter(({ taints }) => taints.length === 0);
  return new Map([...listed.map((id) => [id, "toPlugin"] as const), ...open.map(({ address }) => [address, "toDra"] as const)]);
}
