// SPDX-License-Identifier: Apache-2.0
import type { Client, MethodDefinition } from "@grpc/grpc-js";
import type { Clock } from "../../runtime/clock.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { AppError, messageOf } from "../../runtime/errors.ts";
import { fromGrpcFailure } from "../errors.ts";
import { startUnary, unixClient } from "../grpc-call.ts";
import type { PodResourcesPort, PodResourcesView } from "../port.ts";
import { checkSocketPath, identityOf } from "../sockets.ts";
import { type Empty, loadPodResourcesWire } from "../wire.ts";
import { mergeAllocatable, mergePods } from "./podresources-merge.ts";

export interface PodResourcesOptions {
  /** `/var/lib/kubelet/pod-resources/kubelet.sock`; null: this machine has no kubelet, by configuration. */
  readonly socketPath: string | null;
  readonly clock: Clock;
  /** For one observation; kubelet answers from memory. */
  readonly deadlineMs?: number;
}

export interface PodResources extends PodResourcesPort {
  /** Ends the connection; a later observation makes a new one. */
  close(): void;
}

const DEADLINE_MS = 3000;
/** What kubelet's own clients allow; the default of 4 MiB is too small for a full node. */
const MAX_RECEIVE_BYTES = 16 * 1024 * 1024;

/**
 * The view of kubelet's podresources. Never rejects: what can't be read is Unreadable. One connection, kept as long as the socket is the same
 * one and calls succeed, made anew otherwise. A look during which kubelet was replaced is Unreadable: its halves would be of two kubelets.
 * @throws SOCKET_PATH_TOO_LONG, when created
 */
export function createPodResources(options: PodResourcesOptions): PodResources {
  const { socketPath, clock } = options;
  if (socketPath === null) return { observe: async () => ({ kind: "None" }), close: () => undefined };
  checkSocketPath(socketPath);
  const reader = new Reader(socketPath, clock, options.deadlineMs ?? DEADLINE_MS);
  return { observe: () => reader.observe(), close: () => reader.drop() };
}

class Reader {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #wire = loadPodResourcesWire();
  #client: Client | null = null;
  /** The kubelet start that was seen last, and when it was first seen. */
  #kubelet = { identity: "", sinceMs: 0 };

  constructor(path: string, clock: Clock, deadlineMs: number) {
    this.#path = path;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  async observe(): Promise<PodResourcesView> {
    const identity = this.#look();
    if (identity === null) return { kind: "Unreadable", why: `${this.#path} is not there: kubelet is not running` };
    try {
      const view = await this.#read();
      if (this.#look() === identity) return view;
      return { kind: "Unreadable", why: "kubelet was started anew while it was being read" };
    } catch (thrown) {
      this.drop();
      return { kind: "Unreadable", why: `podresources cannot be read: ${messageOf(fromGrpcFailure(thrown, "KUBELET_ABSENT"))}` };
    }
  }

  drop(): void {
    this.#client?.close();
    this.#client = null;
  }

  /** The socket's identity now; remembers when it was first seen and drops a connection to an older one. */
  #look(): string | null {
    const identity = identityOf(this.#path);
    if (identity === null || identity !== this.#kubelet.identity) this.drop();
    if (identity !== null && identity !== this.#kubelet.identity) this.#kubelet = { identity, sinceMs: this.#clock.nowMs() };
    return identity;
  }

  async #read(): Promise<PodResourcesView> {
    const kubeletSinceMs = this.#kubelet.sinceMs;
    this.#client ??= unixClient(this.#path, { "grpc.max_receive_message_length": MAX_RECEIVE_BYTES });
    const { List, GetAllocatableResources } = this.#wire.lister;
    const [pods, allocatable] = await Promise.all([this.#call(this.#client, List), this.#call(this.#client, GetAllocatableResources)]);
    return { kind: "Read", pods: mergePods(pods.podResources), allocatable: mergeAllocatable(allocatable.devices), kubeletSinceMs };
  }

  async #call<Answer>(client: Client, method: MethodDefinition<Empty, Answer>): Promise<Answer> {
    const call = startUnary(client, method, {});
    try {
      return await withDeadline(call.answer, { clock: this.#clock, ms: this.#deadlineMs, what: method.path });
    } catch (thrown) {
      call.cancel();
      throw thrown instanceof AppError ? thrown : fromGrpcFailure(thrown, "KUBELET_ABSENT");
    }
  }
}
