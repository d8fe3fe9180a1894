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

/** By UID: what was given, or why not. */
export type PrepareAnswer = ReadonlyMap<string, readonly GivenDevice[] | string>;

/** Kubelet's own end comes first: the plugin sees the call cancelled. */
export type Cancel = () => void;

/** Every claim gets an answer, at the latest after 45 s. */
export function callPrepare(parts: DraCallParts, plugin: DraPluginModel, claims: readonly ClaimRef[], then: (answer: PrepareAnswer) => void): Cancel {
  const { time } = parts;
  time.tick += 1;
  const arrived = { arrivedTick: time.tick, arrivedMs: time.nowMs };
  const call = new AbortController();
  const one = async (claim: ClaimRef): Promise<readonly GivenDevice[] | string> => {
    const given = await answerOf(parts, () => plugin.handlers.prepare(claim, call.signal));
    if (typeof given !== "string") parts.onPrepared(plugin.process, { claim, given, ...arrived });
    return given;
  };
  const failed = (why: string): PrepareAnswer => new Map(claims.map(({ uid }) => [uid, why]));
  return begin(parts, { plugin, claims, point: "prepare.answer", call, failed, one }, then);
}

/** By UID: null, or why not. */
export type UnprepareAnswer = ReadonlyMap<string, string | null>;

export function callUnprepare(
  parts: DraCallParts,
  plugin: DraPluginModel,
  claims: readonly ClaimRef[],
  then: (answer: UnprepareAnswer) => void,
): Cancel {
  const call = new AbortController();
  const one = (claim: ClaimRef): Promise<string | null> => answerOf(parts, () => plugin.handlers.unprepare(claim).then(() => null));
  const failed = (why: string): UnprepareAnswer => new Map(claims.map(({ uid }) => [uid, why]));
  return begin(parts, { plugin, claims, point: "unprepare.answer", call, failed, one }, then);
}

interface Call<T> {
  readonly plugin: DraPluginModel;
  readonly claims: readonly ClaimRef[];
  readonly point: "prepare.answer" | "unprepare.answer";
  readonly call: AbortController;
  readonly failed: (why: string) => ReadonlyMap<string, T | string>;
  readonly one: (claim: ClaimRef) => Promise<T | string>;
}

function begin<T>(parts: DraCallParts, asked: Call<T>, then: (answer: ReadonlyMap<string, T | string>) => void): Cancel {
  const { plugin, claims, point, call, failed, one } = asked;
  let isOver = false;
  const end = (answer: ReadonlyMap<string, T | string>): void => {
    if (isOver) return;
    isOver = true;
    call.abort();
    then(answer);
  };
  for (const { uid } of claims) plugin.called(uid);
  parts.onProcessEnd(plugin.process, () => end(failed("the plugin is gone")));
  // Also of a plugin that is stopped.
  parts.time.after(WORLD, CALL_MS, () => end(failed("DeadlineExceeded")));
  const answers = claims.map(async (claim): Promise<readonly [string, T | string]> => [claim.uid, await one(claim)]);
  void Promise.all(answers).then((all) =>
    parts.turnstile.pass(plugin.process, point, () => {
      for (const { uid } of claims) plugin.ended(uid);
      end(new Map(all));
    }),
  );
  return () => end(failed("kubelet is gone"));
}

async function answerOf<T>({ onFatal }: DraCallParts, ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (thrown) {
    if (!isAppError(thrown)) onFatal(thrown);
    return messageOf(thrown);
  }
}
