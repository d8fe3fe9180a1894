// SPDX-License-Identifier: Apache-2.0
/** Metrics of the device plugins: what kubelet asked, and how the plugins were registered. */
import type { Metrics } from "../../runtime/metrics.ts";
import { STREAM_ENDS, type StreamEnd } from "./list-stream.ts";

export interface PluginMetrics {
  /** One answer to Allocate: ok, or the code of the error. */
  allocate(result: string): void;
  /** One attempt to register a resource with kubelet: ok, or the code of the error. */
  registration(result: string): void;
  /** One ListAndWatch stream ended. */
  streamEnd(cause: StreamEnd): void;
}

const ALLOCATE_RESULTS = ["ok", "NOT_OFFERED", "UNKNOWN_DEVICE", "DEADLINE", "SHUTTING_DOWN", "INVARIANT_BROKEN"] as const;
const REGISTRATION_RESULTS = ["ok", "REGISTER_REFUSED", "KUBELET_ABSENT", "DEADLINE", "SOCKET_UNBINDABLE"] as const;

export function pluginMetrics(metrics: Metrics): PluginMetrics {
  const allocate = metrics.counter({ name: "allocate_total", help: "Answers to kubelet's Allocate", labels: { result: ALLOCATE_RESULTS } });
  const registrations = metrics.counter({
    name: "registrations_total",
    help: "Attempts to register a resource with kubelet",
    labels: { result: REGISTRATION_RESULTS },
  });
  const streamEnds = metrics.counter({ name: "stream_ends_total", help: "Ended ListAndWatch streams", labels: { cause: STREAM_ENDS } });
  return {
    allocate: (result) => allocate({ result }),
    registration: (result) => registrations({ result }),
    streamEnd: (cause) => streamEnds({ cause }),
  };
}
