// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "./clock.ts";
import { errnoOf } from "./errors.ts";

/** Where text goes, without ever waiting for a reader. */
export interface OutputFile {
  /** How many of the bytes were taken; 0 when the reader has to catch up first. @throws the errno of the system call that failed */
  write(bytes: Uint8Array): number;
}

/** An output that can neither end, nor freeze, nor slow its writer: what does not leave waits in a bounded buffer, what does not fit is dropped. */
export interface SteadyOutput {
  /** Takes the whole text or none of it; false: dropped. Never throws. */
  write(text: string): boolean;
  /** How many texts were dropped so far. */
  dropped(): number;
  /** Called when texts leave again after some were dropped, with their number. */
  onFlow(listener: (dropped: number) => void): void;
  /** Called once, when the reader is found to be gone for good (EPIPE). */
  onGone(listener: () => void): void;
  /** Resolves when everything has left, or after `ms`. */
  drain(ms: number): Promise<void>;
}

export interface SteadyOutputOptions {
  readonly file: OutputFile;
  readonly clock: Clock;
  /** Size of the buffer. */
  readonly maxBytes: number;
}

const FIRST_RETRY_MS = 5;
/** A reader that has been away for long may wait this long for the next text: an idle process must stay idle. */
const LAST_RETRY_MS = 1000;

export function createSteadyOutput({ file, clock, maxBytes }: SteadyOutputOptions): SteadyOutput {
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  let droppedSince = 0;
  /** The first of those that wait has left in part. */
  let isPartial = false;
  /** The rest of a text that left in part was lost: the next one begins a new line. */
  let isTorn = false;
  let isGone = false;
  let timer: Timer | null = null;
  let retryMs = FIRST_RETRY_MS;
  const onEmpty = new Set<() => void>();
  const flowListeners: ((dropped: number) => void)[] = [];
  const goneListeners: (() => void)[] = [];

  const drop = (texts: number): false => {
    dropped += texts;
    droppedSince += texts;
    return false;
  };

  /** Everything that waits is lost, too: it would come out of order. */
  const fail = (thrown: unknown): void => {
    drop(waiting.length);
    isTorn ||= isPartial;
    isPartial = false;
    waiting = [];
    waitingBytes = 0;
    if (!isGone && errnoOf(thrown) === "EPIPE") {
      isGone = true;
      for (const listener of goneListeners) listener();
    }
  };

  /** Listeners may write, so the count is closed before they are called. */
  const tellFlow = (): void => {
    if (droppedSince === 0) return;
    const missed = droppedSince;
    droppedSince = 0;
    for (const listener of flowListeners) listener(missed);
  };

  /** Writes what waits as far as it goes. */
  const push = (): void => {
    const before = dropped;
    try {
      send();
    } catch (thrown) {
      fail(thrown);
    }
    if (waiting.length > 0) retry();
    else {
      empty();
      if (dropped === before) tellFlow();
    }
  };

  /** @throws what the file throws; what was sent until then no longer waits */
  const send = (): void => {
    let sent = 0;
    try {
      for (let first = waiting[sent]; first !== undefined; first = waiting[sent]) {
        const taken = file.write(first);
        if (taken === 0) break;
        isTorn = false;
        isPartial = taken < first.length;
        waitingBytes -= taken;
        retryMs = FIRST_RETRY_MS;
        if (isPartial) waiting[sent] = first.subarray(taken);
        else sent += 1;
      }
    } finally {
      // At once: taking them off one by one would move all the others each time.
      waiting.splice(0, sent);
    }
  };

  const retry = (): void => {
    timer ??= clock.after(retryMs, () => {
      timer = null;
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      push();
    });
  };

  const empty = (): void => {
    timer?.stop();
    timer = null;
    for (const done of onEmpty) done();
  };

  return {
    write(text) {
      const bytes = Buffer.from(isTorn && waiting.length === 0 ? `\n${text}` : text);
      if (bytes.length === 0) return true;
      if (waitingBytes + bytes.length > maxBytes) return drop(1);
      const before = dropped;
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (timer === null) push();
      return dropped === before;
    },
    dropped: () => dropped,
    onFlow: (listener) => void flowListeners.push(listener),
    onGone: (listener) => void goneListeners.push(listener),
    drain: (ms) =>
      new Promise((resolve) => {
        const done = (): void => {
          guard.stop();
          onEmpty.delete(done);
          resolve();
        };
        const guard = clock.after(ms, done);
        onEmpty.add(done);
        if (waiting.length === 0) done();
      }),
  };
}
