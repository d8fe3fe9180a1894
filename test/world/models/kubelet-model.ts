// SPDX-License-Identifier: Apache-2.0
import type { NodePodsView } from "../../../src/domain/view.ts";
import type { PodDevices, PublishedDevice } from "../../../src/kubelet/port.ts";
import { Fact } from "./fact.ts";
import type { OtherPod } from "./other-plugin.ts";
import type { PluginServer } from "./plugin-model.ts";
import type { Pod } from "./pod.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

/** One resource as kubelet has it. Without a server (its stream ended) every device counts as unhealthy. */
export interface Endpoint {
  server: PluginServer | null;
  devices: readonly PublishedDevice[];
  /** As it registered. */
  readonly wantsPreStart: boolean;
  /** Since when it has no server. */
  stoppedMs: number;
}

/** endpointStopGracePeriod: for so long a plugin that is gone is remembered. */
const REMEMBERED_MS = 300_000;

/** For so long after a start podresources answers success, and empty. */
const EMPTY_AFTER_START_MS = 1_000;

const FOREIGN: PodDevices = { namespace: "ml", pod: "other", resource: "example.com/accelerator", ids: ["GPU-4711"] };

/** Another manager of the same process, which has its part of podresources. */
export interface ClaimManager {
  kill(): void;
  start(): void;
  look(): void;
  listed(): readonly PodDevices[];
}

/** kubelet's device manager and podresources, as version 1.37 behaves. */
export class KubeletModel {
  readonly endpoints = new Map<string, Endpoint>();
  /** How many lists it has taken, by resource. */
  readonly lists = new Map<string, number>();
  readonly #time: WorldTime;
  readonly #pods: readonly Pod[];
  #seesSinceMs = 0;
  #checkpoint: { readonly pod: Pod; readonly podUid: string; readonly resource: string; readonly ids: readonly string[] }[] = [];
  readonly #plugins = new Map<number, () => Iterable<PluginServer>>();
  readonly isReadable: Fact<boolean>;
  /** It runs and its podresources can be read. */
  readonly isAnswering: Fact<boolean>;
  isRunning = true;
  startedMs: number;
  /** Grows with each start: the identity of the podresources socket. */
  incarnation = 1;
  /** How long a list is on its way. */
  listDelayMs = 0;
  /** Another plugin has given one of its own devices to a pod. */
  hasForeignPod = false;
  /** It cannot reach its API server. */
  isCutOff = false;
  /** It started so: it knows of no pod. */
  isBlind = false;
  /** Pods of other plugins that have a function of this host. */
  readonly others: OtherPod[] = [];
  /** Registrations that will be refused. */
  refusals = 0;
  /** Null: no DRA in this world. */
  claims: ClaimManager | null = null;

  constructor(time: WorldTime, pods: readonly Pod[]) {
    this.#time = time;
    this.#pods = pods;
    this.startedMs = time.nowMs;
    this.isReadable = new Fact(time, true);
    this.isAnswering = new Fact(time, true);
  }

  /** A process whose servers look for this kubelet. */
  attach(process: number, servers: () => Iterable<PluginServer>): void {
    this.#plugins.set(process, servers);
  }

  /** The process is gone: its sockets close, and kubelet sees the streams end. */
  forget(process: number): void {
    this.#plugins.delete(process);
    for (const endpoint of this.endpoints.values()) if (endpoint.server?.process === process) this.#stopped(endpoint);
  }

  kill(): void {
    this.isRunning = false;
    this.isAnswering.set(false);
    const servers = [...this.endpoints.values()].flatMap(({ server }) => (server ? [server] : []));
    this.endpoints.clear();
    for (const server of servers) server.lost();
    for (const pod of this.#pods) {
      // What was not in the checkpoint is asked for again; containers that run go on.
      if (pod.stage === "Admitting") {
        pod.stage = "Waiting";
        pod.ids = [];
      }
      pod.isStarting = false;
    }
    this.claims?.kill();
  }

  start(): void {
    this.isRunning = true;
    this.isAnswering.set(this.isReadable.value);
    this.startedMs = this.#time.nowMs;
    this.incarnation += 1;
    this.isBlind = this.isCutOff;
    for (const servers of this.#plugins.values()) for (const server of servers()) server.lookForKubelet();
    this.claims?.start();
  }

  cutOff(isCutOff: boolean): boolean {
    this.isCutOff = isCutOff;
    if (!isCutOff && this.isBlind) {
      this.isBlind = false;
      this.#time.tick += 1;
      this.#seesSinceMs = this.#time.nowMs;
    }
    this.claims?.look();
    return true;
  }

  /** Why it is refused; null when the server is the resource's now. */
  register(server: PluginServer): string | null {
    if (!this.isRunning) return "kubelet's socket is not there";
    if (this.refusals > 0) {
      this.refusals -= 1;
      return "refused";
    }
    this.endpoints.set(server.resource, { server, devices: [], wantsPreStart: server.wantsPreStart, stoppedMs: 0 });
    return null;
  }

  /** A list is on its way from the server's newest stream. */
  deliver(server: PluginServer): void {
    const list = server.onTheWay.at(-1) ?? [];
    if (this.listDelayMs === 0) {
      server.handed(list);
      this.#take(server);
      return;
    }
    this.#time.after(WORLD, this.listDelayMs / 2, () => server.handed(list));
    this.#time.after(WORLD, this.listDelayMs, () => this.#take(server));
  }

  /** The stream's last list, taken before it is closed. */
  takeAll(server: PluginServer, last: readonly PublishedDevice[]): void {
    server.onTheWay.length = 0;
    server.onTheWay.push(last);
    this.#take(server);
  }

  streamEnded(server: PluginServer): void {
    const endpoint = this.endpoints.get(server.resource);
    if (endpoint?.server === server) this.#stopped(endpoint);
  }

  /**
   * It asks the plugin that it knows under the name before it starts a container with it, also one that has its device by DRA (kubernetes#141426), and
   * finds nothing that it gave it.
   */
  failsByPreStart(resource: string): boolean {
    const endpoint = this.endpoints.get(resource);
    if (endpoint?.wantsPreStart !== true) return false;
    return endpoint.server !== null || this.#time.nowMs - endpoint.stoppedMs < REMEMBERED_MS;
  }

  #stopped(endpoint: Endpoint): void {
    endpoint.server = null;
    endpoint.stoppedMs = this.#time.nowMs;
  }

  /** Devices that a pod could be given right now. */
  free(resource: string): readonly string[] {
    // Kubelet counts by resource: it would give one device away twice, under two names.
    const taken = new Set(this.#pods.filter((pod) => pod.isAlive && !pod.isForgotten && pod.resource === resource).flatMap((pod) => pod.ids));
    return this.healthy(resource).filter((id) => !taken.has(id));
  }

  /** Devices that kubelet believes healthy behind a stream that is open. */
  healthy(resource: string): readonly string[] {
    const endpoint = this.endpoints.get(resource);
    return endpoint?.server ? endpoint.devices.filter((device) => device.healthy).map((device) => device.id) : [];
  }

  setReadable(isReadable: boolean): boolean {
    const isNew = this.isReadable.set(isReadable);
    this.isAnswering.set(this.isRunning && isReadable);
    return isNew;
  }

  /** List of podresources: active pods only, and for a second after a start none at all. */
  listed(): readonly PodDevices[] {
    if (this.isBlind || this.#time.nowMs < this.startedMs + EMPTY_AFTER_START_MS) return [];
    const foreign = this.hasForeignPod ? [FOREIGN] : [];
    const ours = this.#pods
      .filter((pod) => pod.stage === "Held" && !pod.isTerminating && !pod.isForgotten)
      .map((pod) => ({ namespace: "default", pod: pod.name, resource: pod.resource, ids: pod.ids }));
    const others = this.others.map(({ listed, address, style, since, ...shown }): PodDevices => shown);
    return [...ours, ...foreign, ...others, ...(this.claims?.listed() ?? [])];
  }

  /** Since when List shows what is; just after a start it does not. */
  get showsSinceMs(): number {
    if (this.isBlind) return Number.POSITIVE_INFINITY;
    return Math.max(this.startedMs + EMPTY_AFTER_START_MS, this.isAnswering.sinceMs, this.#seesSinceMs);
  }

  allocatable(): readonly { readonly resource: string; readonly ids: readonly string[] }[] {
    const ours = [...this.endpoints.keys()].map((resource) => ({ resource, ids: this.healthy(resource) }));
    return [...ours, ...this.others.filter(({ claim }) => claim === undefined).map(({ resource, listed }) => ({ resource, ids: listed() }))];
  }

  /** Kubelet writes its device checkpoint: for each list, and when it has given something. One that knows no pod keeps what it has read. */
  write(): void {
    const isKept = (pod: Pod): boolean => pod.stage !== "Over" && !pod.isTerminating;
    if (!this.isBlind) this.#checkpoint = this.#checkpoint.filter(({ pod }) => isKept(pod));
    for (const pod of this.#pods) {
      const isWritten = this.#checkpoint.some((entry) => entry.pod === pod);
      if (pod.stage === "Held" && isKept(pod) && !isWritten) this.#checkpoint.push({ pod, podUid: pod.key, resource: pod.resource, ids: pod.ids });
    }
  }

  /** The checkpoint as its file has it, for a node without an API server, and the `known` pods that it has no more and that have a process. */
  checkpoint(domains: ReadonlySet<string>, known: ReadonlySet<string>): NodePodsView {
    const given = this.#checkpoint.filter(({ pod }) => !pod.isForgotten).map(({ podUid, resource, ids }) => ({ podUid, resource, ids }));
    const isNamed = (pod: Pod): boolean => given.some(({ podUid }) => podUid === pod.key);
    const forgotten = this.#pods.filter((pod) => known.has(pod.key) && pod.hasProcess && !isNamed(pod)).map(({ key }) => key);
    return { kind: "Checkpoint", domains, given, forgotten };
  }

  #take(server: PluginServer): void {
    const endpoint = this.endpoints.get(server.resource);
    const list = server.onTheWay.shift();
    if (!list || endpoint?.server !== server) return;
    this.#time.tick += 1;
    endpoint.devices = list;
    this.lists.set(server.resource, (this.lists.get(server.resource) ?? 0) + 1);
    this.write();
    server.took(list);
  }
}
