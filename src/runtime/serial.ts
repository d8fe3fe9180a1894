// SPDX-License-Identifier: Apache-2.0

/**
 * Locks by key, for code in which every `await` lets another call in. Shared holders go together, an exclusive one goes alone; waiters are served
 * in the order in which they came, so that a stream of shared calls never starves an exclusive one. Not re-entrant. Nested keys are taken in
 * ascending order by a caller that needs two.
 */
export interface KeyedLocks {
  /** Runs `work` together with other shared work of `key`. Rejects as `work` does; the lock is given back in any case. */
  shared<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Runs `work` with nothing else of `key` running. */
  exclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Runs `work` now, or answers null at once when the key is taken. */
  tryExclusive<T>(key: string, work: () => Promise<T>): Promise<T> | null;
  /** Holders and waiters of `key` now. */
  load(key: string): { readonly shared: number; readonly exclusive: boolean; readonly waiting: number };
}

interface Waiter {
  readonly exclusive: boolean;
  readonly go: () => void;
}

interface KeyState {
  shared: number;
  exclusive: boolean;
  readonly waiting: Waiter[];
}

const FREE = { shared: 0, exclusive: false, waiting: 0 } as const;

export function createKeyedLocks(): KeyedLocks {
  const keys = new Map<string, KeyState>();

  const stateOf = (key: string): KeyState => {
    const known = keys.get(key);
    if (known) return known;
    const fresh: KeyState = { shared: 0, exclusive: false, waiting: [] };
    keys.set(key, fresh);
    return fresh;
  };

  const take = (key: string, exclusive: boolean): Promise<void> => {
    const state = stateOf(key);
    if (state.waiting.length === 0 && canEnter(state, exclusive)) {
      enter(state, exclusive);
      return Promise.resolve();
    }
    return new Promise((go) => state.waiting.push({ exclusive, go }));
  };

  const giveBack = (key: string, exclusive: boolean): void => {
    const state = stateOf(key);
    if (exclusive) state.exclusive = false;
    else state.shared -= 1;
    admit(state);
    if (state.shared === 0 && !state.exclusive && state.waiting.length === 0) keys.delete(key);
  };

  const run = async <T>(key: string, exclusive: boolean, work: () => Promise<T>): Promise<T> => {
    await take(key, exclusive);
    try {
      return await work();
    } finally {
      giveBack(key, exclusive);
    }
  };

  return {
    shared: (key, work) => run(key, false, work),
    exclusive: (key, work) => run(key, true, work),
    tryExclusive: (key, work) => (keys.has(key) ? null : run(key, true, work)),
    load(key) {
      const state = keys.get(key);
      return state ? { shared: state.shared, exclusive: state.exclusive, waiting: state.waiting.length } : FREE;
    },
  };
}

function canEnter(state: KeyState, exclusive: boolean): boolean {
  return !state.exclusive && (!exclusive || state.shared === 0);
}

function enter(state: KeyState, exclusive: boolean): void {
  if (exclusive) state.exclusive = true;
  else state.shared += 1;
}

/** Lets in waiters from the front as long as they fit: the lock is entered here, before the waiter's code runs, so no other caller slips in between. */
function admit(state: KeyState): void {
  for (let next = state.waiting[0]; next && canEnter(state, next.exclusive); next = state.waiting[0]) {
    state.waiting.shift();
    enter(state, next.exclusive);
    next.go();
  }
}

/** One thing at a time, in the order of the calls. */
export interface SerialQueue {
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Work running or waiting. */
  size(): number;
}

export function createSerialQueue(): SerialQueue {
  const locks = createKeyedLocks();
  return {
    run: (work) => locks.exclusive("", work),
    size() {
      const load = locks.load("");
      return load.waiting + (load.exclusive ? 1 : 0);
    },
  };
}
