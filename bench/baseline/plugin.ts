// SPDX-License-Identifier: Apache-2.0

/**
 * The least that can be called a device plugin on grpc-js: one resource, one device, no observation, no gate. What it costs is what the choice
 * of Node and grpc-js costs; everything above it is ours. Arguments: device plugin folder, resource.
 */
import { join } from "node:path";
import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { DEVICE_PLUGIN_VERSION, type Empty, KUBELET_SOCKET, type ListAndWatchResponse, loadDevicePluginWire } from "../../src/kubelet/wire.ts";

const [dir = "", resourceName = ""] = process.argv.slice(2);
const endpoint = `bare-${process.pid}.sock`;
const options = { preStartRequired: false, getPreferredAllocationAvailable: false };
const { plugin, registration } = loadDevicePluginWire();

const server = new Server({ "grpc.enable_channelz": 0 });
server.addService(plugin, {
  GetDevicePluginOptions: (_call: unknown, callback: (error: null, answer: unknown) => void) => callback(null, options),
  ListAndWatch: (call: ServerWritableStream<Empty, ListAndWatchResponse>) => {
    call.write({ devices: [{ ID: "0000:01:00.0", health: "Healthy", topology: { nodes: [{ ID: 0 }] } }] });
  },
  Allocate: (_call: unknown, callback: (error: null, answer: unknown) => void) => {
    const envs = { PCI_RESOURCE_BARE: "0000:01:00.0" };
    callback(null, { containerResponses: [{ envs, mounts: [], devices: [], annotations: {}, cdiDevices: [{ name: `${resourceName}=0` }] }] });
  },
});
await new Promise<void>((resolve, reject) => {
  server.bindAsync(`unix:${join(dir, endpoint)}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
});
const client = new Client(`unix:${join(dir, KUBELET_SOCKET)}`, credentials.createInsecure());
const { path, requestSerialize, responseDeserialize } = registration.Register;
const request = { version: DEVICE_PLUGIN_VERSION, endpoint, resourceName, options };
client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) => {
  client.close();
  if (error) throw error;
});
