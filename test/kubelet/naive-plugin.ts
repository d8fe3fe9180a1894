// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { Server, ServerCredentials, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from "@grpc/grpc-js";
import { startUnary, unixClient } from "../../src/kubelet/grpc-call.ts";
import {
  DEVICE_PLUGIN_VERSION,
  type DevicePluginWire,
  type Empty,
  KUBELET_SOCKET,
  type ListAndWatchResponse,
  loadDevicePluginWire,
} from "../../src/kubelet/wire.ts";
import { messageOf } from "../../src/runtime/errors.ts";

/** A device plugin as many are written: one socket name for life, Register as often as one likes. */
export interface NaivePlugin {
  /** One Register; kubelet's message when it is refused, empty when not. */
  register(resource: string): Promise<string>;
  /** Ends every stream and the server, as a crash does. */
  crash(): Promise<void>;
}

export interface NaivePluginOptions {
  readonly dir: string;
  readonly socketName: string;
  readonly ids: readonly string[];
  /** Makes GetDevicePluginOptions fail. */
  readonly optionsProblem?: string;
  /** Answers Allocate with nothing in it. */
  readonly allocates?: boolean;
}

export async function startNaivePlugin(options: NaivePluginOptions): Promise<NaivePlugin> {
  const wire = loadDevicePluginWire();
  const server = new Server();
  server.addService(wire.plugin, handlers(wire, options));
  await new Promise<void>((resolve, reject) => {
    const address = `unix:${join(options.dir, options.socketName)}`;
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  return {
    async register(resource) {
      const client = unixClient(join(options.dir, KUBELET_SOCKET));
      const request = { version: DEVICE_PLUGIN_VERSION, endpoint: options.socketName, resourceName: resource, options: null };
      try {
        await startUnary(client, wire.registration.Register, request).answer;
        return "";
      } catch (thrown) {
        return messageOf(thrown);
      } finally {
        client.close();
      }
    },
    crash: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        server.forceShutdown();
      }),
  };
}

function handlers(wire: DevicePluginWire, options: NaivePluginOptions): Parameters<Server["addService"]>[1] {
  const unimplemented = (_call: unknown, callback: (error: { code: number; details: string }) => void): void => {
    callback({ code: 12, details: "not served" });
  };
  return {
    ...Object.fromEntries(Object.keys(wire.plugin).map((method) => [method, unimplemented])),
    GetDevicePluginOptions: (_call: ServerUnaryCall<Empty, object>, callback: sendUnaryData<object>) => {
      if (options.optionsProblem) callback({ code: 2, details: options.optionsProblem });
      else callback(null, {});
    },
    ...(options.allocates
      ? { Allocate: (_call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) => callback(null, { containerResponses: [{}] }) }
      : {}),
    ListAndWatch: (call: ServerWritableStream<Empty, ListAndWatchResponse>) => {
      call.write({ devices: options.ids.map((ID) => ({ ID, health: "Healthy", topology: null })) });
    },
  };
}
