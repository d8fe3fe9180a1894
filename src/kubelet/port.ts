// SPDX-License-Identifier: Apache-2.0

/**
 * Kubelet as the agent sees it: one device plugin per resource (published from the offer), and podresources as a view.
 *
 *   agent.offer ──► DevicePluginPort ──► one server + socket per resource ──► kubelet
 *   agent.observe ◄── PodResourcesPort ◄── kubelet
 */
import type { Address } from "../domain/device.ts";
import type { RegBase } from "../domain/unit.ts";
import type { PodResourcesView, Publication } from "../domain/view.ts";
import type { AppError } from "../runtime/errors.ts";

export type { PodDevices, PodResourcesView, Publication } from "../domain/view.ts";

/** A device in a ListAndWatch list. Absent = withdrawn. */
export interface PublishedDevice {
  readonly id: Address;
  readonly healthy: boolean;
  /** Null: no topology hint. */
  readonly numaNode: number | null;
}

/** The whole list of one resource; `devices` may be empty. In order of id. */
export interface PublishedResource {
  readonly resource: string;
  readonly devices: readonly PublishedDevice[];
  /** Registered so that kubelet asks for no PreStart. */
  readonly isQuiet?: boolean;
}

/** What a container is given for one device. */
export interface AllocatedDevice {
  readonly id: Address;
  /** Environment in addition to what the plugin itself adds (PCI_RESOURCE_*); keys are unique per resource. */
  readonly env: Readonly<Record<string, string>>;
  /** Host paths of device nodes, same path in the container, permission "rw". */
  readonly deviceNodes: readonly string[];
  /** Fully qualified CDI names; empty when no CDI spec is served. */
  readonly cdiDevices: readonly string[];
}

/** Where a device is, for kubelet's preferred allocation. Null: unknown; an unknown unit is never taken to be the same as another. */
export interface Placement {
  readonly unit: RegBase | null;
  readonly numaNode: number | null;
}

/** The agent's side of kubelet's calls. Each rejects with an AppError, whose code becomes the gRPC status; each is bounded by the plugin. */
/** Kubelet names devices to a plugin. */
export interface DeviceCall {
  readonly resource: string;
  readonly ids: readonly Address[];
  /** The start of kubelet that calls, as in Publication. */
  readonly kubelet: string;
}

export interface DevicePluginHandlers {
  /** Asks the gate again, now, for every id; idempotent; fails closed. */
  allocate(call: DeviceCall): Promise<readonly AllocatedDevice[]>;
  /** Asks the gate again before each container start. */
  preStart(call: DeviceCall): Promise<void>;
  /** As the last pass saw it; null for a device that it did not see. */
  placementOf(id: Address): Placement | null;
}

/** `CallsEnded`: nothing but calls in flight, which are none again. It can come thousands of times a second. */
export type PublicationChange = "Serving" | "CallsEnded";

export interface DevicePluginPort {
  /**
   * Makes kubelet's picture match `resources`: serves a resource from its first appearance on, sends a list only when it changed, and stops
   * serving a resource that is no longer named. Returns at once; the work is the plugin's own loops'. Never two instances of a resource.
   */
  publish(resources: readonly PublishedResource[]): void;
  publications(): readonly Publication[];
  /** Sends every open stream of kubelet its list once more: kubelet writes its device checkpoint for each list, changed or not. */
  sendAgain(): void;
  /** Calls `listener` when publications change. Returns the way to stop. */
  onChange(listener: (change?: PublicationChange) => void): () => void;
  /** Empty lists to every stream, waits (bounded) until sent, ends streams, removes sockets. Repeatable. */
  close(): Promise<void>;
}

export interface PodResourcesPort {
  observe(): Promise<PodResourcesView>;
}

/** A device as a CDI spec names it: kind = resource, name = id. */
export interface CdiDevice {
  readonly id: Address;
  /** Host paths of device nodes; none on a simulated host. */
  readonly deviceNodes: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CdiResource {
  readonly resource: string;
  readonly devices: readonly CdiDevice[];
}

export interface CdiPort {
  /** Makes the spec files name exactly these devices; called before they are offered. Unchanged specs are not written. Never rejects. */
  sync(resources: readonly CdiResource[]): Promise<CdiOutcome>;
}

export interface CdiOutcome {
  /** The first thing that went wrong; null when all files are as asked. */
  readonly problem: AppError | null;
  /** What our files name by now, as read back where a file is not as asked: CDI name → host paths of its device nodes. */
  readonly inPlace: ReadonlyMap<string, readonly string[]>;
  /** Files of ours that can be neither removed nor read. */
  readonly unreadable: readonly string[];
}
