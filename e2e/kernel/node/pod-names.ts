// SPDX-License-Identifier: Apache-2.0
// The names of a pod's devices as Kata's shim makes them, and what they stand for; a program for a container with kubelet's socket and the folder of
// CDI specs. `node BUNDLE SOCKET FOLDER NAMESPACE POD` writes one line of JSON: per name the device nodes of its CDI spec, null when there is none.
// Kata: src/runtime/pkg/containerd-shim-v2/device_cold_plug.go; kind and name are the resource's and the device's of podresources Get.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startUnary, unixClient } from "../../../src/kubelet/grpc-call.ts";
import { loadPodResourcesWire } from "../../../src/kubelet/wire.ts";

interface CdiSpec {
  readonly kind: string;
  readonly devices: readonly { readonly name: string; readonly containerEdits: { readonly deviceNodes?: readonly { readonly path: string }[] } }[];
}

const [socket = "", folder = "", podNamespace = "", podName = ""] = process.argv.slice(2);
const client = unixClient(socket);
const { podResources } = await startUnary(client, loadPodResourcesWire().lister.Get, { podName, podNamespace }).answer;
const devices = (podResources?.containers ?? []).flatMap((container) => container.devices);
const names = devices.flatMap(({ resourceName, deviceIds }) => deviceIds.map((id) => `${resourceName}=${id}`));
const specs = readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as CdiSpec);

function nodesOf(name: string): readonly string[] | null {
  const found = specs.flatMap(({ kind, devices: inSpec }) => inSpec.filter((device) => `${kind}=${device.name}` === name));
  return found.length === 1 ? (found[0]?.containerEdits.deviceNodes ?? []).map(({ path }) => path) : null;
}
process.stdout.write(`${JSON.stringify(Object.fromEntries(names.map((name) => [name, nodesOf(name)])))}\n`);
client.close();
