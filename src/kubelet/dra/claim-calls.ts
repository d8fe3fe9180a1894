// SPDX-License-Identifier: Apache-2.0
import type { handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { ClaimRef } from "../../domain/dra/claim.ts";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { createKeyedLocks } from "../../runtime/serial.ts";
import { createBell } from "../bell.ts";
import { type CallEnd, type Cancellable, untilEnded, watchCall } from "./call-end.ts";
import { isClaimUid } from "./claim-uid.ts";
import type { ClaimCall, DraMetrics } from "./metrics.ts";
import type { DraHandlers, GivenDevice } from "./port.ts";
import type {
  GivenDeviceMessage,
  NodePrepareResourcesRequest,
  NodePrepareResourcesResponse,
  NodeUnprepareResourcesRequest,
  NodeUnprepareResourcesResponse,
} from "./wire.ts";

export interface ClaimCallLimits {
  /** Kubelet's own deadline is 45 s, and it comes back only after 69 s: a call is held rather than refused. */
  readonly callMs: number;
  /** For handlers to end after that, and say why. */
  readonly graceMs: number;
}

export interface ClaimCallsOptions {
  readonly handlers: DraHandlers;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: DraMetrics;
  readonly limits: ClaimCallLimits;
  /** `inCalls` has changed. */
  readonly onChange: () => void;
}

/** Kubelet's unary calls, as grpc-js takes them. */
export interface ClaimCallHandlers {
  readonly NodePrepareResources: handleUnaryCall<NodePrepareResourcesRequest, NodePrepareResourcesResponse>;
  readonly NodeUnprepareResources: handleUnaryCall<NodeUnprepareResourcesRequest, NodeUnprepareResourcesResponse>;
}

interface Answer {
  readonly devices: GivenDeviceMessage[];
  /** Empty: done. */
  readonly error: string;
}

const DONE: Answer = { devices: [], error: "" };

/**
 * Kubelet's calls for claims. Each claim of a call has an answer of its own, in time, whatever the agent's handler does; nothing thrown escapes. The
 * claims of a call go at once; calls for one claim go one after the other, because kubelet repeats one that it has given up while it is still worked on.
 */
export class ClaimCalls {
  readonly handlers: ClaimCallHandlers;
  readonly #options: ClaimCallsOptions;
  readonly #locks = createKeyedLocks();
  readonly #bell;
  readonly #calls = new Set<CallEnd>();
  /** How many calls and handlers are at work for a claim, by UID. */
  readonly #atWork = new Map<string, number>();
  #closed: AppError | null = null;

  constructor(options: ClaimCallsOptions) {
    this.#options = options;
    this.#bell = createBell(options.clock);
    this.handlers = {
      NodePrepareResources: (call, callback) => this.#serve("prepare", call, callback),
      NodeUnprepareResources: (call, callback) => this.#serve("unprepare", call, callback),
    };
  }

  /** Claims that calls name, or that a handler still works for after its call. In order of UID. */
  get inCalls(): readonly string[] {
    return [...this.#atWork.keys()].sort();
  }

  /** Ends the calls with that reason and refuses later ones. Resolves when each is answered, or after `withinMs`. */
  async close(withinMs: number): Promise<void> {
    const closed = new AppError("SHUTTING_DOWN", "the agent is stopping; kubelet asks again");
    this.#closed = closed;
    for (const call of this.#calls) call.end(closed);
    await this.#bell.until(() => this.#atWork.size === 0, withinMs);
  }

  /** Answers one call; never rejects, never throws. */
  #serve(
    kind: ClaimCall,
    call: Cancellable & { readonly request: NodePrepareResourcesRequest | NodeUnprepareResourcesRequest },
    callback: sendUnaryData<{ claims: { [uid: string]: Answer } }>,
  ): void {
    const { clock, limits, log } = this.#options;
    const end = watchCall(call, clock, limits.callMs);
    if (this.#closed) end.end(this.#closed);
    this.#calls.add(end);
    const claims = new Map(call.request.claims.map((claim) => [claim.uid, claim]));
    for (const uid of claims.keys()) this.#count(uid, 1);
    void Promise.all([...claims.values()].map(async (claim) => [claim.uid, await this.#answer(kind, claim, end.signal)] as const))
      .then((answers) => callback(null, { claims: Object.fromEntries(answers) }))
      .catch((thrown: unknown) => log.error({ call: kind, err: thrown }, "answering a call of kubelet failed"))
      .finally(() => {
        end.answered();
        this.#calls.delete(end);
        for (const uid of claims.keys()) this.#count(uid, -1);
      });
  }

  async #answer(kind: ClaimCall, claim: ClaimRef, signal: AbortSignal): Promise<Answer> {
    const { clock, log, limits, metrics } = this.#options;
    const startMs = clock.nowMs();
    const { namespace, name, uid } = claim;
    try {
      const answer = await untilEnded(this.#work(kind, { namespace, name, uid }, signal), signal, clock, limits.graceMs);
      metrics.answer(kind, "ok", clock.nowMs() - startMs);
      return answer;
    } catch (thrown) {
      const failure = failureOf(thrown, signal);
      log.warn({ claim: `${namespace}/${name}`, uid, call: kind, err: failure }, "refused a claim of kubelet");
      metrics.answer(kind, failure.code, clock.nowMs() - startMs);
      // An empty text would be taken for success.
      return { devices: [], error: failure.message || failure.code };
    }
  }

  /** The agent's handler, when no earlier call for the claim is being worked on any more. */
  async #work(kind: ClaimCall, claim: ClaimRef, signal: AbortSignal): Promise<Answer> {
    const { handlers } = this.#options;
    if (!isClaimUid(claim.uid)) {
      // It was never prepared, and kubelet is to forget it.
      if (kind === "unprepare") return DONE;
      throw new AppError("UNKNOWN_DEVICE", `${JSON.stringify(claim.uid)} is no UID of a claim`);
    }
    this.#count(claim.uid, 1);
    try {
      return await this.#locks.exclusive(claim.uid, async () => {
        signal.throwIfAborted();
        if (kind === "prepare") return { devices: (await handlers.prepare(claim, signal)).map(deviceMessage), error: "" };
        await handlers.unprepare(claim);
        return DONE;
      });
    } finally {
      this.#count(claim.uid, -1);
    }
  }

  #count(uid: string, by: 1 | -1): void {
    const before = this.#atWork.get(uid) ?? 0;
    if (before + by === 0) this.#atWork.delete(uid);
    else this.#atWork.set(uid, before + by);
    if (before === 0 || before + by === 0) this.#options.onChange();
    this.#bell.ring();
  }
}

/** What is no AppError is a bug, unless the call was over: work that was told to end rejects as it likes. */
function failureOf(thrown: unknown, signal: AbortSignal): AppError {
  if (isAppError(thrown)) return thrown;
  if (signal.aborted && isAppError(signal.reason)) return signal.reason;
  return new AppError("INVARIANT_BROKEN", `INVARIANT_BROKEN: ${messageOf(thrown)}`, { cause: thrown });
}

function deviceMessage({ requests, pool, device, cdiNames }: GivenDevice): GivenDeviceMessage {
  return { requestNames: [...requests], poolName: pool, deviceName: device, cdiDeviceIds: [...cdiNames] };
}
