// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../domain/device.ts";
import type { Clock } from "../runtime/clock.ts";
import { type FileReading, readBlockingText } from "./reading.ts";

/** An attribute's text; `Blocked` when the kernel gave neither text nor error in time, which says nothing of this device. */
export type TsmText = FileReading<string> | { readonly kind: "Blocked"; readonly why: string };

/** The text of `tsm/connect` and `tsm/bound`, the name of a TSM, and of `tsm/dsm`, the address of a device security manager; or empty. */
export interface TsmReading {
  readonly connect: TsmText;
  readonly bound: TsmText;
  /** Read of a connected function 0 alone. */
  readonly dsm: TsmText;
}

/** A TSM is connected, as far as can be told. */
export function isConnected(connect: TsmText): boolean {
  return connect.kind === "Blocked" || (connect.kind === "Value" && connect.value !== "");
}

/** Of a function without a `tsm/` group: no TSM, or not capable. */
export const NO_TSM: TsmReading = { connect: { kind: "Missing" }, bound: { kind: "Missing" }, dsm: { kind: "Missing" } };

export type TsmAttribute = keyof TsmReading;

/** Reads `tsm/*`. Never rejects; what takes longer than the deadline is Blocked. */
export interface TsmReader {
  /** Reads `attribute` of the function whose directory is `path` and whose slot's function 0 is `slot`. */
  read(slot: Address, path: string, attribute: TsmAttribute): Promise<TsmText>;
  /**
   * Runs `work`, which writes the link of `slot`, while nothing of `tsm/` is read: whoever asks meanwhile is told at once that it is Blocked, and keeps no
   * thread. Waits for reads that have begun, as long as their deadline.
   */
  without<T>(slot: Address, work: () => Promise<T>): Promise<T>;
  /** Tells later which slots' links were being written at any time since this call: what was read of them may be of before and after at once. */
  mark(): (slot: Address) => boolean;
}

/** Threads of the pool that may be stuck in the kernel at once: the rest must stay free for everything else. */
const MOST_STUCK = 2;

/** Reads one file that may block. Is asked to give up after `deadlineMs`; the caller has a later deadline of its own. */
export type ReadAttribute = (path: string, deadlineMs: number) => Promise<FileReading<string>>;

export interface TsmReaderOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly readAttribute?: ReadAttribute;
}

/**
 * The one place where `tsm/*` is read. Reading an attribute of a sub-function while its function 0 disconnects can hang in the kernel for ever,
 * and the disconnect with it. So reads are made one at a time per slot, and each is interrupted in the kernel at half its deadline, which lets
 * the disconnect go on. A slot whose read is still stuck at the whole deadline is not read again until it comes back.
 *
 * The kernel's lock is one for all devices: while the last read has blocked, the next is likely to, and gets a tenth of the time. A host of a hundred
 * devices is read in a second then, and each of them is still asked.
 */
export function createTsmReader(options: TsmReaderOptions): TsmReader {
  const { clock, deadlineMs, readAttribute = readBlockingText } = options;
  const turns = new Map<Address, Promise<unknown>>();
  const stuck = new Set<Address>();

  let hasBlocked = false;
  /** Slots whose link is being written: nothing of any is read meanwhile. */
  const writing = new Set<Address>();
  let ends = 0;
  /** By slot: which end of all was the last of its own. */
  const lastEnds = new Map<Address, number>();

  async function guarded(slot: Address, path: string): Promise<TsmText> {
    if (writing.size > 0) return blocked("this process is writing a link");
    if (stuck.has(slot)) return blocked("an earlier read of this slot's tsm files has not come back");
    if (stuck.size >= MOST_STUCK) return blocked("reads of other slots' tsm files have not come back");
    const interruptMs = deadlineMs / (hasBlocked ? 20 : 2);
    const reading = readAttribute(path, interruptMs);
    // Not shortened: a busy event loop must not take an answer that is there for none.
    const answer = await withDeadline(reading, clock, deadlineMs);
    hasBlocked = answer === null || isInterrupted(answer);
    if (answer !== null) return hasBlocked ? blocked(`no answer within ${interruptMs} ms`) : answer;
    stuck.add(slot);
    void reading.then(() => stuck.delete(slot));
    return blocked(`no answer within ${deadlineMs} ms`);
  }

  return {
    async read(slot, path, attribute) {
      const turn = (turns.get(slot) ?? Promise.resolve()).then(() => guarded(slot, `${path}/tsm/${attribute}`));
      turns.set(slot, turn);
      try {
        return await turn;
      } finally {
        if (turns.get(slot) === turn) turns.delete(slot);
      }
    },
    async without(slot, work) {
      writing.add(slot);
      try {
        await Promise.all(turns.values());
        return await work();
      } finally {
        ends += 1;
        writing.delete(slot);
        lastEnds.set(slot, ends);
      }
    },
    mark() {
      const since = ends;
      return (slot) => writing.has(slot) || (lastEnds.get(slot) ?? 0) > since;
    },
  };
}

/** What the addon answers when it has ended a read at its deadline; no attribute of `tsm/` gives this error of itself. */
function isInterrupted(answer: FileReading<string>): boolean {
  return answer.kind === "Unreadable" && answer.why === "ETIMEDOUT";
}

function blocked(why: string): TsmText {
  return { kind: "Blocked", why };
}

/** The promise's value, or null when it is not there after `deadlineMs`. */
function withDeadline<T>(promise: Promise<T>, clock: Clock, deadlineMs: number): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = clock.after(deadlineMs, () => resolve(null));
    void promise.then((value) => {
      timer.stop();
      resolve(value);
    });
  });
}
