// SPDX-License-Identifier: Apache-2.0
import type { ForeignDevice, SlicesPort, SlicesView } from "../../../src/cluster/dra/port.ts";
import { DRA_DRIVER, draDeviceName } from "../../../src/domain/dra/names.ts";
import type { Pool } from "../../../src/domain/dra/pool.ts";
import { poolsProblem } from "../../../src/domain/dra/slices.ts";
import type { Reading } from "../../../src/domain/view.ts";
import { AppError, isAppError, messageOf } from "../../../src/runtime/errors.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { DraApi } from "./dra-api.ts";
import { DROPPABLE, type Droppable, isOurs, keptOf, listedOf, lostOf, type StoredPool } from "./dra-objects.ts";
import type { Kept, Watch } from "./dra-stored.ts";

/** After a write that failed. */
const AGAIN_MS = 1_000;

/** One write: null deletes the pool. */
interface Write {
  readonly name: string;
  readonly seen: Kept<StoredPool> | null;
  readonly next: StoredPool | null;
}

/** The slices of the node as one agent process has them: its watch, and one write after the other until they are as they are to be. */
export class NodeSlices implements SlicesPort {
  readonly #api: DraApi;
  readonly #from: { readonly process: number; readonly turnstile: Turnstile };
  readonly watch: Watch<StoredPool>;
  readonly #listeners = new Set<() => void>();
  #wanted: readonly Pool[] | null = null;
  /** Devices of earlier pools of which a write may be without an answer. */
  #before: readonly string[] = [];
  /** Fields that an answer has shown not to be kept, until one shows them kept or the slices are listed anew: what was not sent says nothing. */
  #dropped: ReadonlySet<string> = new Set();
  #isWriting = false;
  #problem = "";

  constructor(api: DraApi, process: number, turnstile: Turnstile) {
    this.#api = api;
    this.#from = { process, turnstile };
    this.watch = api.pools.watch(process, api.slicesLagMs);
    this.watch.onChange(() => {
      this.#tell();
      this.#work();
    });
    this.watch.onList(() => {
      this.#dropped = new Set();
      this.#tell();
      this.#work();
    });
  }

  publish(pools: readonly Pool[] | null): void {
    if (JSON.stringify(pools) === JSON.stringify(this.#wanted)) return;
    this.#before = this.#isWriting ? [...this.#before, ...addressesOf(this.#wanted)] : [];
    this.#wanted = pools;
    this.#tell();
    this.#work();
  }

  current(): Reading<SlicesView> | null {
    if (this.watch.problem !== "") return { kind: "Unreadable", why: this.watch.problem };
    const seen = this.#seen();
    if (seen === null) return null;
    const pools = seen.map(({ value }) => value);
    const value = {
      listed: pools.filter(isOurs).flatMap(listedOf),
      asked: [...new Set([...addressesOf(this.#wanted), ...(this.#isWriting ? this.#before : [])])].sort(),
      foreign: pools.filter((one) => !isOurs(one)).flatMap(foreignIn),
      dropped: [...this.#dropped].sort(),
      withdrawn: poolsProblem(this.#wanted ?? []),
      asPublished: this.#wanted !== null && !this.#isWriting && this.#next() === null,
      problem: this.#problem,
    };
    return { kind: "Read", value };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #seen(): readonly Kept<StoredPool>[] | null {
    const items = this.watch.get();
    return items && [...items.values()].filter(({ value }) => value.node === this.#api.node).sort((a, b) => compare(a.value, b.value));
  }

  /** The first thing to write; null: nothing, or it is not known yet what there is. */
  #next(): Write | null {
    const { node } = this.#api;
    // What is known to be dropped is left out.
    const drops = this.#known();
    const seen = this.#seen()?.filter(({ value }) => isOurs(value)) ?? null;
    if (this.#wanted === null || seen === null) return null;
    const gone = seen.find(({ value }) => !this.#wanted?.some(({ name }) => name === value.pool.name));
    if (gone !== undefined) return { name: gone.value.pool.name, seen: gone, next: null };
    for (const pool of this.#wanted) {
      const now = seen.find(({ value }) => value.pool.name === pool.name) ?? null;
      const next = towards(now?.value ?? null, { driver: DRA_DRIVER, node, pool: keptOf(pool, drops), isWhole: true });
      if (next !== null) return { name: pool.name, seen: now, next };
    }
    return null;
  }

  #work(): void {
    const write = this.#next();
    if (this.#isWriting || write === null || this.watch.problem !== "") return;
    this.#isWriting = true;
    const ended = (problem: string): void => {
      this.#isWriting = false;
      this.#problem = problem;
      this.#tell();
      this.#work();
    };
    this.#api
      .request(this.#from, "slices.write", "slices.write.answer", () => this.#store(write))
      .then(
        ({ kept, revision }) => {
          if (write.next !== null) this.#noteDropped(write.next.pool);
          this.watch.answered(keyOf(write.name), kept, revision);
          ended("");
        },
        (thrown: unknown) => {
          if (!isAppError(thrown)) throw thrown;
          this.#problem = messageOf(thrown);
          this.#tell();
          this.#api.time.after(this.#from.process, AGAIN_MS, () => ended(this.#problem));
        },
      );
  }

  /** As the agent knows them. */
  #known(): ReadonlySet<Droppable> {
    return new Set(DROPPABLE.filter((field) => this.#dropped.has(field) || (field === "consumesCounters" && this.#dropped.has("sharedCounters"))));
  }

  #noteDropped(sent: Pool): void {
    const all = lostOf([sent], new Set(DROPPABLE));
    this.#dropped = new Set([...[...this.#dropped].filter((field) => !all.includes(field)), ...lostOf([sent], this.#api.drops)]);
  }

  /** By the resource version that was seen: what somebody else wrote or deleted meanwhile is a conflict. */
  #store({ name, seen, next }: Write): { readonly kept: Kept<StoredPool> | null; readonly revision: number } {
    const { pools, isRefusing, drops } = this.#api;
    if (isRefusing) throw new AppError("API_REFUSED", "resourceslices is forbidden");
    const now = pools.get(keyOf(name));
    if (now?.revision !== seen?.revision) throw new AppError("API_REFUSED", "409: the object has been modified");
    const kept = next === null ? null : pools.put(keyOf(name), { ...next, pool: keptOf(next.pool, drops) });
    if (next === null) pools.delete(keyOf(name));
    return { kept, revision: pools.state.revision };
  }
}

export function keyOf(pool: string, driver: string = DRA_DRIVER): string {
  return `${driver}/${pool}`;
}

/**
 * The next write towards `wanted`: counters and devices are slices of their own, so that a change of both is two writes, and the pool is not whole in
 * between. Taints and whatever else is only in the devices are one.
 */
function towards(now: StoredPool | null, wanted: StoredPool): StoredPool | null {
  if (JSON.stringify(now) === JSON.stringify(wanted)) return null;
  if (now === null) return wanted.pool.streams === null ? wanted : { ...wanted, pool: { ...wanted.pool, devices: [] }, isWhole: false };
  const isCounterNew = now.pool.streams !== wanted.pool.streams;
  const areDevicesNew = JSON.stringify(now.pool.devices) !== JSON.stringify(wanted.pool.devices);
  return isCounterNew && areDevicesNew ? { ...wanted, pool: { ...wanted.pool, devices: now.pool.devices }, isWhole: false } : wanted;
}

function addressesOf(pools: readonly Pool[] | null): readonly string[] {
  return (pools ?? []).flatMap(({ devices }) => devices.map(({ address }) => address));
}

function foreignIn({ driver, pool }: StoredPool): readonly ForeignDevice[] {
  return pool.devices.map(({ address }) => ({ driver, pool: pool.name, device: draDeviceName(address), address }));
}

function compare(a: StoredPool, b: StoredPool): number {
  const [one, other] = [keyOf(a.pool.name, a.driver), keyOf(b.pool.name, b.driver)];
  return one < other ? -1 : one > other ? 1 : 0;
}
