// SPDX-License-Identifier: Apache-2.0

/**
 * kubelet's two gRPC APIs as TypeScript types and service definitions. Key names are proto-loader's camelCase: a key it does not know encodes
 * silently to nothing, so wire.test.ts compares every message with bytes written by kubelet's own Go types.
 */
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { fromJSON, type Options } from "@grpc/proto-loader";
import { DEVICE_PLUGIN_DESCRIPTOR } from "./gen/deviceplugin.ts";
import { POD_RESOURCES_DESCRIPTOR } from "./gen/podresources.ts";

/** The only version kubelet accepts in Register. */
export const DEVICE_PLUGIN_VERSION = "v1beta1";
export const HEALTHY = "Healthy";
/** Anything but Healthy counts as unhealthy. */
export const UNHEALTHY = "Unhealthy";
/** kubelet's registration socket, in the device plugin directory. */
export const KUBELET_SOCKET = "kubelet.sock";

export type Empty = Record<string, never>;

export interface DevicePluginOptionsMessage {
  preStartRequired: boolean;
  getPreferredAllocationAvailable: boolean;
}

export interface RegisterRequest {
  version: string;
  endpoint: string;
  resourceName: string;
  options: DevicePluginOptionsMessage | null;
}

export interface TopologyMessage {
  nodes: { ID: number }[];
}

export interface DeviceMessage {
  ID: string;
  health: string;
  topology: TopologyMessage | null;
}

export interface ListAndWatchResponse {
  devices: DeviceMessage[];
}

export interface PreferredAllocationRequest {
  containerRequests: { availableDeviceIDs: string[]; mustIncludeDeviceIDs: string[]; allocationSize: number }[];
}

export interface PreferredAllocationResponse {
  containerResponses: { deviceIDs: string[] }[];
}

export interface AllocateRequest {
  containerRequests: { devicesIds: string[] }[];
}

export interface ContainerAllocateResponse {
  envs: Record<string, string>;
  mounts: { containerPath: string; hostPath: string; readOnly: boolean }[];
  devices: { containerPath: string; hostPath: string; permissions: string }[];
  annotations: Record<string, string>;
  cdiDevices: { name: string }[];
}

export interface AllocateResponse {
  containerResponses: ContainerAllocateResponse[];
}

export interface PreStartContainerRequest {
  devicesIds: string[];
}

export interface ContainerDevicesMessage {
  resourceName: string;
  deviceIds: string[];
  topology: TopologyMessage | null;
}

export interface DynamicResourceMessage {
  claimName: string;
  claimNamespace: string;
  claimResources: { cdiDevices: { name: string }[]; driverName: string; poolName: string; deviceName: string }[];
}

export interface PodResourcesMessage {
  name: string;
  namespace: string;
  containers: { name: string; devices: ContainerDevicesMessage[]; dynamicResources: DynamicResourceMessage[] }[];
}

export interface ListPodResourcesResponse {
  podResources: PodResourcesMessage[];
}

export interface AllocatableResourcesResponse {
  devices: ContainerDevicesMessage[];
}

export interface GetPodResourcesRequest {
  podName: string;
  podNamespace: string;
}

export interface GetPodResourcesResponse {
  podResources: PodResourcesMessage | null;
}

export interface DevicePluginWire {
  readonly registration: ServiceDefinition & { readonly Register: MethodDefinition<RegisterRequest, Empty> };
  readonly plugin: ServiceDefinition & {
    readonly GetDevicePluginOptions: MethodDefinition<Empty, DevicePluginOptionsMessage>;
    readonly ListAndWatch: MethodDefinition<Empty, ListAndWatchResponse>;
    readonly GetPreferredAllocation: MethodDefinition<PreferredAllocationRequest, PreferredAllocationResponse>;
    readonly Allocate: MethodDefinition<AllocateRequest, AllocateResponse>;
    readonly PreStartContainer: MethodDefinition<PreStartContainerRequest, Empty>;
  };
}

export interface PodResourcesWire {
  readonly lister: ServiceDefinition & {
    readonly List: MethodDefinition<Empty, ListPodResourcesResponse>;
    readonly GetAllocatableResources: MethodDefinition<Empty, AllocatableResourcesResponse>;
    readonly Get: MethodDefinition<GetPodResourcesRequest, GetPodResourcesResponse>;
  };
}

type Descriptor = Parameters<typeof fromJSON>[0];

/** int64 as numbers (NUMA node numbers are small), absent fields as their proto3 defaults, absent messages as null. */
const OPTIONS: Options = { longs: Number, enums: String, defaults: true, arrays: true, objects: true };

/** Builds the definitions anew; callers keep the result (module top levels stay free of work and state). */
export function loadDevicePluginWire(): DevicePluginWire {
  const loaded = fromJSON(DEVICE_PLUGIN_DESCRIPTOR as Descriptor, OPTIONS);
  // The loader's type knows no method names; wire.test.ts proves each of them.
  return { registration: loaded["v1beta1.Registration"], plugin: loaded["v1beta1.DevicePlugin"] } as unknown as DevicePluginWire;
}

/** As loadDevicePluginWire, for podresources v1. */
export function loadPodResourcesWire(): PodResourcesWire {
  return { lister: fromJSON(POD_RESOURCES_DESCRIPTOR as Descriptor, OPTIONS)["v1.PodResourcesLister"] } as unknown as PodResourcesWire;
}
