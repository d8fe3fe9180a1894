// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import type { ResourceCount } from "./device-manager.ts";
import type { RegisterFault, Registration } from "./registrar.ts";

export interface KubeletStandInOptions {
  /** The device plugin directory; created when missing. */
  readonly dir: string;
  readonly podResourcesSocket: string;
  /** For every delay and bound of kubelet's own. */
  readonly clock: Clock;
  /** How long podresources answers "success and empty" after a start; 1000 ms when not given. */
  readonly emptyMs?: number;
  /** Delays within a start: before the podresources socket, and from there to the wiped plugin directory. 0 when not given (1.37: 400 and 100 ms). */
  readonly startMs?: { readonly podResources: number; readonly plugins: number };
}

export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  /** resource → number of devices. */
  readonly requests: Readonly<Record<string, number>>;
}

export interface PodState {
  readonly namespace: string;
  readonly name: string;
  /** Failed is final (admission); Pending with a message is tried again (container start). */
  readonly phase: "Pending" | "Running" | "Failed";
  readonly reason: string;
  readonly message: string;
  readonly ids: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cdiDevices: readonly string[];
  readonly deviceNodes: readonly string[];
}

export interface ListedDevice {
  readonly id: string;
  readonly healthy: boolean;
  readonly numaNodes: readonly number[];
}

export interface KubeletStandIn {
  /** Every Register that was answered, in order; survives restarts. */
  readonly registrations: readonly Registration[];
  /** Set to make Register refuse or hang, or every podresources call fail with the text. */
  readonly faults: { register: RegisterFault; podResources: string };
  readonly isRunning: boolean;
  /** Highest number of Registers in flight at once since the last start. */
  readonly maxRegistersInFlight: number;
  start(): Promise<void>;
  /** As kill -9: connections break, sockets stay on disk, pods and the checkpoint survive. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Kills it and removes its sockets. */
  stop(): Promise<void>;
  /** What the node's status would show; zeros when kubelet is down or does not know the resource. */
  count(resource: string): ResourceCount;
  /** Resources kubelet knows, also without devices. */
  resources(): readonly string[];
  /** The newest list of a resource. */
  devices(resource: string): readonly ListedDevice[];
  /** How many lists of a resource it has taken since its start: kubelet writes its checkpoint for each. */
  lists(resource: string): number;
  /** GetAllocatableResources: healthy ids. */
  allocatable(resource: string): readonly string[];
  /** Breaks the ListAndWatch streams of a resource. kubelet never opens them again. */
  cutStream(resource: string): void;
  /** Admission (GetPreferredAllocation, Allocate) and first start (PreStartContainer), one pod at a time. Rejects when kubelet is down. */
  admitPod(request: PodRequest): Promise<PodState>;
  /** Starts the pod's container again: PreStartContainer only. */
  startContainer(namespace: string, name: string): Promise<PodState>;
  /** The pod is being deleted: podresources no longer shows it, whatever its processes do. */
  terminatePod(namespace: string, name: string): void;
  /** The pod is gone. */
  removePod(namespace: string, name: string): void;
  pods(): readonly PodState[];
  /** Called when anything above may have changed. Returns the way to stop. */
  onChange(listener: () => void): () => void;
}
