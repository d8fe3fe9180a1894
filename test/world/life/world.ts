// SPDX-License-Identifier: Apache-2.0
import type { CdiOutcome, CdiResource } from "../../../src/kubelet/port.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { LoadsPort } from "../../../src/seamcall/port.ts";
import { ApiModel } from "../models/api-model.ts";
import { AuditDisk } from "../models/audit-disk.ts";
import type { PreparedYes } from "../models/dra-calls.ts";
import { DriverWriter } from "../models/driver-writer.ts";
import { Fact } from "../models/fact.ts";
import { HostModel } from "../models/host-model.ts";
import { KernelOwner } from "../models/kernel-owner.ts";
import { KubeletModel } from "../models/kubelet-model.ts";
import { LinkWriter } from "../models/link-writer.ts";
import { ModuleModel } from "../models/module-model.ts";
import type { WorldShape } from "../models/shape.ts";
import { WORLD, WorldTime } from "../models/world-time.ts";
import { AgentProcess } from "./agent-process.ts";
import { createDice, type Dice } from "./dice.ts";
import { DraWorld } from "./dra-world.ts";
import type { Surroundings } from "./surroundings.ts";
import { type Point, settle, Turnstile } from "./turnstile.ts";
import type { Witness } from "./witness.ts";

/** More calls than this without time moving: the agent goes round in circles. */
const CALLS_WITHOUT_REST = 3_000;

/** The whole node: the models, at most one agent process, and the time they share. */
export class World implements Surroundings<AgentProcess> {
  readonly shape: WorldShape;
  readonly time = new WorldTime();
  readonly turnstile = new Turnstile(this.time);
  readonly host: HostModel;
  readonly module: ModuleModel;
  /** Null: SETUP and CLEAR are the agent's to ask for. */
  readonly owner: KernelOwner | null;
  readonly links: LinkWriter<AgentProcess>;
  readonly drivers: DriverWriter<AgentProcess>;
  readonly api: ApiModel;
  readonly kubelet: KubeletModel;
  readonly isDriverReadable: Fact<boolean>;
  readonly dice: Dice = createDice(7);
  /** The one process that may write to the driver. */
  readonly writer: { value: number | null } = { value: null };
  /** CDI spec files, by name; they outlive processes. */
  readonly specs: { areWritable: Fact<boolean>; names: ReadonlySet<string>; nodes: ReadonlyMap<string, readonly string[]> };
  /** The proof file; it outlives processes, and here reboots, too: it must be known to be another boot's. */
  readonly proofs: { areWritable: Fact<boolean>; lines: readonly string[] | null };
  readonly audit: AuditDisk;
  readonly intentDelayMs: number;
  readonly witness: Witness<AgentProcess>;
  /** Null: no DRA in this world. */
  readonly dra: DraWorld | null;
  process: AgentProcess | null = null;
  /** When an agent was last stopped or let go on. */
  thawedMs = 0;
  /** The agent is killed as soon as it waits here. */
  killAt: Point | null = null;
  /** What the driver tells of watched loads; null: it is none that a kernel has of its own. A test's, who sees what it is told. */
  loads: LoadsPort | null = null;
  /** Where agents waited when they were killed. */
  readonly crashes: string[] = [];
  #processes = 0;
  #ended: (() => void)[] = [];
  /** When the agent last had nothing left to do, and the number of what had happened by then. */
  quiet = { tick: 0, ms: 0 };

  constructor(shape: WorldShape, witnessOf: (world: World) => Witness<AgentProcess>) {
    this.shape = shape;
    this.host = new HostModel(this.time, { units: shape.units, devices: shape.devices, streams: shape.streams, streamPool: shape.streamPool });
    this.module = new ModuleModel(this.time, {
      units: shape.units,
      info: {
        simulated: shape.isSimulated,
        realSetup: shape.realSetup,
        didUnreserved: shape.didUnreserved,
        honoursNotAfter: shape.honoursNotAfter,
      },
      latencyMs: shape.latencyMs,
      interruptions: shape.interruptions,
      ideOn: (regBase) => this.host.ideOn(regBase),
      isKernelOwned: shape.kernelOwner !== null,
    });
    this.links = new LinkWriter(this.time, this.host, () => this.witness);
    this.links.latencyMs = shape.linkMs;
    this.drivers = new DriverWriter(this.time, this.host, () => this.witness);
    this.drivers.latencyMs = shape.bindMs;
    this.api = new ApiModel(this.time, { isStandalone: shape.isStandalone, spec: shape.spec });
    this.kubelet = new KubeletModel(this.time, this.api.pods);
    this.kubelet.listDelayMs = shape.listDelayMs;
    this.kubelet.hasForeignPod = shape.hasForeignPod;
    this.isDriverReadable = new Fact(this.time, true);
    this.specs = { areWritable: new Fact(this.time, true), names: new Set(), nodes: new Map() };
    this.proofs = { areWritable: new Fact(this.time, true), lines: null };
    this.audit = new AuditDisk(this.time);
    this.intentDelayMs = shape.intentDelayMs;
    if (shape.isProcForeign) for (const fn of this.host.functions) fn.areHoldersReadable.set(false);
    this.host.isMute = shape.isMute;
    this.module.isMute = shape.isMute;
    this.witness = witnessOf(this);
    this.owner = this.#ownerOf(shape);
    this.dra = this.#draOf(shape);
  }

  #draOf({ dra }: WorldShape): DraWorld | null {
    const prepared = (yes: PreparedYes): void => {
      if (this.process !== null) this.witness.prepared(this.process, yes);
    };
    return dra === undefined ? null : new DraWorld(this, dra, { prepared, fatal: (thrown) => this.witness.fatal(thrown) });
  }

  #ownerOf({ kernelOwner, latencyMs }: WorldShape): KernelOwner | null {
    if (kernelOwner === null) return null;
    const setupBegins = (regBase: string): void => this.witness.setupBegins(this.process, regBase);
    return new KernelOwner({ ...kernelOwner, latencyMs }, { time: this.time, host: this.host, module: this.module, setupBegins });
  }

  isAlive(process: AgentProcess): boolean {
    return this.process === process;
  }

  startAgent(): void {
    this.#processes += 1;
    this.process = new AgentProcess(this, this.#processes);
    this.process.start();
  }

  /** Calls `ended` when the process is gone, however it goes. */
  onProcessEnd(process: number, ended: () => void): void {
    if (this.process?.number === process) this.#ended.push(ended);
  }

  /** kill -9: nothing that the process was doing goes on, but for what the kernel has begun. */
  killAgent(): void {
    const process = this.process;
    if (process === null) return;
    const points = new Set(this.turnstile.points(process.number));
    this.crashes.push(...(points.size > 0 ? points : ["timer"]));
    this.turnstile.kill(process.number);
    this.#gone(process);
  }

  /** The agent has come to where it is to be killed. */
  #springTrap(): void {
    if (this.killAt === null || this.process === null || !this.turnstile.points(this.process.number).includes(this.killAt)) return;
    this.killAt = null;
    this.killAgent();
  }

  /** SIGSTOP, or SIGCONT: the agent knows of neither. */
  freezeAgent(isFrozen: boolean): boolean {
    const number = isFrozen ? (this.process?.number ?? null) : null;
    if (this.turnstile.frozen === number) return false;
    this.turnstile.frozen = number;
    this.time.frozen = number;
    this.thawedMs = this.time.nowMs;
    return true;
  }

  stopAgent(): void {
    const process = this.process;
    if (process === null || process.isStopping) return;
    process.stop(() => {
      this.turnstile.kill(process.number);
      this.#gone(process);
    });
  }

  #gone(process: AgentProcess): void {
    const { number } = process;
    if (this.process === process) this.process = null;
    for (const ended of this.#ended.splice(0)) ended();
    this.time.forget(number);
    this.module.forget(number);
    this.host.forget(number);
    this.api.forget(number);
    this.kubelet.forget(number);
    this.dra?.forget(number);
    const release = (): void => {
      if (this.writer.value === number) this.writer.value = null;
    };
    if (this.shape.lingerMs === 0) release();
    else this.time.after(WORLD, this.shape.lingerMs, release);
  }

  /** One file per resource: all of it, or as it was. A device without any content makes its whole file invalid. */
  writeSpecs(resources: readonly CdiResource[]): CdiOutcome {
    const isInvalid = ({ devices }: CdiResource): boolean =>
      devices.some(({ deviceNodes, env }) => deviceNodes.length === 0 && Object.keys(env).length === 0);
    const unwritten = new Set(resources.filter((one) => !this.specs.areWritable.value || isInvalid(one)).map((one) => one.resource));
    const left = [...this.specs.names].filter((name) => !this.specs.areWritable.value || unwritten.has(name.split("=", 1)[0] ?? ""));
    const written = resources.filter(({ resource }) => !unwritten.has(resource));
    const anew = written.flatMap(({ resource, devices }) => devices.map((one) => [`${resource}=${one.id}`, one.deviceNodes] as const));
    this.specs.nodes = new Map([...left.map((name) => [name, this.specs.nodes.get(name) ?? []] as const), ...anew]);
    this.specs.names = new Set(this.specs.nodes.keys());
    if (!this.specs.areWritable.value) return this.specsInPlace(new AppError("CDI_UNWRITABLE", "the CDI folder is read-only"));
    return this.specsInPlace(unwritten.size > 0 ? new AppError("INVARIANT_BROKEN", "a device has nothing to edit a container with") : null);
  }

  specsInPlace(problem: AppError | null): CdiOutcome {
    return { problem, inPlace: this.specs.nodes, unreadable: [] };
  }

  writeProofs(lines: readonly string[]): void {
    if (!this.proofs.areWritable.value) throw new AppError("PROOF_UNWRITABLE", "the disk is full");
    this.proofs.lines = lines;
  }

  /** Lets everybody go on until nothing is left to do without time moving. */
  async rest(): Promise<void> {
    await settle();
    for (let calls = 0; ; ) {
      this.#springTrap();
      const { size } = this.turnstile;
      calls += size;
      if (calls > CALLS_WITHOUT_REST) throw new Error(`the agent made more than ${CALLS_WITHOUT_REST} calls in no time`);
      if (size > 0) this.turnstile.release(size);
      else if (!this.time.fireNext(this.time.nowMs)) break;
      await settle();
    }
    // Somebody who waits for a slow answer is not at rest: what he has read may be old.
    this.time.tick += 1;
    const isWaiting = this.turnstile.stalled !== null || this.turnstile.frozen !== null || (this.dra?.api.lookedFrom.size ?? 0) > 0;
    if (!isWaiting) this.quiet = { tick: this.time.tick, ms: this.time.nowMs };
  }

  /** Lets at most `count` calls through, and then holds everybody where they are. */
  async letThrough(count: number): Promise<void> {
    await settle();
    this.#springTrap();
    for (let left = count; left > 0 && this.turnstile.size > 0; left -= 1) {
      this.turnstile.release(1);
      await settle();
      this.#springTrap();
    }
  }

  /** Lets everybody go on until somebody waits at `point`, or nothing is left to do. */
  async letThroughTo(point: Point): Promise<void> {
    await settle();
    while (!this.turnstile.isWaiting(point)) {
      this.#springTrap();
      if (this.turnstile.size > 0) this.turnstile.release(1);
      else if (!this.time.fireNext(this.time.nowMs)) return;
      await settle();
    }
  }

  /** Moves time by `ms`; everybody goes on meanwhile, and rests at the end. */
  async advance(ms: number, atRest: () => void): Promise<void> {
    const untilMs = this.time.nowMs + ms;
    await this.rest();
    atRest();
    for (let dueMs = this.time.nextDueMs(); dueMs !== null && dueMs <= untilMs; dueMs = this.time.nextDueMs()) {
      this.time.fireNext(untilMs);
      await this.rest();
      atRest();
    }
    this.time.fireNext(untilMs);
    await this.rest();
    atRest();
  }

  /** Moves time while everybody is held where they are: reads grow old, timers fire. */
  async advanceHeld(ms: number): Promise<void> {
    const untilMs = this.time.nowMs + ms;
    while (this.time.fireNext(untilMs)) await settle();
    await settle();
  }
}
