// SPDX-License-Identifier: Apache-2.0

/** A device plugin's caller, as kubelet's client would be, but written with grpc-js and in the bench's own process. */
import { Client, type ClientReadableStream, credentials } from "@grpc/grpc-js";
import { type AllocateResponse, type ListAndWatchResponse, loadDevicePluginWire } from "../../src/kubelet/wire.ts";

export interface PluginCaller {
  allocate(id: string): Promise<AllocateResponse>;
  /** @throws what the plugin refuses with */
  preStart(id: string): Promise<void>;
  /** Opens a ListAndWatch stream of its own; `onList` is called in the turn in which a list was read. */
  watch(onList: (healthy: ReadonlySet<string>) => void): void;
  close(): void;
}

export function callPlugin(socket: string): PluginCaller {
  const { plugin } = loadDevicePluginWire();
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1, "grpc.enable_channelz": 0 });
  const streams: ClientReadableStream<ListAndWatchResponse>[] = [];
  const { Allocate, ListAndWatch, PreStartContainer } = plugin;
  return {
    allocate: (id) =>
      new Promise((resolve, reject) => {
        const request = { containerRequests: [{ devicesIds: [id] }] };
        client.makeUnaryRequest(Allocate.path, Allocate.requestSerialize, Allocate.responseDeserialize, request, (error, answer) => {
          if (error || answer === undefined) reject(error ?? new Error("Allocate answered nothing"));
          else resolve(answer);
        });
      }),
    preStart: (id) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = PreStartContainer;
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { devicesIds: [id] }, (error) => (error ? reject(error) : resolve()));
      }),
    watch(onList) {
      const stream = client.makeServerStreamRequest(ListAndWatch.path, ListAndWatch.requestSerialize, ListAndWatch.responseDeserialize, {});
      streams.push(stream);
      stream.on("data", (list: ListAndWatchResponse) => {
        onList(new Set(list.devices.filter((device) => device.health === "Healthy").map((device) => device.ID)));
      });
      stream.on("error", () => undefined); // Its end is seen by whoever waits for a list.
    },
    close() {
      for (const stream of streams) stream.cancel();
      client.close();
    },
  };
}
