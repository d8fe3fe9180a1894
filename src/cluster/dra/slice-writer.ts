// SPDX-License-Identifier: Apache-2.0
import type { SeenSlice, SliceWrite } from "../../domain/dra/slices.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import type { SerialQueue } from "../../runtime/serial.ts";
import type { SeenSlices } from "./seen-slices.ts";
import { nameOf, type SliceRequests } from "./slice-requests.ts";

export interface SliceWriterOptions {
  readonly requests: SliceRequests;
  readonly seen: SeenSlices;
  /** No request about a slice is under way while a list is (seen-slices.ts). */
  readonly turns: SerialQueue;
  readonly log: Log;
  /** What is to be, by identity: a plan for something else is not carried on with. */
  readonly wanted: () => unknown;
  /** Writes that make it so, in order. */
  readonly plan: () => readonly SliceWrite[];
  /** The spec that a Create or an Update sent, and that which it was answered. */
  readonly onWritten: (sent: object, kept: unknown) => void;
  /** What is known has changed: `seen`, or what this writer says of itself. */
  readonly changed: () => void;
}

export interface SliceWriter {
  /** Writes until the plan is empty. To be run by a job, whenever a plan may not be. @throws API_UNREACHABLE · API_REFUSED */
  run(signal: AbortSignal): Promise<void>;
  /** Why the last run failed; empty when it did not. */
  problem(): string;
  /** No write is without an answer: what is seen has every write in it. */
  isSettled(): boolean;
}

/** Plans in one run. Changes of others, and of what is wanted, may each call for a new one. */
const MAX_PLANS = 10;

export function createSliceWriter({ requests, seen, turns, log, wanted, plan, onWritten, changed }: SliceWriterOptions): SliceWriter {
  /** A write of this slice was not answered, or is not yet: whether it was made is not known. */
  let unanswered: string | null = null;
  let problem = "";

  const fold = (name: string, slice: SeenSlice | null): void => {
    unanswered = null;
    seen.answered(name, slice);
    changed();
  };

  /** False: it came too late, and what is there now has been read. */
  const send = async (write: SliceWrite, signal: AbortSignal): Promise<boolean> => {
    const name = nameOf(write);
    seen.asked(name);
    unanswered = name;
    const answer = await requests.send(write, signal).catch((thrown: unknown) => {
      // A refusal says that nothing was written.
      if (isAppError(thrown) && thrown.code === "API_REFUSED") unanswered = null;
      throw thrown;
    });
    log.debug({ slice: name, write: write.kind, outcome: answer === "Conflict" ? "conflict" : "written" }, "slice write");
    if (answer !== "Conflict" && answer !== null && write.kind !== "Delete") onWritten(write.spec, answer.spec);
    fold(name, answer === "Conflict" ? await requests.get(name, signal) : answer);
    return answer !== "Conflict";
  };

  const readAgain = async (name: string, signal: AbortSignal): Promise<void> => {
    seen.asked(name);
    fold(name, await requests.get(name, signal));
  };

  /** All writes of one plan, unless it is overtaken. True: there was nothing to write. */
  const carryOut = async (signal: AbortSignal): Promise<boolean> => {
    const purpose = wanted();
    const writes = plan();
    for (const write of writes) {
      signal.throwIfAborted();
      const isNew = await turns.run(async () => wanted() === purpose && (await send(write, signal)));
      if (!isNew) break;
    }
    return writes.length === 0;
  };

  const work = async (signal: AbortSignal): Promise<void> => {
    const name = unanswered;
    if (name !== null) await turns.run(() => readAgain(name, signal));
    for (let plans = 0; plans < MAX_PLANS; plans += 1) if (await carryOut(signal)) return;
    throw new AppError("API_REFUSED", `the ResourceSlices of this node are not as written after ${MAX_PLANS} rounds: who else writes them?`);
  };

  const tell = (now: string): void => {
    if (now === problem) return;
    problem = now;
    changed();
  };

  return {
    async run(signal) {
      try {
        await work(signal);
        tell("");
      } catch (thrown) {
        if (!signal.aborted) tell(messageOf(thrown));
        throw thrown;
      }
    },
    problem: () => problem,
    isSettled: () => unanswered === null,
  };
}
