// SPDX-License-Identifier: Apache-2.0
import type { Client, ClientReadableStream } from "@grpc/grpc-js";
import { startUnary, unixClient } from "../../kubelet/grpc-call.ts";
import type { DevicePluginOptionsMessage, DevicePluginWire, Empty, ListAndWatchResponse } from "../../kubelet/wire.ts";
import type { Clock } from "../../runtime/clock.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import type { PluginEndpoint } from "./device-manager.ts";

/** KubeletPreStartContainerRPCTimeoutInSecs. Allocate and GetPreferredAllocation have no deadline. */
const PRE_START_MS = 30_000;
/** WithBlock dial of the plugin, within Register. */
const DIAL_MS = 10_000;
const DIAL_RETRY_MS = 50;

/** kubelet's client of one plugin socket: dialled back from inside Register. */
export class PluginClient implements PluginEndpoint {
  readonly resource: string;
  readonly socketPath: string;
  readonly #wire: DevicePluginWire;
  readonly #clock: Clock;
  #client: Client | null = null;
  #stream: ClientReadableStream<ListAndWatchResponse> | null = null;
  readonly #pending = new Set<() => void>();

  constructor(resource: string, socketPath: string, options: { readonly wire: DevicePluginWire; readonly clock: Clock }) {
    this.resource = resource;
    this.socketPath = socketPath;
    this.#wire = options.wire;
    this.#clock = options.clock;
  }

  /** Dials for up to 10 s (again and again while no plugin listens) and reads the plugin's options. */
  async dial(signal: AbortSignal): Promise<DevicePluginOptionsMessage> {
    const endMs = this.#clock.nowMs() + DIAL_MS;
    for (;;) {
      this.#client = unixClient(this.socketPath);
      try {
        return await this.#call(this.#wire.plugin.GetDevicePluginOptions, {}, endMs - this.#clock.nowMs());
      } catch (thrown) {
        this.close();
        const isAbsent = thrown instanceof Error && "code" in thrown && thrown.code === 14;
        if (!isAbsent || signal.aborted || this.#clock.nowMs() >= endMs) throw new Error(`failed to dial device plugin: ${String(thrown)}`);
      }
      await new Promise<void>((resolve) => this.#clock.after(DIAL_RETRY_MS, resolve));
    }
  }

  /** One ListAndWatch, until it ends for whatever reason. Never retried. */
  run(onList: (message: ListAndWatchResponse) => void): Promise<void> {
    const method = this.#wire.plugin.ListAndWatch;
    const client = this.#client;
    if (!client) return Promise.resolve();
    return new Promise((resolve) => {
      const stream = client.makeServerStreamRequest<Empty, ListAndWatchResponse>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        {},
      );
      this.#stream = stream;
      stream.on("data", onList);
      stream.on("error", () => resolve());
      stream.on("end", () => resolve());
    });
  }

  /** The stream breaks as a transport breaks. */
  cut(): void {
    this.#stream?.cancel();
  }

  close(): void {
    this.cut();
    for (const cancel of [...this.#pending]) cancel();
    this.#client?.close();
    this.#client = null;
  }

  async allocate(ids: readonly string[]): ReturnType<PluginEndpoint["allocate"]> {
    const answer = await this.#call(this.#wire.plugin.Allocate, { containerRequests: [{ devicesIds: [...ids] }] }, null);
    return answer.containerResponses[0] ?? null;
  }

  async preStart(ids: readonly string[]): Promise<void> {
    await this.#call(this.#wire.plugin.PreStartContainer, { devicesIds: [...ids] }, PRE_START_MS);
  }

  async prefer(available: readonly string[], mustInclude: readonly string[], size: number): Promise<readonly string[]> {
    const request = { availableDeviceIDs: [...available], mustIncludeDeviceIDs: [...mustInclude], allocationSize: size };
    const answer = await this.#call(this.#wire.plugin.GetPreferredAllocation, { containerRequests: [request] }, null);
    return answer.containerResponses[0]?.deviceIDs ?? [];
  }

  async #call<Request, Answer>(
    method: { path: string } & Parameters<typeof startUnary<Request, Answer>>[1],
    request: Request,
    ms: number | null,
  ): Promise<Answer> {
    if (!this.#client) throw new Error(`${this.socketPath}: connection closed`);
    const call = startUnary(this.#client, method, request);
    this.#pending.add(call.cancel);
    try {
      if (ms === null) return await call.answer;
      return await withDeadline(call.answer, { clock: this.#clock, ms, what: method.path });
    } catch (thrown) {
      call.cancel();
      throw thrown;
    } finally {
      this.#pending.delete(call.cancel);
    }
  }
}
