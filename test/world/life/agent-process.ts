// SPDX-License-Identifier: Apache-2.0

import { type Agent, createAgent } from "../../../src/agent/agent.ts";
import type { AgentPorts } from "../../../src/agent/ports.ts";
import type { BindChange } from "../../../src/bind/port.ts";
import type { IntentView } from "../../../src/cluster/port.ts";
import type { BindEnd } from "../../../src/domain/binds/error.ts";
import type { Address, Holders, PciFunction } from "../../../src/domain/device.ts";
import type { HostView } from "../../../src/domain/host.ts";
import type { LinkWriteEnd } from "../../../src/domain/links/error.ts";
import type { HostLook } from "../../../src/host/port.ts";
import type { DevicePluginHandlers, PodResourcesView } from "../../../src/kubelet/port.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import type { SeamcallPort } from "../../../src/seamcall/port.ts";
import type { LinkWrite } from "../../../src/tsm/port.ts";
import { DriverHandle } from "../models/driver-handle.ts";
import { Fact } from "../models/fact.ts";
import { KernelOwnerHandle, KernelOwnerWatch } from "../models/kernel-owner-handle.ts";
import { boundOverlapped, linkOverlapped, OwnWrites, overlapped } from "../models/own-writes.ts";
import { PluginModel } from "../models/plugin-model.ts";
import type { Surroundings } from "./surroundings.ts";

/** One life of the agent: the real agent over ports that lead into the world, until it is killed or stopped. */
export class AgentProcess {
  readonly number: number;
  readonly startedMs: number;
  readonly startedTick: number;
  /** The intent as this process has been told it; null: not yet. */
  readonly intent: Fact<IntentView | null>;
  readonly agent: Agent;
  plugin: PluginModel | null = null;
  handle: DriverHandle<AgentProcess> | null = null;
  isStopping = false;
  /** What it has read of the proof file; it reads it once, when it starts. */
  proofsRead: readonly string[] = [];
  readonly #world: Surroundings<AgentProcess>;
  readonly #watch: KernelOwnerWatch | null;
  readonly #intentListeners = new Set<() => void>();
  readonly #writes = new OwnWrites();
  #kubelet = { incarnation: 0, sinceMs: 0 };
  /** The last search through all processes: searching is always dear here. */
  #search: { readonly atMs: number; readonly found: ReadonlyMap<Address, Holders> } | null = null;

  constructor(world: Surroundings<AgentProcess>, number: number) {
    this.#world = world;
    this.number = number;
    this.startedMs = world.time.nowMs;
    this.startedTick = world.time.tick;
    this.intent = new Fact<IntentView | null>(world.time, null);
    const { settleMs, observeEveryMs, isSimulated, kernelOwner } = world.shape;
    this.#watch = world.owner && new KernelOwnerWatch(world.owner);
    const driver = isSimulated ? "simulated" : kernelOwner ? "tdx_host" : "tdx_iommu";
    this.agent = createAgent(this.#ports(), { agent: { version: "0.1.0", specLevel: 1 }, driver, settleMs, observeEveryMs, logsChanges: true });
  }

  start(): void {
    const { api, time } = this.#world;
    if (this.#readsCheckpoint) this.agent.onPass(() => this.#notePods());
    void this.agent.start();
    api.watch(this.number, (view) => {
      time.after(this.number, this.#world.intentDelayMs, () => {
        this.intent.set(view, true);
        for (const listener of [...this.#intentListeners]) listener();
      });
    });
  }

  /** SIGTERM: withdraws and ends. `ended` is called when the process is gone. */
  stop(ended: () => void): void {
    this.isStopping = true;
    void this.agent.stop().then(ended, (thrown: unknown) => {
      // The last status may be lost with the API server; anything else is news.
      if (!(thrown instanceof AppError)) this.#world.witness.fatal(thrown);
      ended();
    });
  }

  get #readsCheckpoint(): boolean {
    return this.#world.shape.isStandalone && this.#world.shape.hasKubelet;
  }

  #notePods(): void {
    const pods = this.agent.pass()?.ground.view.pods;
    if (pods?.kind !== "Checkpoint") return;
    const seen = new Set([...pods.given.map(({ podUid }) => podUid), ...pods.forgotten]);
    for (const pod of this.#world.api.pods) if (seen.has(pod.key)) pod.knownTo = this.number;
  }

  #ports(): AgentPorts {
    const world = this.#world;
    const { time, turnstile, host, api, witness, dice } = world;
    const pass = <T>(point: Parameters<typeof turnstile.pass>[1], act: () => T): Promise<T> => turnstile.pass(this.number, point, act);
    return {
      clock: time.clockOf(this.number),
      random: () => dice.random(),
      log: silentLog,
      metrics: noMetrics,
      host: {
        observe: (look) => {
          const wasWritten = this.#writes.mark();
          return pass("host.observe", () => {
            const seen = this.#searched(look, overlapped(host.view(), wasWritten));
            const functions = seen.functions.map((fn) => (look?.wantsBinding(fn) ? { ...fn, binding: host.bindingOf(fn) } : fn));
            const view = { ...seen, functions };
            const held = view.functions.filter(({ holders }) => holders !== NOT_LOOKED && (holders.kind === "Unreadable" || holders.pids.length > 0));
            witness.looked(this, "host", new Set(held.map(({ address }) => address)));
            return view;
          });
        },
        bootId: () => pass("host.bootId", () => `boot-${host.bootId}`),
        observeFunction: (address) => {
          const wasWritten = this.#writes.mark();
          return pass("host.observeFunction", () => {
            const seen = host.viewOf(address);
            return seen === null ? null : { fn: boundOverlapped(seen.fn, wasWritten), slot: linkOverlapped(seen.slot, wasWritten) };
          });
        },
        linkRegisters: (address) => pass("host.linkRegisters", () => host.registersOf(address)),
        // Reads that begin while the write is made meet the kernel's lock.
        withoutTsm: (owner, work) => this.#writes.during(owner, work),
        onChange: (listener) => host.listen(this.number, listener),
      },
      links: { write: (write, signal) => this.#writeLink(write, signal) },
      binds: { change: (change, signal) => this.#changeDriver(change, signal) },
      openSeamcall: () => pass("seamcall.open", () => this.#open()),
      loads: world.loads ?? this.#watch,
      devicePlugins: world.shape.hasKubelet ? (handlers) => this.#plugins(handlers) : null,
      cdi: {
        sync: (resources) => pass("cdi.sync", () => world.writeSpecs(resources)),
      },
      proofs: {
        read: () =>
          pass("proofs.read", () => {
            this.proofsRead = world.proofs.lines ?? [];
            return world.proofs.lines;
          }),
        append: (lines) => pass("proofs.append", () => world.writeProofs([...(world.proofs.lines ?? []), ...lines])),
        replace: (lines) => pass("proofs.replace", () => world.writeProofs(lines)),
        close: () => undefined,
      },
      audit: {
        agent: `${this.number}/0`,
        sinceBootMs: () => time.nowMs,
        open: () => {
          world.audit.called(this.number);
          return pass("audit.open", () => world.audit.open(this.number));
        },
        append: (lines) => {
          world.audit.called(this.number);
          return pass("audit.append", () => world.audit.append(this.number, lines));
        },
        sync: () => pass("audit.sync", () => undefined),
        close: async () => undefined,
      },
      podResources: { observe: () => pass("podresources.observe", () => this.#podResources()) },
      pods: this.#readsCheckpoint
        ? { isLocal: true, observe: (domains, known) => pass("pods.observe", () => world.kubelet.checkpoint(domains, known)) }
        : { isLocal: false, observe: (domains) => pass("pods.observe", () => api.podsView(domains)) },
      intent: {
        current: () => this.intent.value,
        onChange: (listener) => {
          this.#intentListeners.add(listener);
          return () => void this.#intentListeners.delete(listener);
        },
      },
      status: {
        rate: api.isStandalone ? null : { burst: 3, everyMs: 5_000 },
        readLast: () => pass("status.readLast", () => api.readStatus()),
        write: (status) => pass("status.write", () => api.writeStatus(status)),
        event: () => undefined,
      },
      dra: world.dra?.portsOf(this.number) ?? null,
      onFatal: (thrown) => witness.fatal(thrown),
    };
  }

  /** The helper dies with the agent as long as its write has not begun. */
  #writeLink(write: LinkWrite, signal: AbortSignal): Promise<LinkWriteEnd> {
    const { turnstile, links } = this.#world;
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => resolve({ kind: "Unanswered", why: "the agent is stopping" }));
      const done = (end: LinkWriteEnd): void => void turnstile.pass(this.number, "tsm.write.answer", () => resolve(end));
      const isAlive = (): boolean => !signal.aborted && this.#world.isAlive(this);
      links.called(this, write.owner);
      turnstile.pass(this.number, "tsm.write", () => links.begin({ process: this, isAlive, write }, done)).catch(reject);
    });
  }

  #changeDriver(change: BindChange, signal: AbortSignal): Promise<BindEnd> {
    const { turnstile, drivers } = this.#world;
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => resolve({ kind: "Unanswered", why: "the agent is stopping" }));
      const done = (end: BindEnd): void => void turnstile.pass(this.number, "driver.write.answer", () => resolve(end));
      const isAlive = (): boolean => !signal.aborted && this.#world.isAlive(this);
      turnstile.pass(this.number, "driver.write", () => drivers.begin({ process: this, isAlive, change }, done)).catch(reject);
    });
  }

  #open(): SeamcallPort {
    const { module, isDriverReadable, writer, turnstile, owner } = this.#world;
    if (!isDriverReadable.value) throw new AppError("DRIVER_MISSING", "no driver");
    if (owner !== null && this.#watch !== null) return new KernelOwnerHandle(this.#world, this.number, { owner, watch: this.#watch });
    if (writer.value !== null && writer.value !== this.number) throw new AppError("WRITER_BUSY", "another process has it");
    writer.value = this.number;
    this.handle = new DriverHandle({ process: this, module, turnstile, world: this.#world });
    return this.handle;
  }

  #plugins(handlers: DevicePluginHandlers): PluginModel {
    const { time, turnstile, kubelet, witness } = this.#world;
    const { number: process } = this;
    const plugin = new PluginModel({ process, time, turnstile, kubelet, handlers, onPublish: (resources) => witness.published(this, resources) });
    this.plugin = plugin;
    kubelet.attach(process, () => plugin.servers.values());
    return plugin;
  }

  /**
   * Holders are shown only to a look that asks for those of some function. To one that may be told what was found up to a second ago, that is told.
   */
  #searched(look: HostLook | undefined, view: HostView): HostView {
    const nowMs = this.#world.time.nowMs;
    if (look !== undefined && !view.functions.some(look.wantsHolders)) return withHolders(view, () => NOT_LOOKED);
    const isNew = this.#search === null || look?.age !== "Recent" || nowMs - this.#search.atMs > MOST_AGE_MS;
    if (isNew) this.#search = { atMs: nowMs, found: new Map(view.functions.map((fn) => [fn.address, fn.holders])) };
    return withHolders(view, (fn) => this.#search?.found.get(fn.address) ?? fn.holders);
  }

  #podResources(): PodResourcesView {
    const { kubelet, shape, time, witness } = this.#world;
    if (!shape.hasKubelet) return { kind: "None" };
    if (!kubelet.isAnswering.value) return { kind: "Unreadable", why: "kubelet does not answer" };
    if (kubelet.incarnation !== this.#kubelet.incarnation) this.#kubelet = { incarnation: kubelet.incarnation, sinceMs: time.nowMs };
    witness.looked(this, "podresources", new Set());
    return { kind: "Read", allocatable: kubelet.allocatable(), pods: kubelet.listed(), kubeletSinceMs: this.#kubelet.sinceMs };
  }
}

/** How old a search may be that a look is told of instead of a new one (src/host/shared-scan.ts). */
const MOST_AGE_MS = 1_000;
const NOT_LOOKED: Holders = { kind: "Unreadable", why: "not looked for" };

function withHolders(view: HostView, holdersOf: (fn: PciFunction) => Holders): HostView {
  return { ...view, functions: view.functions.map((fn) => ({ ...fn, holders: holdersOf(fn) })) };
}
