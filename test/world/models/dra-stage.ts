// SPDX-License-Identifier: Apache-2.0

import type { ClaimRef, NodeClaim } from "../../../src/domain/dra/claim.ts";
/** DRA's models on one clock, and a small agent beside them whose answers a test decides: what the tests of the models share. */
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { Pool, PoolDevice } from "../../../src/domain/dra/pool.ts";
import type { GivenDevice } from "../../../src/kubelet/dra/port.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { createDice } from "../life/dice.ts";
import { settle, Turnstile } from "../life/turnstile.ts";
import { ClaimController } from "./claim-controller.ts";
import { ClaimFolder } from "./claim-files-model.ts";
import { type ClaimPod, ClaimPod as Pod } from "./claim-pod.ts";
import { DraApi, type DraApiShape, PLAIN_DRA } from "./dra-api.ts";
import { draApiPorts } from "./dra-api-ports.ts";
import type { PreparedYes } from "./dra-calls.ts";
import { DraKubelet } from "./dra-kubelet.ts";
import { DraPluginModel } from "./dra-plugin-model.ts";
import { Fact } from "./fact.ts";
import { PLAIN_SCHEDULER, SchedulerModel, type SchedulerShape } from "./scheduler-model.ts";
import { WorldTime } from "./world-time.ts";

export const POOL = "node-1/pci0000-16";
export const FIRST = "0000:17:00.0";
export const SECOND = "0000:18:00.0";
export const LINK_FAILED_TAINT = { key: "teeio.dev/link-failed", value: "Spdm", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:00Z" } as const;

export function deviceOf(address: string, about: Partial<PoolDevice> = {}): PoolDevice {
  return { address, owner: address, attributes: {}, streams: 0, taints: [], bindsWhenSecured: false, ...about };
}

export function poolOf(devices: readonly PoolDevice[], streams: number | null = null): Pool {
  return { name: POOL, devices, streams };
}

export class DraStage {
  readonly time = new WorldTime();
  readonly turnstile = new Turnstile(this.time);
  readonly isReachable = new Fact(this.time, true);
  readonly api: DraApi;
  readonly folder: ClaimFolder;
  readonly process = { isRunning: true, isBlind: false, isCutOff: false, failsByPreStart: () => false };
  readonly kubelet: DraKubelet;
  readonly scheduler: SchedulerModel;
  readonly answered: PreparedYes[] = [];
  readonly fatal: unknown[] = [];
  /** Calls of kubelet, in order. */
  readonly calls: string[] = [];
  /** The agent refuses with it; empty: it does not. */
  refusal = "";
  /** The agent holds a call until it is over, and then says so. */
  waitsForEnd = false;
  #ended: (() => void)[] = [];

  constructor(shape: Partial<DraApiShape> = {}, scheduler: Partial<SchedulerShape> = {}) {
    this.api = new DraApi(this.time, { ...PLAIN_DRA, ...shape }, this.isReachable);
    this.folder = new ClaimFolder({ time: this.time, areWritable: new Fact(this.time, true), isTmpfs: true, spanOf: () => "span-1" });
    this.kubelet = new DraKubelet({
      api: this.api,
      kubelet: this.process,
      folder: this.folder,
      time: this.time,
      turnstile: this.turnstile,
      onProcessEnd: (_process, ended) => void this.#ended.push(ended),
      onPrepared: (_process, yes) => void this.answered.push(yes),
      onFatal: (thrown) => void this.fatal.push(thrown),
    });
    this.scheduler = new SchedulerModel(this.api, createDice(1), { ...PLAIN_SCHEDULER, ...scheduler });
    new ClaimController(this.api, 50);
  }

  /** One life of the agent: it writes a claim file, and gives what the claim was allocated. */
  agent(number = 1) {
    const ports = draApiPorts(this.api, number, this.turnstile);
    const files = this.folder.portOf(number, this.turnstile);
    const prepare = async (ref: ClaimRef, signal: AbortSignal): Promise<readonly GivenDevice[]> => {
      this.calls.push(`prepare ${ref.name}`);
      if (this.refusal !== "") throw new AppError("LINK_PENDING", this.refusal);
      if (this.waitsForEnd) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      if (this.waitsForEnd) throw new AppError("LINK_PENDING", "still waiting");
      const claim = await ports.claims.get(ref);
      if (claim === null) throw new AppError("UNKNOWN_DEVICE", "no such claim");
      await files.write({ ...ref, podClaimName: null, bootId: "boot-1", simulated: true, isVoid: false, devices: claim.devices.map(preparedOf) });
      return claim.devices.map(({ request, pool, device }) => ({ requests: [request], pool, device, cdiNames: [`teeio.dev/claim=${device}`] }));
    };
    const unprepare = async (ref: ClaimRef): Promise<void> => {
      this.calls.push(`unprepare ${ref.name}`);
      await files.remove(ref.uid);
    };
    const { time, turnstile, kubelet } = this;
    const plugin = new DraPluginModel({ process: number, time, turnstile, kubelet, handlers: { prepare, unprepare } });
    kubelet.attach(plugin);
    plugin.serve();
    return { ...ports, files, plugin };
  }

  killAgent(number = 1): void {
    this.turnstile.kill(number);
    for (const ended of this.#ended.splice(0)) ended();
    this.time.forget(number);
    this.api.forget(number);
    this.kubelet.forget(number);
  }

  killKubelet(): void {
    this.process.isRunning = false;
    this.kubelet.kill();
  }

  startKubelet(): void {
    this.process.isRunning = true;
    this.kubelet.start();
  }

  setReachable(isReachable: boolean): void {
    this.isReachable.set(isReachable);
    this.api.reachChanged();
  }

  addPod(name: string, asks: ConstructorParameters<typeof ClaimPod>[1]): ClaimPod {
    return this.api.addPod(new Pod(name, asks));
  }

  /** What the agent does when a link is secured, or could not be. */
  condition(uid: string, type: string, status: "True" | "False" = "True"): void {
    const claim = this.api.claims.get(uid)?.value;
    const lastTransitionTime = "2026-01-01T00:00:00Z";
    const conditions = [{ type, status, reason: "Test", message: "", lastTransitionTime }];
    this.api.changeClaim(uid, { conditions: (claim?.allocation?.devices ?? []).map(({ pool, device }) => ({ pool, device, conditions })) });
  }

  /** Lets time pass; everybody goes on meanwhile. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.time.nowMs + ms;
    do {
      await settle();
      while (this.turnstile.size > 0) {
        this.turnstile.release(this.turnstile.size);
        await settle();
      }
    } while (this.time.fireNext(untilMs));
  }
}

function preparedOf({ device, request, pool }: NodeClaim["devices"][number]) {
  const address = addressOfDraDevice(device) ?? device;
  return { address, request, pool, node: `/dev/vfio/devices/${device}`, epoch: "span-1", attributes: {} };
}
