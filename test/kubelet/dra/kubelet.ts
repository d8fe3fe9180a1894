// SPDX-License-Identifier: Apache-2.0

/** Kubelet as a DRA plugin sees it (k8s.io/kubernetes v1.37.2 pkg/kubelet/pluginmanager and cm/dra/plugin), for tests: nothing is done by itself. */
import type { Client } from "@grpc/grpc-js";
import { loadDraWire, type NodeWatchResourcesResponse, type PluginInfo } from "../../../src/kubelet/dra/wire.ts";
import { type PendingCall, startUnary, unixClient } from "../../../src/kubelet/grpc-call.ts";

const { registration, plugin, health } = loadDraWire();

export interface TestClaim {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface Prepared {
  readonly claims: Readonly<Record<string, { readonly devices: readonly object[]; readonly error: string }>>;
}

export interface HealthStreamOfTest {
  readonly lists: NodeWatchResourcesResponse[];
  isEnded: boolean;
  cancel(): void;
}

/** One connection to the plugin, as kubelet holds it from the registration on. */
export interface TestKubelet {
  readonly info: PluginInfo;
  prepare(...claims: TestClaim[]): PendingCall<Prepared>;
  unprepare(...claims: TestClaim[]): PendingCall<Pick<Prepared, "claims">>;
  watch(): HealthStreamOfTest;
  /** The connection is cut, as by the end of kubelet. */
  close(): void;
}

/** What kubelet does when it finds a registration socket: asks, dials the endpoint, and tells. */
export async function registerAt(
  path: string,
  told: { pluginRegistered: boolean; error: string } = { pluginRegistered: true, error: "" },
): Promise<TestKubelet> {
  const client = unixClient(path);
  try {
    const info = await startUnary(client, registration.GetInfo, {}).answer;
    const kubelet = dial(info);
    await startUnary(client, registration.NotifyRegistrationStatus, told).answer;
    return kubelet;
  } finally {
    client.close();
  }
}

function dial(info: PluginInfo): TestKubelet {
  const client = unixClient(info.endpoint);
  return {
    info,
    prepare: (...claims) => startUnary(client, plugin.NodePrepareResources, { claims }) as PendingCall<Prepared>,
    unprepare: (...claims) => startUnary(client, plugin.NodeUnprepareResources, { claims }) as PendingCall<Prepared>,
    watch: () => watchHealth(client),
    close: () => client.close(),
  };
}

function watchHealth(client: Client): HealthStreamOfTest {
  const { path, requestSerialize, responseDeserialize } = health.NodeWatchResources;
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
  const stream: HealthStreamOfTest = { lists: [], isEnded: false, cancel: () => call.cancel() };
  const ended = (): void => {
    stream.isEnded = true;
  };
  call.on("data", (list: NodeWatchResourcesResponse) => void stream.lists.push(list));
  call.on("end", ended);
  call.on("error", ended);
  return stream;
}
