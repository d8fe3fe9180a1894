// SPDX-License-Identifier: Apache-2.0

/** Kubelet's calls to a DRA plugin: all claims of a pod in one, each with an answer of its own. */
import type { ClaimRef } from "../../../src/domain/dra/claim.ts";
import type { GivenDevice } from "../../../src/kubelet/dra/port.ts";
import { isAppError, messageOf } from "../../../src/runtime/errors.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { DraPluginModel } from "./dra-plugin-model.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

/** Kubelet's deadline of a call; it is not configurable. */
const CALL_MS = 45_000;

/** The agent's yes for one claim, at the moment at which its handler has said so: kubelet has not heard of it yet. */
export interface PreparedYes {
  readonly claim: ClaimRef;
  readonly given: readonly GivenDevice[];
  readonly arrivedTick: number;
  readonly arrivedMs: number;
}

export interface DraCallParts {
  readonly time: WorldTime;
  readonly turnstile: Turnstile;
  /** Calls `ended` when the process is gone. */
  readonly onProcessEnd: (process: number, ended: () => void) => void;
  readonly onPrepared: (process: number, yes: PreparedYes) => void;
  readonly onFatal: (thrown: unknown) => void;
}

/** Kubelet's own end comes first: the plugin sees the call cancelled. */
export type Cancel = () => void;

/** By UID: what was given, or why not. */
export type PrepareAnswer = ReadonlyMap<string, readonly GivenDevice[] | string>;

/** Every claim gets an answer, at the latest after 45 s. */
export function callPrepare(parts: DraCallParts, plugin: DraPluginModel, claims: readonly ClaimRef[], then: (answer: PrepareAnswer) => void): Cancel {
  const { time } = parts;
  time.tick += 1;
  const arrived = { arrivedTick: time.tick, arrivedMs: time.nowMs };
  const one = async (claim: ClaimRef, signal: AbortSignal): Promise<readonly GivenDevice[] | string> => {
    const given = await answerOf(parts, () => plugin.handlers.prepare(claim, signal));
    if (typeof given !== "string") parts.onPrepared(plugin.process, { claim, given, ...arrived });
    return given;
  };
  return begin(parts, { plugin, claims, point: "prepare.answer", one }, then);
}

/** By UID: null, or why not. */
export type UnprepareAnswer = ReadonlyMap<string, string | null>;

export function callUnprepare(
  parts: DraCallParts,
  plugin: DraPluginModel,
  claims: readonly ClaimRef[],
  then: (answer: UnprepareAnswer) => void,
): Cancel {
  const one = (claim: ClaimRef): Promise<string | null> => answerOf(parts, () => plugin.handlers.unprepare(claim).then(() => null));
  return begin(parts, { plugin, claims, point: "unprepare.answer", one }, then);
}

interface Call<T> {
  readonly plugin: DraPluginModel;
  readonly claims: readonly ClaimRef[];
  readonly point: "prepare.answer" | "unprepare.answer";
  readonly one: (claim: ClaimRef, signal: AbortSignal) => Promise<T | string>;
}

function begin<T>(parts: DraCallParts, asked: Call<T>, then: (answer: ReadonlyMap<string, T | string>) => void): Cancel {
  const { plugin, claims, point, one } = asked;
  const call = plugin.begin();
  let isOver = false;
  const end = (answer: ReadonlyMap<string, T | string>): void => {
    if (isOver) return;
    isOver = true;
    call.abort();
    then(answer);
  };
  const failed = (why: string): void => end(new Map(claims.map(({ uid }) => [uid, why])));
  parts.onProcessEnd(plugin.process, () => failed("the plugin is gone"));
  // Also of a plugin that is stopped.
  parts.time.after(WORLD, CALL_MS, () => failed("DeadlineExceeded"));
  const works = claims.map((claim) => ({ claim, ...plugin.work(claim.uid, call.signal, () => one(claim, call.signal)) }));
  const answers = works.map(async ({ claim, answer }): Promise<readonly [string, T | string]> => [claim.uid, await answer]);
  const passed = Promise.all(answers).then((all) => parts.turnstile.pass(plugin.process, point, () => end(new Map(all))));
  for (const { claim, done } of works) void Promise.all([passed, done]).then(() => plugin.ended(claim.uid));
  void passed.then(() => plugin.finished(call));
  return () => failed("kubelet is gone");
}

async function answerOf<T>({ onFatal }: DraCallParts, ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (thrown) {
    if (!isAppError(thrown)) onFatal(thrown);
    return messageOf(thrown);
  }
}
