// SPDX-License-Identifier: Apache-2.0

/**
 * kubelet's registration server as 1.37 behaves (pkg/kubelet/cm/devicemanager/plugin/v1beta1): clients are kept by (resource, socket path), the
 * plugin is dialled back inside Register, and a failed connect forgets *every* client of that pair, the living one too. That is how a second
 * Register on a live socket path wedges a resource: the old stream goes on, but its end is no longer noticed.
 */
import { join } from "node:path";
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { DEVICE_PLUGIN_VERSION, type DevicePluginWire, type Empty, type RegisterRequest } from "../../kubelet/wire.ts";
import type { Clock } from "../../runtime/clock.ts";
import { messageOf } from "../../runtime/errors.ts";
import type { DeviceManager } from "./device-manager.ts";
import { PluginClient } from "./plugin-client.ts";

/** One Register as it ended. */
export interface Registration {
  readonly resource: string;
  readonly endpoint: string;
  /** Of its options: kubelet is to ask before each start of a container. */
  readonly wantsPreStart: boolean;
  /** Empty: accepted. */
  readonly problem: string;
}

/** How Register is made to misbehave. Null refuses nothing; Hang never answers. */
export type RegisterFault = { readonly kind: "Refuse"; readonly message: string } | { readonly kind: "Hang" } | null;

export interface RegistrarOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly wire: DevicePluginWire;
  readonly manager: DeviceManager;
  readonly fault: () => RegisterFault;
  readonly onRegistration: (registration: Registration) => void;
  readonly onChange: () => void;
}

const UNKNOWN = 2;

export class Registrar {
  readonly #options: RegistrarOptions;
  /** resource → clients. Not a map by path: kubelet appends before it connects. */
  readonly #clients = new Map<string, PluginClient[]>();
  /** Every connection ever opened, also those that kubelet forgot: they end with the process. */
  readonly #connections = new Set<PluginClient>();
  #inFlight = 0;
  #maxInFlight = 0;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** The highest number of Registers that were being answered at once, of one resource or several. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  clients(resource: string): readonly PluginClient[] {
    return this.#clients.get(resource) ?? [];
  }

  /** The gRPC handler of Register. */
  readonly serve = (call: ServerUnaryCall<RegisterRequest, Empty>, callback: sendUnaryData<Empty>): void => {
    const cancelled = new AbortController();
    call.on("cancelled", () => cancelled.abort());
    this.#inFlight += 1;
    this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight);
    const { resourceName: resource, endpoint } = call.request;
    void this.#register(call.request, cancelled.signal)
      .then(
        () => "",
        (thrown: unknown) => messageOf(thrown),
      )
      .then((problem) => {
        this.#inFlight -= 1;
        this.#options.onRegistration({ resource, endpoint, wantsPreStart: call.request.options?.preStartRequired === true, problem });
        if (problem === "") callback(null, {});
        else callback({ code: UNKNOWN, details: problem });
      });
  };

  /** The process dies: every connection breaks. */
  close(): void {
    for (const client of this.#connections) client.close();
    this.#connections.clear();
    this.#clients.clear();
  }

  async #register(request: RegisterRequest, signal: AbortSignal): Promise<void> {
    const fault = this.#options.fault();
    if (fault?.kind === "Refuse") throw new Error(fault.message);
    if (fault?.kind === "Hang") await aborted(signal);
    if (request.version !== DEVICE_PLUGIN_VERSION) throw new Error(`requested API version "${request.version}" is not supported by kubelet`);
    if (!isExtendedResourceName(request.resourceName)) throw new Error(`the ResourceName "${request.resourceName}" is invalid`);
    await this.#connect(request.resourceName, join(this.#options.dir, request.endpoint), signal);
  }

  /** connectClient. */
  async #connect(resource: string, socketPath: string, signal: AbortSignal): Promise<void> {
    const { wire, clock, manager, onChange } = this.#options;
    const client = new PluginClient(resource, socketPath, { wire, clock });
    this.#connections.add(client);
    this.#clients.set(resource, [...this.clients(resource), client]);
    try {
      const options = await client.dial(signal);
      manager.connected(resource, client, options);
    } catch (thrown) {
      this.#forget(resource, socketPath);
      throw thrown;
    }
    onChange();
    // Not awaited: Register answers while the stream is being opened.
    setImmediate(() => void this.#run(client));
  }

  /** runClient: it disconnects the plugin that is registered under the pair by then, if there is one. */
  async #run(client: PluginClient): Promise<void> {
    const { manager, onChange } = this.#options;
    await client.run((message) => {
      manager.received(client.resource, message.devices);
      onChange();
    });
    const registered = this.clients(client.resource).find((candidate) => candidate.socketPath === client.socketPath);
    if (!registered) return;
    this.#forget(client.resource, client.socketPath);
    registered.close();
    this.#connections.delete(registered);
    manager.disconnected(client.resource, client.socketPath);
    onChange();
  }

  /** deregisterClient: all of the pair. */
  #forget(resource: string, socketPath: string): void {
    const others = this.clients(resource).filter((client) => client.socketPath !== socketPath);
    if (others.length > 0) this.#clients.set(resource, others);
    else this.#clients.delete(resource);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => reject(new Error("context canceled"));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

/** IsExtendedResourceName: qualified, not of kubernetes.io, not a quota's name. */
function isExtendedResourceName(name: string): boolean {
  const isQualified = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name);
  return isQualified && !name.includes("kubernetes.io/") && !name.startsWith("requests.");
}
