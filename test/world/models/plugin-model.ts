// SPDX-License-Identifier: Apache-2.0
import type { DevicePluginHandlers, DevicePluginPort, Publication, PublishedDevice, PublishedResource } from "../../../src/kubelet/port.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { WorldTime } from "./world-time.ts";

/** Kubelet, as a plugin's server sees it. */
export interface KubeletSide {
  readonly incarnation: number;
  readonly isRunning: boolean;
  /** Why it is refused; null when the server is the resource's now. */
  register(server: PluginServer): string | null;
  deliver(server: PluginServer): void;
  takeAll(server: PluginServer, last: readonly PublishedDevice[]): void;
  streamEnded(server: PluginServer): void;
}

export interface PluginParts {
  readonly process: number;
  readonly time: WorldTime;
  readonly turnstile: Turnstile;
  readonly kubelet: KubeletSide;
  readonly handlers: DevicePluginHandlers;
  readonly onPublish: (resources: readonly PublishedResource[]) => void;
}

export const REGISTER_AFTER_MS = 20;
const REGISTER_AGAIN_MS = 500;

/** One resource's server in one agent process. */
export class PluginServer {
  readonly resource: string;
  readonly process: number;
  readonly handlers: DevicePluginHandlers;
  readonly #parts: PluginParts;
  readonly #onChange: () => void;
  wanted: readonly PublishedDevice[] | null = null;
  /** It is to be registered, and was last registered, without PreStart. */
  #isQuiet = false;
  #isRegisteredQuiet = false;
  /** A stream to kubelet is open. */
  isOpen = false;
  /** Lists on the way to kubelet, oldest first. */
  readonly onTheWay: (readonly PublishedDevice[])[] = [];
  /** The newest list that the transport took, and those after it: what whoever reads the stream may believe, for all this side can tell. */
  #shown: (readonly PublishedDevice[])[] = [];
  /** The newest list that kubelet took from this server. */
  taken: readonly PublishedDevice[] = [];
  callsInFlight = 0;
  /** Devices that they name. */
  readonly inCalls: string[] = [];
  problem = "";
  #isStarting = false;
  /** The start of kubelet that it registered with. */
  #kubelet: string | null = null;

  constructor(resource: string, parts: PluginParts, onChange: () => void) {
    this.resource = resource;
    this.process = parts.process;
    this.handlers = parts.handlers;
    this.#parts = parts;
    this.#onChange = onChange;
  }

  /** It registers, or has sent a list that kubelet has not taken. */
  get isMoving(): boolean {
    return this.#isStarting || this.onTheWay.length > 0;
  }

  get isGone(): boolean {
    return this.wanted === null && !this.isOpen && !this.#isStarting && this.callsInFlight === 0;
  }

  publication(): Publication {
    const lists = this.isOpen ? this.#shown : [];
    return {
      resource: this.resource,
      serving: this.isOpen || this.#isStarting,
      registered: this.isOpen,
      kubelet: this.#kubelet,
      callsInFlight: this.callsInFlight,
      inCalls: [...this.inCalls],
      ids: [...new Set(lists.flatMap((list) => list.map((device) => device.id)))].sort(),
      problem: this.problem,
      ...(this.#isRegisteredQuiet ? { isQuiet: true } : {}),
    };
  }

  show(wanted: readonly PublishedDevice[] | null, isQuiet = false): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.wanted) && isQuiet === this.#isQuiet) return;
    this.wanted = wanted;
    this.#isQuiet = isQuiet;
    if (this.isOpen) this.#send(wanted ?? []);
    else this.lookForKubelet();
    this.#onChange();
  }

  /** Kubelet is to ask for PreStart, and was told that it need not, or the other way round: another registration. */
  get #isOtherKind(): boolean {
    return this.wanted !== null && this.#isQuiet !== this.#isRegisteredQuiet;
  }

  /** Kubelet asks it before each container with its resource. */
  get wantsPreStart(): boolean {
    return !this.#isRegisteredQuiet;
  }

  /** The list that kubelet has, once more. */
  sendAgain(): void {
    if (this.isOpen && this.onTheWay.length === 0) this.#send(this.taken);
  }

  /** Registers soon, when there is something to register and a kubelet to do it with. */
  lookForKubelet(afterMs = REGISTER_AFTER_MS): void {
    if (this.wanted === null || this.isOpen || this.#isStarting) return;
    this.#isStarting = true;
    this.#parts.time.after(this.process, afterMs, () => this.#register());
  }

  /** The stream ended: kubelet died, or dropped it. */
  lost(): void {
    this.isOpen = false;
    this.onTheWay.length = 0;
    this.taken = [];
    this.#shown = [];
    this.lookForKubelet();
    this.#onChange();
  }

  /** The transport took a list: it is out of this side's hands, and kubelet may not have looked at it yet. */
  handed(list: readonly PublishedDevice[]): void {
    const at = this.#shown.indexOf(list);
    if (at > 0) this.#shown = this.#shown.slice(at);
    this.#onChange();
  }

  /** Kubelet took a list. */
  took(list: readonly PublishedDevice[]): void {
    this.taken = list;
    if ((this.wanted === null || this.#isOtherKind) && this.onTheWay.length === 0) {
      this.#end();
      this.lookForKubelet();
    }
    this.#onChange();
  }

  called(ids: readonly string[]): void {
    this.callsInFlight += 1;
    this.inCalls.push(...ids);
  }

  ended(ids: readonly string[]): void {
    this.callsInFlight -= 1;
    for (const id of ids) this.inCalls.splice(this.inCalls.indexOf(id), 1);
    this.#onChange();
  }

  #register(): void {
    this.#isStarting = false;
    if (this.wanted === null) {
      this.#onChange();
      return;
    }
    this.#kubelet = String(this.#parts.kubelet.incarnation);
    this.#isRegisteredQuiet = this.#isQuiet;
    const refusal = this.#parts.kubelet.register(this);
    this.problem = refusal ?? "";
    if (refusal === null) {
      this.isOpen = true;
      this.#send(this.wanted);
    } else if (this.#parts.kubelet.isRunning) this.lookForKubelet(REGISTER_AGAIN_MS);
    this.#onChange();
  }

  #send(list: readonly PublishedDevice[]): void {
    this.onTheWay.push(list);
    this.#shown.push(list);
    this.#parts.kubelet.deliver(this);
  }

  #end(): void {
    this.isOpen = false;
    this.taken = [];
    this.#shown = [];
    this.#parts.kubelet.streamEnded(this);
  }
}

/** The device plugin port of one agent process, as its contract reads, towards the kubelet model. */
export class PluginModel implements DevicePluginPort {
  readonly servers = new Map<string, PluginServer>();
  readonly #parts: PluginParts;
  readonly #listeners = new Set<() => void>();
  #isClosed = false;

  constructor(parts: PluginParts) {
    this.#parts = parts;
  }

  publish(resources: readonly PublishedResource[]): void {
    if (this.#isClosed) return;
    this.#parts.onPublish(resources);
    for (const server of this.servers.values()) {
      if (!resources.some(({ resource }) => resource === server.resource)) server.show(null);
    }
    for (const { resource, devices, isQuiet } of resources) this.#server(resource).show(devices, isQuiet);
  }

  sendAgain(): void {
    for (const server of this.servers.values()) server.sendAgain();
  }

  publications(): readonly Publication[] {
    return [...this.servers.values()].filter((server) => !server.isGone).map((server) => server.publication());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#parts.turnstile.pass(this.#parts.process, "plugin.close", () => {
      for (const server of this.servers.values()) {
        server.wanted = null;
        if (server.isOpen) this.#parts.kubelet.takeAll(server, []);
      }
    });
  }

  #server(resource: string): PluginServer {
    const known = this.servers.get(resource);
    if (known) return known;
    const changed = (): void => {
      for (const listener of [...this.#listeners]) listener();
    };
    const server = new PluginServer(resource, this.#parts, changed);
    this.servers.set(resource, server);
    return server;
  }
}
