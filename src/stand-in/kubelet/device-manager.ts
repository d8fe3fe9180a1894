// SPDX-License-Identifier: Apache-2.0

/**
 * kubelet's device manager as 1.37 behaves, without gRPC, files or time of its own: what it believes about each resource, and how that belief
 * goes wrong. Modelled on pkg/kubelet/cm/devicemanager/manager.go of 1.37.2; names of the parts are kubelet's.
 */
import type { ContainerAllocateResponse, DeviceMessage, DevicePluginOptionsMessage } from "../../kubelet/wire.ts";
import type { Clock } from "../../runtime/clock.ts";

/** The plugin behind one socket, as the manager calls it. */
export interface PluginEndpoint {
  readonly socketPath: string;
  allocate(ids: readonly string[]): Promise<ContainerAllocateResponse | null>;
  preStart(ids: readonly string[]): Promise<void>;
  prefer(available: readonly string[], mustInclude: readonly string[], size: number): Promise<readonly string[]>;
}

interface EndpointInfo {
  readonly endpoint: PluginEndpoint | null;
  readonly options: DevicePluginOptionsMessage;
  stoppedAtMs: number | null;
}

interface Assignment {
  readonly pod: string;
  readonly resource: string;
  readonly ids: readonly string[];
  readonly answer: ContainerAllocateResponse;
}

/** What survives the death of the process: kubelet_internal_checkpoint. */
export interface Checkpoint {
  readonly assignments: readonly Assignment[];
  readonly resources: readonly string[];
}

export const NO_CHECKPOINT: Checkpoint = { assignments: [], resources: [] };

/** endpointStopGracePeriod: capacity stays this long after the last plugin of a resource went away. */
const STOP_GRACE_MS = 5 * 60_000;
const NO_OPTIONS: DevicePluginOptionsMessage = { preStartRequired: false, getPreferredAllocationAvailable: false };

export interface ResourceCount {
  readonly capacity: number;
  readonly allocatable: number;
}

export class DeviceManager {
  readonly #clock: Clock;
  /** The endpoint that is called: the newest one, or, after it left, an arbitrary other. */
  readonly #endpoints = new Map<string, EndpointInfo>();
  /** resource → socket path → endpoint. An entry left behind here is what wedges a resource. */
  readonly #store = new Map<string, Map<string, EndpointInfo>>();
  readonly #all = new Map<string, Map<string, DeviceMessage>>();
  readonly #healthy = new Map<string, Set<string>>();
  readonly #unhealthy = new Map<string, Set<string>>();
  readonly #lists = new Map<string, number>();
  #assignments: Assignment[];

  constructor(clock: Clock, checkpoint: Checkpoint) {
    this.#clock = clock;
    this.#assignments = [...checkpoint.assignments];
    for (const resource of checkpoint.resources) {
      this.#healthy.set(resource, new Set());
      this.#unhealthy.set(resource, new Set());
      this.#endpoints.set(resource, { endpoint: null, options: NO_OPTIONS, stoppedAtMs: clock.nowMs() });
    }
  }

  checkpoint(): Checkpoint {
    return { assignments: this.#assignments, resources: [...this.#healthy.keys()] };
  }

  /** PluginConnected. Throws when the path is known already: the caller then forgets both, but the old entry stays here for good. */
  connected(resource: string, endpoint: PluginEndpoint, options: DevicePluginOptionsMessage): void {
    const known = this.#store.get(resource) ?? new Map<string, EndpointInfo>();
    if (known.has(endpoint.socketPath)) throw new Error(`device plugin already connected: ${endpoint.socketPath}`);
    const info: EndpointInfo = { endpoint, options, stoppedAtMs: null };
    known.set(endpoint.socketPath, info);
    this.#store.set(resource, known);
    this.#endpoints.set(resource, info);
  }

  /** PluginDisconnected. Only the last endpoint's end makes the devices unhealthy. */
  disconnected(resource: string, socketPath: string): void {
    const known = this.#store.get(resource);
    const info = known?.get(socketPath);
    if (!known || !info) return;
    info.stoppedAtMs = this.#clock.nowMs();
    known.delete(socketPath);
    const [other] = known.values();
    if (other) {
      this.#endpoints.set(resource, other);
      return;
    }
    this.#store.delete(resource);
    const unhealthy = new Set([...(this.#unhealthy.get(resource) ?? []), ...(this.#healthy.get(resource) ?? [])]);
    if (this.#healthy.has(resource)) this.#healthy.set(resource, new Set());
    this.#unhealthy.set(resource, unhealthy);
  }

  /** PluginListAndWatchReceiver: the whole list, from whichever stream it comes. */
  received(resource: string, devices: readonly DeviceMessage[]): void {
    this.#lists.set(resource, this.lists(resource) + 1);
    this.#all.set(resource, new Map(devices.map((device) => [device.ID, device])));
    this.#healthy.set(resource, idsOf(devices.filter((device) => device.health === "Healthy")));
    this.#unhealthy.set(resource, idsOf(devices.filter((device) => device.health !== "Healthy")));
  }

  /** Lists that were taken, changed or not: the checkpoint is written for each. */
  lists(resource: string): number {
    return this.#lists.get(resource) ?? 0;
  }

  /** GetCapacity, with its side effect: resources whose grace is over are dropped. Null: the node does not show the resource. */
  count(resource: string): ResourceCount | null {
    const info = this.#endpoints.get(resource);
    const healthy = this.#healthy.get(resource);
    const unhealthy = this.#unhealthy.get(resource);
    if (!healthy && !unhealthy) return null;
    if (!info || (info.stoppedAtMs !== null && this.#clock.nowMs() - info.stoppedAtMs > STOP_GRACE_MS)) {
      this.#endpoints.delete(resource);
      this.#healthy.delete(resource);
      this.#unhealthy.delete(resource);
      return null;
    }
    return { capacity: (healthy?.size ?? 0) + (unhealthy?.size ?? 0), allocatable: healthy?.size ?? 0 };
  }

  resources(): string[] {
    return [...new Set([...this.#healthy.keys(), ...this.#unhealthy.keys()])].sort();
  }

  /** Devices of the newest list, healthy or not. */
  devices(resource: string): DeviceMessage[] {
    return [...(this.#all.get(resource)?.values() ?? [])];
  }

  /** GetAllocatableDevices: the healthy ones, in use or not. */
  allocatable(resource: string): string[] {
    return [...(this.#healthy.get(resource) ?? [])].filter((id) => this.#all.get(resource)?.has(id)).sort();
  }

  assignmentsOf(pod: string): readonly Assignment[] {
    return this.#assignments.filter((assignment) => assignment.pod === pod);
  }

  /** UpdateAllocatedDevices: devices of pods that are no longer active are free again. */
  freeInactive(activePods: ReadonlySet<string>): void {
    this.#assignments = this.#assignments.filter((assignment) => activePods.has(assignment.pod));
  }

  /** Admission of one container. Throws with kubelet's own words; what was assigned before stays assigned until the pod is inactive. */
  async allocate(pod: string, resource: string, count: number): Promise<void> {
    const ids = await this.#choose(pod, resource, count);
    const info = this.#endpoints.get(resource);
    if (!info) throw new Error(`unknown Device Plugin ${resource}`);
    if (!info.endpoint || info.stoppedAtMs !== null) throw new Error(`endpoint ${resource} has been stopped`);
    const answer = await info.endpoint.allocate(ids);
    if (!answer) throw new Error("no containers return in allocation response");
    this.#assignments = [...this.#assignments, { pod, resource, ids, answer }];
  }

  /** Before each container start, for each resource of the pod. Throws when the plugin refuses. */
  async preStart(pod: string): Promise<void> {
    for (const { resource, ids } of this.assignmentsOf(pod)) {
      const info = this.#endpoints.get(resource);
      if (!info) throw new Error(`endpoint not found in cache for a registered resource: ${resource}`);
      if (!info.options.preStartRequired) continue;
      if (!info.endpoint || info.stoppedAtMs !== null) throw new Error(`endpoint ${resource} has been stopped`);
      await info.endpoint.preStart(ids).catch((thrown: unknown) => {
        throw new Error(`device plugin PreStartContainer rpc failed with err: ${String(thrown)}`, { cause: thrown });
      });
    }
  }

  async #choose(pod: string, resource: string, count: number): Promise<string[]> {
    const healthy = this.#healthy.get(resource);
    if (!healthy) throw new Error(`cannot allocate unregistered device ${resource}`);
    if (healthy.size === 0) throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
    if (this.#assignments.some((assignment) => assignment.pod === pod && assignment.resource === resource))
      throw new Error(`${pod} was admitted before`);
    const used = new Set(this.#assignments.filter((assignment) => assignment.resource === resource).flatMap((assignment) => assignment.ids));
    const free = [...healthy].filter((id) => !used.has(id));
    if (free.length < count) {
      throw new Error(`requested number of devices unavailable for ${resource}. Requested: ${count}, Available: ${free.length}`);
    }
    const preferred = await this.#prefer(resource, free, count);
    const chosen = [...preferred.filter((id) => free.includes(id)), ...free];
    return [...new Set(chosen)].slice(0, count);
  }

  /** kubelet asks whenever the plugin offers it; the answer is a hint, an error fails the pod. */
  async #prefer(resource: string, free: readonly string[], count: number): Promise<readonly string[]> {
    const info = this.#endpoints.get(resource);
    if (!info?.endpoint || !info.options.getPreferredAllocationAvailable) return [];
    if (info.stoppedAtMs !== null) throw new Error(`endpoint ${resource} has been stopped`);
    return await info.endpoint.prefer(free, [], count);
  }
}

function idsOf(devices: readonly DeviceMessage[]): Set<string> {
  return new Set(devices.map((device) => device.ID));
}
