// SPDX-License-Identifier: Apache-2.0
import type { MethodDefinition } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { loadDraWire } from "../../../src/kubelet/dra/wire.ts";

const { registration, plugin, health } = loadDraWire();

type Row = readonly [string, Pick<MethodDefinition<never, never>, "path">, string, unknown];
type Codec = MethodDefinition<unknown, unknown>;

const CLAIMS = [
  { namespace: "ns", uid: "u1", name: "x" },
  { namespace: "ns", uid: "u2", name: "y" },
];
const DEVICE = {
  requestNames: ["a", "b"],
  poolName: "node-1/pci0000-16",
  deviceName: "0000-17-00-0",
  cdiDeviceIds: ["teeio.dev/claim=u1_0000-17-00-0"],
};

/** Bytes written by k8s.io/kubelet v0.37.2 (its generated Go types, deterministic marshalling) for the message in the last column. */
const REQUESTS: readonly Row[] = [
  ["InfoRequest", registration.GetInfo, "", {}],
  ["RegistrationStatus", registration.NotifyRegistrationStatus, "0801120165", { pluginRegistered: true, error: "e" }],
  ["NodePrepareResourcesRequest", plugin.NodePrepareResources, "0a0b0a026e73120275311a01780a0b0a026e73120275321a0179", { claims: CLAIMS }],
  ["NodeUnprepareResourcesRequest", plugin.NodeUnprepareResources, "0a0b0a026e73120275311a01780a0b0a026e73120275321a0179", { claims: CLAIMS }],
  ["NodeWatchResourcesRequest", health.NodeWatchResources, "", {}],
];

const RESPONSES: readonly Row[] = [
  [
    "PluginInfo",
    registration.GetInfo,
    "0a09445241506c7567696e1209746565696f2e6465761a0b2f702f6472612e736f636b220c76312e445241506c7567696e221476312e4452415265736f757263654865616c7468",
    { type: "DRAPlugin", name: "teeio.dev", endpoint: "/p/dra.sock", supportedVersions: ["v1.DRAPlugin", "v1.DRAResourceHealth"] },
  ],
  ["RegistrationStatusResponse", registration.NotifyRegistrationStatus, "", {}],
  [
    "NodePrepareResourcesResponse",
    plugin.NodePrepareResources,
    "0a500a027531124a0a480a01610a016212116e6f64652d312f706369303030302d31361a0c303030302d31372d30302d30221f746565696f2e6465762f636c61696d3d75315f303030" +
      "302d31372d30302d300a0a0a027532120412026e6f",
    { claims: { u1: { devices: [DEVICE], error: "" }, u2: { devices: [], error: "no" } } },
  ],
  [
    "NodeUnprepareResourcesResponse",
    plugin.NodeUnprepareResources,
    "0a060a02753112000a0a0a02753212040a026e6f",
    { claims: { u1: { error: "" }, u2: { error: "no" } } },
  ],
  [
    "NodeWatchResourcesResponse",
    health.NodeWatchResources,
    "0a150a060a017012016410021880f7c4d506201e2a016d0a0a0a060a017012016510010a080a060a0170120166",
    {
      devices: [
        {
          device: { poolName: "p", deviceName: "d" },
          health: "UNHEALTHY",
          lastUpdatedTime: 1_790_000_000,
          healthCheckTimeoutSeconds: 30,
          message: "m",
        },
        { device: { poolName: "p", deviceName: "e" }, health: "HEALTHY", lastUpdatedTime: 0, healthCheckTimeoutSeconds: 0, message: "" },
        { device: { poolName: "p", deviceName: "f" }, health: "UNKNOWN", lastUpdatedTime: 0, healthCheckTimeoutSeconds: 0, message: "" },
      ],
    },
  ],
];

describe("the wire definitions of DRA", () => {
  it.each(REQUESTS)("encode and decode %s as kubelet's own types do", (_name, method, hex, message) => {
    const codec = method as Codec;
    expect(codec.requestSerialize(message).toString("hex")).toBe(hex);
    expect(codec.requestDeserialize(Buffer.from(hex, "hex"))).toEqual(message);
  });

  it.each(RESPONSES)("encode and decode %s as kubelet's own types do, as an answer", (_name, method, hex, message) => {
    const codec = method as Codec;
    expect(codec.responseDeserialize(Buffer.from(hex, "hex"))).toEqual(message);
    // Go leaves out an empty field, protobufjs writes the ones that it is given: what is read back is the same.
    expect(codec.responseDeserialize(codec.responseSerialize(message))).toEqual(message);
  });

  it("use kubelet's gRPC paths", () => {
    const paths = [registration, plugin, health].flatMap((service) => Object.values(service).map((method) => method.path));
    expect(paths).toEqual([
      "/pluginregistration.Registration/GetInfo",
      "/pluginregistration.Registration/NotifyRegistrationStatus",
      "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources",
      "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodeUnprepareResources",
      "/v1.DRAResourceHealth/NodeWatchResources",
    ]);
    expect(health.NodeWatchResources.responseStream).toBe(true);
  });
});
