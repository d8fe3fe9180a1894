// SPDX-License-Identifier: Apache-2.0

/** What a world has beside its other models when DRA is in it, and the ports by which an agent reaches that. */
import type { DraPorts } from "../../../src/agent/ports.ts";
import type { NodePod } from "../../../src/domain/view.ts";
import type { DraHandlers, DraPluginPort } from "../../../src/kubelet/dra/port.ts";
import type { ApiModel } from "../models/api-model.ts";
import { ClaimController } from "../models/claim-controller.ts";
import { ClaimFolder } from "../models/claim-files-model.ts";
import type { ClaimPod } from "../models/claim-pod.ts";
import { DraApi } from "../models/dra-api.ts";
import { draApiPorts } from "../models/dra-api-ports.ts";
import type { PreparedYes } from "../models/dra-calls.ts";
import { DraKubelet } from "../models/dra-kubelet.ts";
import { DraPluginModel } from "../models/dra-plugin-model.ts";
import type { DraWorldShape } from "../models/dra-shape.ts";
import type { Fact } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { HostModel } from "../models/host-model.ts";
import type { KubeletModel } from "../models/kubelet-model.ts";
import type { ModuleModel } from "../models/module-model.ts";
import { SchedulerModel } from "../models/scheduler-model.ts";
import type { WorldShape } from "../models/shape.ts";
import type { WorldTime } from "../models/world-time.ts";
import { createDice } from "./dice.ts";
import type { Turnstile } from "./turnstile.ts";

/** What DRA's models meet of the rest of the world. */
export interface AroundDra {
  readonly shape: Pick<WorldShape, "isSimulated" | "resetsOnOpen">;
  readonly time: WorldTime;
  readonly turnstile: Turnstile;
  readonly host: HostModel;
  readonly module: ModuleModel;
  readonly api: ApiModel;
  readonly kubelet: KubeletModel;
  /** The folder of CDI specs. */
  readonly specs: { readonly areWritable: Fact<boolean> };
  onProcessEnd(process: number, ended: () => void): void;
}

/** Who is told of it. */
export interface DraTold {
  readonly prepared: (yes: PreparedYes) => void;
  readonly fatal: (thrown: unknown) => void;
}

export class DraWorld {
  readonly #world: AroundDra;
  readonly api: DraApi;
  readonly folder: ClaimFolder;
  readonly kubelet: DraKubelet;
  readonly scheduler: SchedulerModel;
  readonly #opened = new Map<ClaimPod, readonly HostFunction[]>();

  constructor(world: AroundDra, shape: DraWorldShape, told: DraTold) {
    const { time, turnstile, host, module, specs } = world;
    this.#world = world;
    this.api = new DraApi(time, shape.api, world.api.isReachable);
    world.api.isReachable.onSet = () => this.api.reachChanged();
    const spanOf = (address: string): string | null => module.find(host.find(address)?.regBase ?? "")?.trust.value ?? null;
    this.folder = new ClaimFolder({ time, areWritable: specs.areWritable, spanOf, isTmpfs: shape.isCdiTmpfs });
    this.kubelet = new DraKubelet({
      api: this.api,
      kubelet: world.kubelet,
      folder: this.folder,
      time,
      turnstile,
      onProcessEnd: (process, ended) => world.onProcessEnd(process, ended),
      onPrepared: (_process, yes) => told.prepared(yes),
      onFatal: told.fatal,
      onRun: (pod, isRunning) => this.#run(pod, isRunning),
    });
    world.kubelet.claims = this.kubelet;
    world.api.podsByClaims = () => this.podsSeen();
    this.scheduler = new SchedulerModel(this.api, createDice(11), shape.scheduler);
    new ClaimController(this.api, shape.controllerLagMs);
  }

  portsOf(process: number): DraPorts {
    const { time, turnstile } = this.#world;
    const plugin = (handlers: DraHandlers): DraPluginPort => {
      const made = new DraPluginModel({ process, time, turnstile, kubelet: this.kubelet, handlers });
      this.kubelet.attach(made);
      return made;
    };
    return { plugin, files: this.folder.portOf(process, turnstile), ...draApiPorts(this.api, process, turnstile), node: this.api.node };
  }

  forget(process: number): void {
    this.api.forget(process);
    this.kubelet.forget(process);
  }

  /** Kubelet is down by now, and no process runs, nor any VM. */
  reboot(): void {
    for (const pod of this.api.pods) pod.isVmStuck = false;
    for (const pod of [...this.#opened.keys()]) this.#close(pod);
    this.kubelet.reboot();
    this.folder.reboot();
  }

  /** Pods of this node whose extended resource is served by a claim. */
  podsSeen(): readonly NodePod[] {
    return this.api.pods.flatMap((pod) => {
      const claim = pod.extendedClaim === null ? null : this.api.claims.get(pod.extendedClaim);
      return pod.asSeen(this.api.node, claim?.value.name ?? null) ?? [];
    });
  }

  /** The VM of a pod with a claim has it open. */
  hasOpen(address: string): boolean {
    return this.openers(address).length > 0;
  }

  /** Pods whose VM has it open: of one that is over, a VM that does not end. */
  openers(address: string): readonly ClaimPod[] {
    return [...this.#opened].filter(([, functions]) => functions.some((fn) => fn.address === address)).map(([pod]) => pod);
  }

  /** A VM that had not ended with its container ends. False: it had. */
  endVm(pod: ClaimPod): boolean {
    pod.isVmStuck = false;
    if (pod.stage !== "Over" || !this.#opened.has(pod)) return false;
    this.#close(pod);
    return true;
  }

  #close(pod: ClaimPod): void {
    const { host } = this.#world;
    for (const fn of this.#opened.get(pod) ?? []) host.change(fn.opens, Math.max(0, fn.opens.value - 1), false);
    this.#opened.delete(pod);
  }

  /** The pod's VM opens what its container was given, or closes it. */
  #run(pod: ClaimPod, isRunning: boolean): void {
    const { host, shape } = this.#world;
    if (!isRunning && pod.isVmStuck) return;
    this.#close(pod);
    if (!isRunning) return;
    const found = pod.devices.map(({ address, node }) => (shape.isSimulated ? host.find(address) : host.behind(node ?? "")));
    const opened = found.filter((fn) => fn !== null);
    this.#opened.set(pod, opened);
    for (const fn of opened) {
      host.change(fn.opens, fn.opens.value + 1, false);
      if (shape.resetsOnOpen) host.reset(fn);
    }
  }
}
