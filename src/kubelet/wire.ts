// SPDX-License-Identifier: Apache-2.0

/**
 * kubelet's gRPC APIs for devices: definitions of their services, and their messages as they are read (those for claims: dra/wire.ts). Key names are
 * proto-loader's camelCase: a key that it does not know encodes silently to nothing, so what is sent is typed as what is read, with every key, and
 * wire.test.ts compares every message with bytes written by kubelet's own Go types.
 */
import { fromJSON, type Options } from "@grpc/proto-loader";
import { DEVICE_PLUGIN_DESCRIPTOR } from "./gen/deviceplugin.ts";
import { POD_RESOURCES_DESCRIPTOR } from "./gen/podresources.ts";
import type { PodResourcesListerDefinition } from "./gen/types/v1/PodResourcesLister.ts";
import type { DevicePluginDefinition } from "./gen/types/v1beta1/DevicePlugin.ts";
import type { RegistrationDefinition } from "./gen/types/v1beta1/Registration.ts";

export type { AllocatableResourcesResponse } from "./gen/types/v1/AllocatableResourcesResponse.ts";
export type { ContainerDevices as ContainerDevicesMessage } from "./gen/types/v1/ContainerDevices.ts";
export type { DynamicResource as DynamicResourceMessage } from "./gen/types/v1/DynamicResource.ts";
export type { GetPodResourcesRequest } from "./gen/types/v1/GetPodResourcesRequest.ts";
export type { GetPodResourcesResponse } from "./gen/types/v1/GetPodResourcesResponse.ts";
export type { ListPodResourcesResponse } from "./gen/types/v1/ListPodResourcesResponse.ts";
export type { PodResources as PodResourcesMessage } from "./gen/types/v1/PodResources.ts";
export type { AllocateRequest } from "./gen/types/v1beta1/AllocateRequest.ts";
export type { AllocateResponse } from "./gen/types/v1beta1/AllocateResponse.ts";
export type { ContainerAllocateResponse } from "./gen/types/v1beta1/ContainerAllocateResponse.ts";
export type { Device as DeviceMessage } from "./gen/types/v1beta1/Device.ts";
export type { DevicePluginOptions as DevicePluginOptionsMessage } from "./gen/types/v1beta1/DevicePluginOptions.ts";
export type { Empty } from "./gen/types/v1beta1/Empty.ts";
export type { ListAndWatchResponse } from "./gen/types/v1beta1/ListAndWatchResponse.ts";
export type { PreferredAllocationRequest } from "./gen/types/v1beta1/PreferredAllocationRequest.ts";
export type { PreferredAllocationResponse } from "./gen/types/v1beta1/PreferredAllocationResponse.ts";
export type { PreStartContainerRequest } from "./gen/types/v1beta1/PreStartContainerRequest.ts";
export type { RegisterRequest } from "./gen/types/v1beta1/RegisterRequest.ts";

/** The only version kubelet accepts in Register. */
export const DEVICE_PLUGIN_VERSION = "v1beta1";
export const HEALTHY = "Healthy";
/** Anything but Healthy counts as unhealthy. */
export const UNHEALTHY = "Unhealthy";
/** kubelet's registration socket, in the device plugin directory. */
export const KUBELET_SOCKET = "kubelet.sock";

export interface DevicePluginWire {
  readonly registration: RegistrationDefinition;
  readonly plugin: DevicePluginDefinition;
}

export interface PodResourcesWire {
  readonly lister: PodResourcesListerDefinition;
}

/** int64 as numbers (NUMA node numbers and seconds are small), absent fields as their proto3 defaults, absent messages as null: as proto/generate.ts makes the types. */
const WIRE_OPTIONS: Options = { longs: Number, enums: String, defaults: true, arrays: true, objects: true };

/** Services by their full names. The loader's type knows no method names; the tests of wire formats prove each of them. */
export function loadServices(descriptor: object): Readonly<Record<string, unknown>> {
  return fromJSON(descriptor as Parameters<typeof fromJSON>[0], WIRE_OPTIONS);
}

/** Builds the definitions anew; callers keep the result (module top levels stay free of work and state). */
export function loadDevicePluginWire(): DevicePluginWire {
  const loaded = loadServices(DEVICE_PLUGIN_DESCRIPTOR);
  return { registration: loaded["v1beta1.Registration"], plugin: loaded["v1beta1.DevicePlugin"] } as DevicePluginWire;
}

/** As loadDevicePluginWire, for podresources v1. */
export function loadPodResourcesWire(): PodResourcesWire {
  return { lister: loadServices(POD_RESOURCES_DESCRIPTOR)["v1.PodResourcesLister"] } as PodResourcesWire;
}
