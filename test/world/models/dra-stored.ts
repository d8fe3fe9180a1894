// SPDX-License-Identifier: Apache-2.0
import type { Fact } from "./fact.ts";
import type { WorldTime } from "./world-time.ts";

/** An object as of one write. `revision` is its resource version: it grows with every write of anything of its kind. */
export interface Kept<T> {
  readonly revision: number;
  /** Number of what had happened when it was written. */
  readonly sinceTick: number;
  readonly sinceMs: number;
  readonly value: T;
}

/** All objects of a kind at one moment, by key. */
export interface Snapshot<T> {
  readonly revision: number;
  readonly items: ReadonlyMap<string, Kept<T>>;
}

/** What the API server keeps of one kind: the truth, which a quorum read gives. */
export class Stored<T> {
  readonly #time: WorldTime;
  readonly #isReachable: Fact<boolean>;
  readonly #watches = new Set<Watch<T>>();
  state: Snapshot<T> = { revision: 1, items: new Map() };

  constructor(time: WorldTime, isReachable: Fact<boolean>) {
    this.#time = time;
    this.#isReachable = isReachable;
  }

  get(key: string): Kept<T> | null {
    return this.state.items.get(key) ?? null;
  }

  put(key: string, value: T): Kept<T> {
    const kept = { revision: this.state.revision + 1, sinceTick: this.#time.tick + 1, sinceMs: this.#time.nowMs, value };
    this.#set(new Map(this.state.items).set(key, kept));
    return kept;
  }

  /** False: it was not there. */
  delete(key: string): boolean {
    const items = new Map(this.state.items);
    if (!items.delete(key)) return false;
    this.#set(items);
    return true;
  }

  /** `owner`: the process whose watch it is, or WORLD. Its first list, and each event, comes `lagMs` later. */
  watch(owner: number, lagMs: number): Watch<T> {
    const watch = new Watch<T>({ time: this.#time, owner, newest: () => (this.#isReachable.value ? this.state : null) }, lagMs);
    this.#watches.add(watch);
    return watch;
  }

  forget(owner: number): void {
    for (const watch of this.#watches) if (watch.owner === owner) this.#watches.delete(watch);
  }

  /** The API server went away, or came back: connections break, and are made again with a new list. */
  reachChanged(): void {
    for (const watch of this.#watches) watch.relist();
  }

  #set(items: Snapshot<T>["items"]): void {
    this.#time.tick += 1;
    this.state = { revision: this.state.revision + 1, items };
    for (const watch of this.#watches) watch.hear(this.state);
  }
}

interface WatchParts<T> {
  readonly time: WorldTime;
  readonly owner: number;
  /** Null: it cannot be reached. */
  readonly newest: () => Snapshot<T> | null;
}

/** One watcher's picture: behind by a lag of its own, but for what it wrote and was answered itself. */
export class Watch<T> {
  readonly owner: number;
  readonly #parts: WatchParts<T>;
  readonly #listeners = new Set<() => void>();
  readonly #listListeners = new Set<() => void>();
  /** Answers to its own writes that are newer than what the watch has shown; null: deleted. */
  readonly #answers = new Map<string, { readonly revision: number; readonly kept: Kept<T> | null }>();
  #seen: Snapshot<T> | null = null;
  /** Why it could not be listed; empty: it could. */
  problem = "";
  lagMs: number;
  isHeld = false;

  constructor(parts: WatchParts<T>, lagMs: number) {
    this.#parts = parts;
    this.owner = parts.owner;
    this.lagMs = lagMs;
    this.relist();
  }

  /** Null before its first list. */
  get(): ReadonlyMap<string, Kept<T>> | null {
    if (this.#seen === null) return null;
    const items = new Map(this.#seen.items);
    for (const [key, { kept }] of this.#answers) {
      if (kept === null) items.delete(key);
      else items.set(key, kept);
    }
    return items;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A whole new list has come, after its start or a broken connection. */
  onList(listener: () => void): void {
    this.#listListeners.add(listener);
  }

  /** Its own write of `key` was answered with `kept`; null: it deleted it, at `revision`. */
  answered(key: string, kept: Kept<T> | null, revision: number): void {
    if (this.#seen !== null && revision > this.#seen.revision) this.#answers.set(key, { revision, kept });
    this.#tell();
  }

  hear(state: Snapshot<T>): void {
    this.#parts.time.after(this.owner, this.lagMs, () => {
      if (this.#seen !== null && !this.isHeld && this.problem === "" && this.#parts.newest() !== null) this.#show(state);
    });
  }

  /** A new list, after a 410 or a broken connection: events in between are never seen. */
  relist(): void {
    this.#parts.time.after(this.owner, this.lagMs, () => {
      const newest = this.#parts.newest();
      const { problem } = this;
      this.problem = newest === null ? "connection refused" : "";
      if (newest !== null && !this.isHeld) {
        this.#show(newest);
        for (const listener of [...this.#listListeners]) listener();
      }
      if (problem !== this.problem) this.#tell();
    });
  }

  /** While it is held nothing new arrives, and nobody is told why; then everything at once. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (!isHeld) this.relist();
  }

  #show(state: Snapshot<T>): void {
    if (this.#seen !== null && state.revision <= this.#seen.revision) return;
    this.#seen = state;
    for (const [key, { revision }] of this.#answers) if (revision <= state.revision) this.#answers.delete(key);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
