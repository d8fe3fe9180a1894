// SPDX-License-Identifier: Apache-2.0
import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from "@grpc/grpc-js";
import type {
  AllocatableResourcesResponse,
  ContainerDevicesMessage,
  Empty,
  GetPodResourcesRequest,
  GetPodResourcesResponse,
  ListPodResourcesResponse,
  PodResourcesMessage,
} from "../../kubelet/wire.ts";
import type { DeviceManager } from "./device-manager.ts";

export interface PodResourcesSource {
  readonly manager: DeviceManager;
  /** Keys of the pods kubelet counts as active; empty while its sources are not ready. */
  activePods(): readonly { readonly key: string; readonly namespace: string; readonly name: string }[];
  /** Until then no assignment is freed. */
  sourcesReady(): boolean;
  /** Not empty: every call fails with it. */
  problem(): string;
}

const UNKNOWN = 2;

/** podresources v1 as 1.37 serves it: active pods only, healthy devices only, one entry per NUMA node. */
export function podResourcesHandlers(source: PodResourcesSource): UntypedServiceImplementation {
  const answer = <Request, Response>(work: (request: Request) => Response) => {
    return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      const problem = source.problem();
      try {
        if (problem !== "") throw new Error(problem);
        callback(null, work(call.request));
      } catch (thrown) {
        callback({ code: UNKNOWN, details: String(thrown) });
      }
    };
  };
  const list = answer((_request: Empty): ListPodResourcesResponse => {
    const active = source.activePods();
    if (source.sourcesReady()) source.manager.freeInactive(new Set(active.map((pod) => pod.key)));
    return { podResources: active.map((pod) => podMessage(source.manager, pod)) };
  });
  const allocatable = answer((_request: Empty): AllocatableResourcesResponse => {
    const devices = source.manager.resources().flatMap((resource) => byNode(source.manager, resource, source.manager.allocatable(resource)));
    return { devices };
  });
  const get = answer(({ podName, podNamespace }: GetPodResourcesRequest): GetPodResourcesResponse => {
    const pod = source.activePods().find(({ namespace, name }) => namespace === podNamespace && name === podName);
    if (!pod) throw new Error(`pod ${podName} in namespace ${podNamespace} not found`);
    return { podResources: podMessage(source.manager, pod) };
  });
  return { List: list, GetAllocatableResources: allocatable, Get: get };
}

function podMessage(manager: DeviceManager, pod: { key: string; namespace: string; name: string }): PodResourcesMessage {
  const devices = manager.assignmentsOf(pod.key).flatMap(({ resource, ids }) => byNode(manager, resource, ids));
  return { namespace: pod.namespace, name: pod.name, containers: [{ name: "main", devices, dynamicResources: [] }] };
}

/** One entry per set of NUMA nodes: readers have to merge. */
function byNode(manager: DeviceManager, resource: string, ids: readonly string[]): ContainerDevicesMessage[] {
  const listed = new Map(manager.devices(resource).map((device) => [device.ID, device]));
  const entries = new Map<string, ContainerDevicesMessage>();
  for (const id of ids) {
    const topology = listed.get(id)?.topology ?? null;
    const key = JSON.stringify(topology);
    const entry = entries.get(key) ?? { resourceName: resource, deviceIds: [], topology };
    entry.deviceIds.push(id);
    entries.set(key, entry);
  }
  return [...entries.values()];
}
