// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { MethodDefinition } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { loadDevicePluginWire, loadPodResourcesWire } from "../../src/kubelet/wire.ts";

const { registration, plugin } = loadDevicePluginWire();
const { lister } = loadPodResourcesWire();

/**
 * Bytes written by k8s.io/kubelet v0.37.2 (its generated Go types, deterministic marshalling) for the message in the third column.
 * A misspelt key would encode to nothing and fail here.
 */
const REQUESTS: readonly [string, Pick<MethodDefinition<never, never>, "path">, string, unknown][] = [
  [
    "RegisterRequest",
    registration.Register,
    "0a07763162657461311206612e736f636b1a0d746565696f2e6465762f677075220408011001",
    {
      version: "v1beta1",
      endpoint: "a.sock",
      resourceName: "teeio.dev/gpu",
      options: { preStartRequired: true, getPreferredAllocationAvailable: true },
    },
  ],
  ["Empty", plugin.GetDevicePluginOptions, "", {}],
  ["PreStartContainerRequest", plugin.PreStartContainer, "0a01610a0162", { devicesIds: ["a", "b"] }],
  [
    "PreferredAllocationRequest",
    plugin.GetPreferredAllocation,
    "0a0b0a01610a01621201621802",
    { containerRequests: [{ availableDeviceIDs: ["a", "b"], mustIncludeDeviceIDs: ["b"], allocationSize: 2 }] },
  ],
  ["AllocateRequest", plugin.Allocate, "0a060a01610a0162", { containerRequests: [{ devicesIds: ["a", "b"] }] }],
  ["ListPodResourcesRequest", lister.List, "", {}],
  ["AllocatableResourcesRequest", lister.GetAllocatableResources, "", {}],
  ["GetPodResourcesRequest", lister.Get, "0a03706f6412026e73", { podName: "pod", podNamespace: "ns" }],
];

const RESPONSES: readonly [string, Pick<MethodDefinition<never, never>, "path">, string, unknown][] = [
  ["Empty", registration.Register, "", {}],
  ["DevicePluginOptions", plugin.GetDevicePluginOptions, "08011001", { preStartRequired: true, getPreferredAllocationAvailable: true }],
  [
    "ListAndWatchResponse",
    plugin.ListAndWatch,
    "0a220a0c303030303a31373a30302e3012074865616c7468791a090a0208010a0308ac020a190a0c303030313a31373a30302e301209556e6865616c746879",
    {
      devices: [
        { ID: "0000:17:00.0", health: "Healthy", topology: { nodes: [{ ID: 1 }, { ID: 300 }] } },
        { ID: "0001:17:00.0", health: "Unhealthy", topology: null },
      ],
    },
  ],
  ["PreStartContainerResponse", plugin.PreStartContainer, "", {}],
  ["PreferredAllocationResponse", plugin.GetPreferredAllocation, "0a060a01610a0162", { containerResponses: [{ deviceIDs: ["a", "b"] }] }],
  [
    "AllocateResponse",
    plugin.Allocate,
    "0a450a060a014b120156120a0a022f6312022f6818011a140a062f6465762f6312062f6465762f681a02727722060a01411201422a110a0f746565696f2e6465762f6770753d61",
    {
      containerResponses: [
        {
          envs: { K: "V" },
          mounts: [{ containerPath: "/c", hostPath: "/h", readOnly: true }],
          devices: [{ containerPath: "/dev/c", hostPath: "/dev/h", permissions: "rw" }],
          annotations: { A: "B" },
          cdiDevices: [{ name: "teeio.dev/gpu=a" }],
        },
      ],
    },
  ],
];

const LISTED = { resourceName: "teeio.dev/gpu", deviceIds: ["a"], topology: { nodes: [{ ID: 1 }] } };

/** A claim whose namespace and devices kubelet left empty. */
const CLAIMED = { claimName: "x", claimNamespace: "", claimResources: [] };

/** podresources answers carry fields this project does not read (CPUs, memory): decoded only. */
const READ: readonly [string, Pick<MethodDefinition<never, never>, "path">, string, unknown][] = [
  [
    "ListPodResourcesResponse",
    lister.List,
    "0a410a03706f6412026e731a320a016312180a0d746565696f2e6465762f6770751201611a040a0208011a020102220a0a066d656d6f727910052a0312017822020708",
    { podResources: [{ name: "pod", namespace: "ns", containers: [{ name: "c", devices: [LISTED], dynamicResources: [CLAIMED] }] }] },
  ],
  [
    "AllocatableResourcesResponse",
    lister.GetAllocatableResources,
    "0a150a0d746565696f2e6465762f677075120161120162120103",
    { devices: [{ resourceName: "teeio.dev/gpu", deviceIds: ["a", "b"], topology: null }] },
  ],
  [
    // Made by hand from the field numbers of v0.37.2, with a share_id that is not read.
    "claims",
    lister.List,
    "0a201a1e0a01632a191201741a016e22110a030a016b1201641a01702201652a0173",
    {
      podResources: [
        {
          name: "",
          namespace: "",
          containers: [
            {
              name: "c",
              devices: [],
              dynamicResources: [
                {
                  claimName: "t",
                  claimNamespace: "n",
                  claimResources: [{ cdiDevices: [{ name: "k" }], driverName: "d", poolName: "p", deviceName: "e" }],
                },
              ],
            },
          ],
        },
      ],
    },
  ],
  ["GetPodResourcesResponse", lister.Get, "0a050a03706f64", { podResources: { name: "pod", namespace: "", containers: [] } }],
];

type Codec = MethodDefinition<unknown, unknown>;

describe("the wire definitions", () => {
  it.each(REQUESTS)("encode and decode %s as kubelet's own types do", (_name, method, hex, message) => {
    const codec = method as Codec;
    expect(codec.requestSerialize(message).toString("hex")).toBe(hex);
    expect(codec.requestDeserialize(Buffer.from(hex, "hex"))).toEqual(message);
  });

  it.each(RESPONSES)("encode and decode %s as kubelet's own types do, as an answer", (_name, method, hex, message) => {
    const codec = method as Codec;
    expect(codec.responseSerialize(message).toString("hex")).toBe(hex);
    expect(codec.responseDeserialize(Buffer.from(hex, "hex"))).toEqual(message);
  });

  it.each(READ)("decode kubelet's %s and skip what they do not know", (_name, method, hex, message) => {
    expect((method as Codec).responseDeserialize(Buffer.from(hex, "hex"))).toEqual(message);
  });

  it("use kubelet's gRPC paths", () => {
    expect(Object.values(registration).map((method) => method.path)).toEqual(["/v1beta1.Registration/Register"]);
    expect(Object.values(plugin).map((method) => method.path)).toEqual([
      "/v1beta1.DevicePlugin/GetDevicePluginOptions",
      "/v1beta1.DevicePlugin/ListAndWatch",
      "/v1beta1.DevicePlugin/GetPreferredAllocation",
      "/v1beta1.DevicePlugin/Allocate",
      "/v1beta1.DevicePlugin/PreStartContainer",
    ]);
    expect(Object.values(lister).map((method) => method.path)).toEqual([
      "/v1.PodResourcesLister/List",
      "/v1.PodResourcesLister/GetAllocatableResources",
      "/v1.PodResourcesLister/Get",
    ]);
    expect(plugin.ListAndWatch.responseStream).toBe(true);
  });

  it("are generated from the proto files as they are now", () => {
    const generator = join(import.meta.dirname, "../../src/kubelet/proto/generate.ts");
    expect(() => execFileSync(process.execPath, [generator, "--check"], { stdio: "pipe" })).not.toThrow();
  });
});
