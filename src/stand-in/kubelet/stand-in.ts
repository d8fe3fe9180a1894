// SPDX-License-Identifier: Apache-2.0

/**
 * A kubelet to test and demonstrate with: the real protocols on real sockets, and 1.37's behaviour behind them, its faults included.
 *
 *   plugin ──Register──► registrar ──dial back──► plugin     registrar ──► device manager ◄── podresources server ◄── reader
 */
import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { KUBELET_SOCKET, loadDevicePluginWire, loadPodResourcesWire } from "../../kubelet/wire.ts";
import { type Clock, sleep } from "../../runtime/clock.ts";
import { messageOf } from "../../runtime/errors.ts";
import { createSerialQueue } from "../../runtime/serial.ts";
import { type Checkpoint, DeviceManager, NO_CHECKPOINT } from "./device-manager.ts";
import { podResourcesHandlers } from "./pod-resources-server.ts";
import { Registrar, type Registration } from "./registrar.ts";
import type { KubeletStandIn, KubeletStandInOptions, PodRequest, PodState } from "./types.ts";
import { listenUnix, type UnixServer } from "./unix-server.ts";

/** Seen on 1.37: for about this long after a start podresources answers "success" and "no pods". */
const EMPTY_MS = 1000;

/** Starts a kubelet stand-in; resolves when both sockets are there. */
export async function startKubeletStandIn(options: KubeletStandInOptions): Promise<KubeletStandIn> {
  const standIn = new StandIn(options);
  await standIn.start();
  return standIn;
}

interface Process {
  readonly manager: DeviceManager;
  readonly registrar: Registrar;
  readonly startedAtMs: number;
  readonly servers: UnixServer[];
}

interface Pod {
  readonly key: string;
  readonly request: PodRequest;
  state: PodState;
  isTerminating: boolean;
}

class StandIn implements KubeletStandIn {
  readonly registrations: Registration[] = [];
  readonly faults: KubeletStandIn["faults"] = { register: null, podResources: "" };
  readonly #options: KubeletStandInOptions;
  readonly #clock: Clock;
  readonly #pluginWire = loadDevicePluginWire();
  readonly #podResourcesWire = loadPodResourcesWire();
  /** kubelet admits one pod at a time: a hanging Allocate holds all others up. */
  readonly #admission = createSerialQueue();
  readonly #listeners = new Set<() => void>();
  readonly #pods = new Map<string, Pod>();
  #checkpoint: Checkpoint = NO_CHECKPOINT;
  #process: Process | null = null;
  #uids = 0;

  constructor(options: KubeletStandInOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  async start(): Promise<void> {
    if (this.#process) return;
    const { dir, podResourcesSocket, clock, startMs = { podResources: 0, plugins: 0 } } = this.#options;
    const manager = new DeviceManager(clock, this.#checkpoint);
    const process: Process = { manager, registrar: this.#registrar(manager), startedAtMs: clock.nowMs(), servers: [] };
    this.#process = process;
    mkdirSync(dir, { recursive: true });
    mkdirSync(dirname(podResourcesSocket), { recursive: true });
    if (startMs.podResources > 0) await sleep(clock, startMs.podResources);
    process.servers.push(await listenUnix(podResourcesSocket, this.#podResourcesWire.lister, this.#podResourcesHandlers(process)));
    if (startMs.plugins > 0) await sleep(clock, startMs.plugins);
    // CleanupPluginDirectory: every socket directly in it, of whatever plugin; files and folders stay.
    for (const name of readdirSync(dir)) {
      if (lstatSync(join(dir, name)).isSocket()) rmSync(join(dir, name), { force: true });
    }
    process.servers.push(await listenUnix(join(dir, KUBELET_SOCKET), this.#pluginWire.registration, { Register: process.registrar.serve }));
    this.#changed();
  }

  async kill(): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = null;
    this.#checkpoint = process.manager.checkpoint();
    process.registrar.close();
    await Promise.all(process.servers.map((server) => server.kill()));
    this.#changed();
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(join(this.#options.dir, KUBELET_SOCKET), { force: true });
    rmSync(this.#options.podResourcesSocket, { force: true });
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  get maxRegistersInFlight(): number {
    return this.#process?.registrar.maxInFlight ?? 0;
  }

  count(resource: string): ReturnType<KubeletStandIn["count"]> {
    return this.#process?.manager.count(resource) ?? { capacity: 0, allocatable: 0 };
  }

  resources(): readonly string[] {
    return this.#process?.manager.resources() ?? [];
  }

  lists(resource: string): number {
    return this.#process?.manager.lists(resource) ?? 0;
  }

  devices(resource: string): ReturnType<KubeletStandIn["devices"]> {
    const listed = this.#process?.manager.devices(resource) ?? [];
    return listed.map((device) => ({
      id: device.ID,
      healthy: device.health === "Healthy",
      numaNodes: (device.topology?.nodes ?? []).map((node) => node.ID),
    }));
  }

  allocatable(resource: string): readonly string[] {
    return this.#process?.manager.allocatable(resource) ?? [];
  }

  cutStream(resource: string): void {
    for (const client of this.#process?.registrar.clients(resource) ?? []) client.cut();
  }

  admitPod(request: PodRequest): Promise<PodState> {
    return this.#admission.run(() => this.#admit(request));
  }

  async startContainer(namespace: string, name: string): Promise<PodState> {
    const pod = this.#pod(namespace, name);
    if (!this.#process || pod.state.phase === "Failed") return pod.state;
    try {
      await this.#process.manager.preStart(pod.key);
      pod.state = { ...pod.state, phase: "Running", message: "" };
    } catch (thrown) {
      // Not final: kubelet tries the container again with back-off.
      pod.state = { ...pod.state, phase: "Pending", reason: "PreStartContainer", message: messageOf(thrown) };
    }
    this.#changed();
    return pod.state;
  }

  terminatePod(namespace: string, name: string): void {
    this.#pod(namespace, name).isTerminating = true;
    this.#changed();
  }

  removePod(namespace: string, name: string): void {
    this.#pods.delete(`${namespace}/${name}`);
    this.#changed();
  }

  pods(): readonly PodState[] {
    return [...this.#pods.values()].map((pod) => pod.state);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #admit(request: PodRequest): Promise<PodState> {
    const { namespace, name, requests } = request;
    if (this.#pods.has(`${namespace}/${name}`)) throw new Error(`pod ${namespace}/${name} exists`);
    const manager = this.#process?.manager;
    if (!manager) throw new Error("kubelet is not running");
    this.#uids += 1;
    // The UID tells a pod from an earlier one of the same name, as in kubelet's checkpoint.
    const pod: Pod = { key: `${namespace}/${name}/${this.#uids}`, request, isTerminating: false, state: stateOf(request) };
    this.#pods.set(`${namespace}/${name}`, pod);
    manager.freeInactive(new Set([...this.#active(), pod].map(({ key }) => key)));
    try {
      for (const [resource, count] of Object.entries(requests)) await manager.allocate(pod.key, resource, count);
    } catch (thrown) {
      pod.state = {
        ...pod.state,
        phase: "Failed",
        reason: "UnexpectedAdmissionError",
        message: `Allocate failed due to ${messageOf(thrown)}, which is unexpected`,
      };
      this.#changed();
      return pod.state;
    }
    const answers = manager.assignmentsOf(pod.key);
    const ids = answers.flatMap((answer) => answer.ids).sort();
    const env = Object.assign({}, ...answers.map((answer) => answer.answer.envs)) as Record<string, string>;
    const cdiDevices = answers.flatMap((answer) => answer.answer.cdiDevices.map((device) => device.name));
    const deviceNodes = answers.flatMap((answer) => answer.answer.devices.map((device) => device.hostPath));
    pod.state = { ...pod.state, ids, env, cdiDevices, deviceNodes };
    return this.startContainer(namespace, name);
  }

  #registrar(manager: DeviceManager): Registrar {
    return new Registrar({
      dir: this.#options.dir,
      clock: this.#clock,
      wire: this.#pluginWire,
      manager,
      fault: () => this.faults.register,
      onRegistration: (registration) => {
        this.registrations.push(registration);
        this.#changed();
      },
      onChange: () => this.#changed(),
    });
  }

  #podResourcesHandlers(process: Process): ReturnType<typeof podResourcesHandlers> {
    const isReady = (): boolean => this.#clock.nowMs() - process.startedAtMs >= (this.#options.emptyMs ?? EMPTY_MS);
    return podResourcesHandlers({
      manager: process.manager,
      sourcesReady: isReady,
      activePods: () => (isReady() ? this.#active().map((pod) => ({ key: pod.key, namespace: pod.request.namespace, name: pod.request.name })) : []),
      problem: () => this.faults.podResources,
    });
  }

  /** Terminating pods are not active any more although their containers, or a VM they left behind, may still hold the device. */
  #active(): Pod[] {
    return [...this.#pods.values()].filter((pod) => !pod.isTerminating && pod.state.phase !== "Failed");
  }

  #pod(namespace: string, name: string): Pod {
    const pod = this.#pods.get(`${namespace}/${name}`);
    if (!pod) throw new Error(`no pod ${namespace}/${name}`);
    return pod;
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function stateOf({ namespace, name }: PodRequest): PodState {
  return { namespace, name, phase: "Pending", reason: "", message: "", ids: [], env: {}, cdiDevices: [], deviceNodes: [] };
}
