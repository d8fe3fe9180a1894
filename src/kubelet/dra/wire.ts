// SPDX-License-Identifier: Apache-2.0

/** The three gRPC services that a DRA plugin serves to kubelet, as ../wire.ts has those for devices. */
import { DRA_HEALTH_DESCRIPTOR } from "../gen/drahealth.ts";
import { DRA_PLUGIN_DESCRIPTOR } from "../gen/draplugin.ts";
import { PLUGIN_REGISTRATION_DESCRIPTOR } from "../gen/pluginregistration.ts";
import type { DRAPluginDefinition } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/DRAPlugin.ts";
import type { RegistrationDefinition } from "../gen/types/pluginregistration/Registration.ts";
import type { DRAResourceHealthDefinition } from "../gen/types/v1/DRAResourceHealth.ts";
import { loadServices } from "../wire.ts";

export type { Claim as ClaimMessage } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/Claim.ts";
export type { Device as GivenDeviceMessage } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/Device.ts";
export type { NodePrepareResourceResponse as PreparedMessage } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodePrepareResourceResponse.ts";
export type { NodePrepareResourcesRequest } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodePrepareResourcesRequest.ts";
export type { NodePrepareResourcesResponse } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodePrepareResourcesResponse.ts";
export type { NodeUnprepareResourceResponse as UnpreparedMessage } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodeUnprepareResourceResponse.ts";
export type { NodeUnprepareResourcesRequest } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodeUnprepareResourcesRequest.ts";
export type { NodeUnprepareResourcesResponse } from "../gen/types/k8s/io/kubelet/pkg/apis/dra/v1/NodeUnprepareResourcesResponse.ts";
export type { InfoRequest } from "../gen/types/pluginregistration/InfoRequest.ts";
export type { PluginInfo } from "../gen/types/pluginregistration/PluginInfo.ts";
export type { RegistrationStatus } from "../gen/types/pluginregistration/RegistrationStatus.ts";
export type { RegistrationStatusResponse } from "../gen/types/pluginregistration/RegistrationStatusResponse.ts";
export type { HealthStatus } from "../gen/types/v1/HealthStatus.ts";
export type { NodeWatchResourcesRequest } from "../gen/types/v1/NodeWatchResourcesRequest.ts";
export type { NodeWatchResourcesResponse } from "../gen/types/v1/NodeWatchResourcesResponse.ts";

/** `PluginInfo.type` (k8s.io/kubelet/pkg/apis/pluginregistration/v1 constants.go). */
export const DRA_PLUGIN_TYPE = "DRAPlugin";
/**
 * `PluginInfo.supportedVersions`: kubelet's own names for the services (`DRAPluginService` of k8s.io/kubelet/pkg/apis/dra/v1, `DRAResourceHealthService`
 * of dra-health/v1), of which the first is not the service's gRPC name. Kubelet 1.36 and older passes over the second, which it does not know.
 */
export const DRA_SERVICES: readonly string[] = ["v1.DRAPlugin", "v1.DRAResourceHealth"];

export interface DraWire {
  readonly registration: RegistrationDefinition;
  readonly plugin: DRAPluginDefinition;
  readonly health: DRAResourceHealthDefinition;
}

/** Builds the definitions anew; callers keep the result. */
export function loadDraWire(): DraWire {
  return {
    registration: loadServices(PLUGIN_REGISTRATION_DESCRIPTOR)["pluginregistration.Registration"],
    plugin: loadServices(DRA_PLUGIN_DESCRIPTOR)["k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"],
    health: loadServices(DRA_HEALTH_DESCRIPTOR)["v1.DRAResourceHealth"],
  } as DraWire;
}
