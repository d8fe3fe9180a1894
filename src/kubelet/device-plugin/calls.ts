// SPDX-License-Identifier: Apache-2.0
import type { handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Clock } from "../../runtime/clock.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { toGrpcFailure } from "../errors.ts";
import type { DevicePluginHandlers, PublishedDevice } from "../port.ts";
import type {
  AllocateRequest,
  AllocateResponse,
  DevicePluginOptionsMessage,
  Empty,
  PreferredAllocationRequest,
  PreferredAllocationResponse,
  PreStartContainerRequest,
} from "../wire.ts";
import { checkListed, containerAnswer } from "./allocate-answer.ts";
import type { PluginMetrics } from "./metrics.ts";
import { type PreferredRequest, preferDevices } from "./preferred.ts";

export interface CallLimits {
  /** kubelet sets no deadline and admits no other pod meanwhile. */
  readonly allocateMs: number;
  /** kubelet's own deadline is 30 s. */
  readonly preStartMs: number;
}

export interface PluginCallsOptions {
  readonly resource: string;
  readonly handlers: DevicePluginHandlers;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<PluginMetrics, "allocate">;
  readonly limits: CallLimits;
  /** The start of kubelet that can call: the one that the plugin registered with. */
  readonly kubelet: () => string;
  /** It is registered so that kubelet asks for no PreStart. */
  readonly isQuiet: () => boolean;
  /** The list published now; null when the resource is withdrawn: every call is then refused. */
  readonly listed: () => readonly PublishedDevice[] | null;
  /** The most devices that were ever listed at once: kubelet names no more in one call. */
  readonly mostListed: () => number;
  /** Called after the number of calls in flight fell. */
  readonly onCallEnd: () => void;
}

/** kubelet's unary calls, as grpc-js takes them. */
export interface PluginCallHandlers {
  readonly GetDevicePluginOptions: handleUnaryCall<Empty, DevicePluginOptionsMessage>;
  readonly GetPreferredAllocation: handleUnaryCall<PreferredAllocationRequest, PreferredAllocationResponse>;
  readonly Allocate: handleUnaryCall<AllocateRequest, AllocateResponse>;
  readonly PreStartContainer: handleUnaryCall<PreStartContainerRequest, Empty>;
}

interface ServedCall {
  readonly method: string;
  readonly ids: readonly string[];
  readonly ms: number;
  readonly onResult: (result: string) => void;
}

/** What kubelet is to ask for. */
export function pluginOptions(isQuiet: boolean): Required<DevicePluginOptionsMessage> {
  return { preStartRequired: !isQuiet, getPreferredAllocationAvailable: true };
}

/**
 * kubelet's calls for one resource. Each answers within a bound of its own, whatever the agent's handler does; nothing thrown escapes.
 * A call counts as in flight from its arrival until its answer was handed to the transport.
 */
export class PluginCalls {
  readonly handlers: PluginCallHandlers;
  readonly #options: PluginCallsOptions;
  #inFlight = 0;
  /** What each call in flight names. */
  readonly #named = new Set<readonly string[]>();

  constructor(options: PluginCallsOptions) {
    this.#options = options;
    const { allocateMs, preStartMs } = options.limits;
    this.handlers = {
      GetDevicePluginOptions: (_call, callback) => callback(null, pluginOptions(options.isQuiet())),
      GetPreferredAllocation: (call, callback) => callback(null, this.#preferred(call.request)),
      Allocate: (call, callback) => {
        const onResult = (result: string): void => options.metrics.allocate(result);
        const ids = call.request.containerRequests.flatMap(({ devicesIds }) => devicesIds);
        this.#serve({ method: "Allocate", ids, ms: allocateMs, onResult }, () => this.#allocate(call.request), callback);
      },
      PreStartContainer: (call, callback) => {
        const onResult = (): void => undefined;
        const ids = call.request.devicesIds;
        this.#serve({ method: "PreStartContainer", ids, ms: preStartMs, onResult }, () => this.#preStart(call.request), callback);
      },
    };
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Devices that they name. */
  get named(): readonly string[] {
    return [...new Set([...this.#named].flat())];
  }

  /** Counts, bounds, answers and logs one call; never rejects, never throws. */
  #serve<T>(call: ServedCall, work: () => Promise<T>, callback: sendUnaryData<T>): void {
    const { clock, log, resource, onCallEnd } = this.#options;
    this.#inFlight += 1;
    this.#named.add(call.ids);
    void withDeadline(work(), { clock, ms: call.ms, what: `${call.method} for ${resource}` })
      .then(
        (value) => {
          call.onResult("ok");
          callback(null, value);
        },
        (thrown: unknown) => {
          log.warn({ resource, method: call.method, err: thrown }, "refused a call of kubelet");
          call.onResult(isAppError(thrown) ? thrown.code : "INVARIANT_BROKEN");
          callback(toGrpcFailure(thrown));
        },
      )
      .catch((thrown: unknown) => log.error({ resource, method: call.method, err: thrown }, "answering a call of kubelet failed"))
      .finally(() => {
        this.#inFlight -= 1;
        this.#named.delete(call.ids);
        onCallEnd();
      });
  }

  async #allocate(request: AllocateRequest): Promise<AllocateResponse> {
    const { resource, handlers } = this.#options;
    const kubelet = this.#options.kubelet();
    this.#bounded(request.containerRequests.reduce((sum, { devicesIds }) => sum + Math.max(devicesIds.length, 1), 0));
    const containerResponses = [];
    for (const { devicesIds } of request.containerRequests) {
      this.#listed();
      // The handler first, also for ids that are not listed: it knows the reason, and the reason ends up in the pod's event.
      const allocated = await handlers.allocate({ resource, ids: devicesIds, kubelet });
      checkListed(devicesIds, this.#listed());
      containerResponses.push(containerAnswer(resource, devicesIds, allocated));
    }
    if (containerResponses.length === 0) throw new AppError("UNKNOWN_DEVICE", "the request names no container");
    return { containerResponses };
  }

  async #preStart(request: PreStartContainerRequest): Promise<Empty> {
    this.#listed();
    if (request.devicesIds.length === 0) throw new AppError("UNKNOWN_DEVICE", "the request names no device");
    this.#bounded(request.devicesIds.length);
    const { resource, handlers, kubelet } = this.#options;
    await handlers.preStart({ resource, ids: request.devicesIds, kubelet: kubelet() });
    return {};
  }

  /** An error would fail the pod, a wrong answer is repaired by kubelet: so there is always an answer. */
  #preferred(request: PreferredAllocationRequest): PreferredAllocationResponse {
    const { resource, handlers, log } = this.#options;
    const prefer = (wanted: PreferredRequest): string[] => {
      try {
        this.#bounded(wanted.available.length);
        return [...preferDevices(wanted, (id) => handlers.placementOf(id))];
      } catch (thrown) {
        log.error({ resource, err: thrown, why: messageOf(thrown) }, "preferred allocation failed");
        return [...new Set([...wanted.mustInclude, ...wanted.available])].slice(0, wanted.size);
      }
    };
    return {
      containerResponses: request.containerRequests.map(({ availableDeviceIDs, mustIncludeDeviceIDs, allocationSize }) => ({
        deviceIDs: prefer({ available: availableDeviceIDs, mustInclude: mustIncludeDeviceIDs, size: allocationSize }),
      })),
    };
  }

  /** Before anything is done for each of them: what cannot be kubelet's costs no more than its bytes. */
  #bounded(ids: number): void {
    const { resource, mostListed } = this.#options;
    // A call for the last device may come when it has just been withdrawn.
    const most = Math.max(mostListed(), 1);
    if (ids > most) throw new AppError("UNKNOWN_DEVICE", `the request names ${ids} devices of ${resource}, which has never had more than ${most}`);
  }

  #listed(): readonly PublishedDevice[] {
    const listed = this.#options.listed();
    if (listed === null) throw new AppError("SHUTTING_DOWN", `${this.#options.resource} is being withdrawn`);
    return listed;
  }
}
