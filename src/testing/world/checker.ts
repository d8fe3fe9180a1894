// SPDX-License-Identifier: Apache-2.0

/**
 * The invariants I1 to I7, stated over the truth of the models and nothing else: nothing of the agent's own decisions is imported here. A fact
 * counts as known to the agent when it is older than the last moment at which the agent had nothing left to do.
 */
import type { PublishedResource } from "../../kubelet/port.ts";
import { messageOf } from "../../runtime/errors.ts";
import type { ClearTarget } from "../../seamcall/port.ts";
import type { AgentProcess } from "./agent-process.ts";
import { has } from "./capabilities.ts";
import { beginObjections, clearObjections } from "./clear-rules.ts";
import { type Objection, objections, type Question } from "./eligibility.ts";
import type { HostFunction } from "./host-function.ts";
import type { Pod } from "./pod.ts";
import { type Age, EVER, setupObjections } from "./setup-rules.ts";
import { specsInPlace } from "./spec-rules.ts";
import type { Point } from "./turnstile.ts";
import type { Witness, Yes } from "./witness.ts";
import type { World } from "./world.ts";

/** How long a loss that wakes nobody, or that meets an agent that is backing off, may go unnoticed beyond the agent's own timer. */
const NOTICE_SLACK_MS = 11_000;

/** A scan for holders may be so old when a device is given away. */
const SCAN_IS_GOOD_MS = 1_000;

/** What a look at the node reads beside the table. */
const SLOW_VIEWS: readonly Point[] = ["host.observe", "podresources.observe", "pods.observe", "cdi.sync", "status.write"];

export class Checker implements Witness {
  readonly violations: string[] = [];
  readonly #world: World;
  /** Healthy devices of the newest lists, per process. */
  #published = new Map<string, string>();
  #publisher = 0;
  /** Devices that were secured when SETUP of their unit began, as long as the link stays and the trust lasts. */
  readonly #securedBefore = new Set<string>();
  /** When a view last showed the unit busy. */
  readonly #busy = new Map<string, Age>();
  readonly #answeredMs = new Map<string, number>();
  #calls: { regBase: string; ms: number }[] = [];
  #specsBrokenMs = Number.NEGATIVE_INFINITY;
  /** What was checked how often: a check that never ran proves nothing. */
  readonly checked = { setup: 0, clear: 0, clearBegins: 0, specs: 0, resolved: 0, listed: 0, allocate: 0, preStart: 0, rest: 0 };

  constructor(world: World) {
    this.#world = world;
  }

  fatal(thrown: unknown): void {
    this.#violate("the program broke", messageOf(thrown));
  }

  /** Something that a quiet world should not look like. */
  complain(phase: string, what: string): void {
    this.#violate(`at rest ${phase}`, what);
  }

  setupIssued(process: AgentProcess, regBase: string): void {
    this.checked.setup += 1;
    const known = setupObjections(this.#world, process, regBase).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`SETUP of ${regBase}`, why);
    this.#pace(regBase, "SETUP");
  }

  setupBegins(_process: AgentProcess, regBase: string): void {
    for (const fn of this.#world.host.below(regBase)) {
      if (fn.isPresent.value && fn.link.value !== "Off") this.#securedBefore.add(fn.address);
    }
  }

  clearIssued(process: AgentProcess, target: ClearTarget): void {
    this.checked.clear += 1;
    const { regBase } = target;
    const evidence = { busy: this.#busy.get(regBase) ?? EVER, answeredMs: this.#answeredMs };
    const known = clearObjections({ world: this.#world, process, target, ...evidence }).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`CLEAR of ${regBase}`, why);
    this.#pace(regBase, "CLEAR");
  }

  clearBegins(process: AgentProcess, target: ClearTarget): void {
    this.checked.clearBegins += 1;
    if (!has("clearBegins")) return;
    for (const { why } of beginObjections({ world: this.#world, process, target })) this.#violate(`CLEAR of ${target.regBase} begins`, why);
  }

  published(process: AgentProcess, resources: readonly PublishedResource[]): void {
    if (this.#publisher !== process.number) this.#published = new Map();
    this.#publisher = process.number;
    const now = new Map<string, string>();
    for (const { resource, devices } of resources) {
      const rule = process.intent.value?.intent?.resources.find((one) => one.name === resource);
      if (rule?.ledger === "DRA" && process.intent.sinceTick < this.#world.quiet.tick) this.#violate(`list of ${resource}`, "another ledger has it");
      for (const { id } of devices.filter((device) => device.healthy)) {
        this.checked.listed += 1;
        if (now.has(id)) this.#violate(`list of ${resource}`, `${id} is also in the list of ${now.get(id)}`);
        now.set(id, resource);
        if (!this.#world.specs.names.has(`${resource}=${id}`)) this.#violate(`list of ${resource}`, `${id} has no CDI spec`);
        if (this.#published.get(id) === resource) continue;
        this.#refute(`list of ${resource}`, id, this.#against(process, id, resource), this.#world.quiet.tick);
      }
    }
    this.#published = now;
  }

  answered(process: AgentProcess, yes: Yes): void {
    const { call, resource, ids, arrivedTick, pod } = yes;
    this.#contents(yes);
    this.checked[call === "Allocate" ? "allocate" : "preStart"] += 1;
    for (const id of ids) {
      this.#refute(call, id, this.#against(process, id, resource, call), arrivedTick);
      const fn = this.#world.host.find(id);
      const unit = this.#world.module.find(fn?.regBase ?? "");
      if (unit?.state === "Clearing") this.#violate(call, `${id}: yes while its unit is being cleared`);
      // Whoever gave it away knows, whatever podresources shows meanwhile.
      const other = this.#world.api.pods.find((one) => one !== pod && one.stage === "Held" && !one.isTerminating && one.ids.includes(id));
      if (call === "Allocate" && other?.givenBy === process.number) this.#violate(call, `${id}: ${other.name} has it`);
      if (call === "Allocate") this.#scanned(id, arrivedTick);
      if (call === "Allocate" || has("slowStarts")) this.#answeredMs.set(id, this.#world.time.nowMs);
      if (call === "PreStart" && unit && pod.spans.get(id) !== unit.trust.value && unit.trust.sinceTick < arrivedTick)
        this.#violate(call, `${id}: ${pod.name} was given it in another span of trust`);
    }
  }

  /** Nobody has it open: so the agent must look, at most so long ago, before it gives a device away. */
  #scanned(id: string, arrivedTick: number): void {
    const fn = this.#world.host.find(id);
    if (!has("checkpoints") || fn === null || !fn.areHoldersReadable.value || fn.opens.value === 0) return;
    const isOld = fn.opens.sinceTick < arrivedTick && this.#world.time.nowMs - fn.opens.sinceMs > SCAN_IS_GOOD_MS;
    if (isOld) this.#violate("Allocate", `${id}: a process has it open`);
  }

  /** What is given is the device that was asked for, by its node and by its CDI name; what was given is still it. */
  #contents({ call, resource, ids, arrivedTick, pod, given }: Yes): void {
    const { host, shape, specs } = this.#world;
    for (const id of shape.isSimulated ? [] : ids) {
      const fn = host.find(id);
      const nodes = given === null ? pod.nodes.get(id) : given.find((one) => one.id === id)?.deviceNodes;
      if (fn === null || fn.node.sinceTick >= arrivedTick || !has("renumbers")) continue;
      if (nodes?.[0] !== fn.node.value) this.#violate(call, `${id}: it is ${fn.node.value}, and ${nodes?.[0] ?? "nothing"} is given`);
      const named = specs.nodes.get(`${resource}=${id}`);
      if (named !== undefined && named[0] !== fn.node.value) this.#violate(call, `${id}: it is ${fn.node.value}, and its CDI name gives ${named[0]}`);
    }
  }

  resolved(pod: Pod, functions: readonly HostFunction[]): void {
    this.checked.resolved += 1;
    const { process, specs, quiet } = this.#world;
    const isWatched = process !== null && !process.isStopping && process.intent.value !== null && process.startedTick < quiet.tick;
    if (!has("sandboxes") || !isWatched || !specs.areWritable.value) return;
    for (const fn of functions) {
      if (!pod.ids.includes(fn.address) && fn.node.sinceTick < quiet.tick)
        this.#violate("a new sandbox", `${pod.name} has opened ${fn.address} instead of ${pod.ids.join(" ")}`);
      this.#refute("a new sandbox", fn.address, this.#against(process, fn.address, pod.resource), quiet.tick);
    }
  }

  looked(_process: AgentProcess, view: "host" | "podresources"): void {
    const { host, kubelet, module, time } = this.#world;
    for (const { regBase } of module.units) {
      const below = host.below(regBase);
      const isBusyOnHost = host.isReadable.value && below.some((fn) => fn.isPresent.value && fn.isBusy);
      const isListed = below.some(({ address }) => kubelet.listed().some(({ ids }) => ids.includes(address)));
      if (view === "host" ? isBusyOnHost : isListed) this.#busy.set(regBase, { sinceMs: time.nowMs, sinceTick: time.tick });
    }
  }

  /** The agent has nothing left to do at this moment. */
  atRest(): void {
    this.checked.rest += 1;
    this.#forgetReleased();
    const { process, specs, time, turnstile } = this.#world;
    if (turnstile.frozen !== null) {
      this.#specsBrokenMs = time.nowMs;
      return;
    }
    if (turnstile.stalled !== null) this.#specsBrokenMs = time.nowMs;
    const isSlow = turnstile.stalled !== null;
    // A view that is slow to read delays no withdrawal that what can be read calls for.
    if (isSlow && !SLOW_VIEWS.includes(turnstile.stalled ?? "seamcall.list")) return;
    if (!specs.areWritable.value) this.#specsBrokenMs = time.nowMs;
    if (process === null || process.isStopping) return;
    for (const server of process.plugin?.servers.values() ?? []) {
      const what = `list of ${server.resource}`;
      for (const { id, healthy } of server.wanted ?? []) {
        if (healthy) this.#overdue({ what, id, against: this.#against(process, id, server.resource), isSlow });
      }
    }
    if (has("specContents")) this.#overdueSpecs(process, isSlow);
  }

  /** Specs of before the agent's start stay until it knows what is wanted. What cannot be written now is tried again. */
  #overdueSpecs(process: AgentProcess, isSlow: boolean): void {
    const { specs, turnstile } = this.#world;
    if (!specs.areWritable.value || turnstile.stalled === "cdi.sync" || process.intent.value === null) return;
    for (const spec of specsInPlace(this.#world)) {
      this.checked.specs += 1;
      const against = [...this.#against(process, spec.id, spec.resource), ...spec.wrong];
      this.#overdue({ what: `CDI spec of ${spec.resource}`, id: spec.id, against, isSlow });
    }
  }

  /** A device that is still in it although the agent has had the time to know better (I2). */
  #overdue({ what, id, against, isSlow }: { what: string; id: string; against: readonly Objection[]; isSlow: boolean }): void {
    const { time, shape } = this.#world;
    for (const one of against) {
      if (isSlow) {
        // Who waits for the host itself can only go by the table and the intent.
        if (one.isLoud && (one.isFast || this.#world.turnstile.stalled !== "host.observe"))
          this.#violate(what, `${id} is still in it while ${this.#world.turnstile.stalled} is slow: ${one.why}`);
        continue;
      }
      const isPrompt = one.isLoud && time.nowMs - this.#specsBrokenMs > NOTICE_SLACK_MS;
      const allowedMs = isPrompt ? 0 : shape.observeEveryMs + NOTICE_SLACK_MS;
      if (time.nowMs - one.sinceMs > allowedMs || (allowedMs === 0 && one.sinceTick < this.#world.quiet.tick))
        this.#violate(what, `${id} is still in it: ${one.why}`);
    }
  }

  #against(process: AgentProcess, address: string, resource: string, purpose: Question["purpose"] = "List"): readonly Objection[] {
    return objections({ world: this.#world, process, address, resource, purpose, isSecuredBefore: (one) => this.#isSecuredBefore(one) });
  }

  /** A virtual function has no link of its own. */
  #isSecuredBefore(address: string): boolean {
    return this.#securedBefore.has(this.#world.host.find(address)?.physical?.address ?? address);
  }

  #refute(what: string, id: string, against: readonly Objection[], knownTick: number): void {
    for (const one of against) if (one.sinceTick < knownTick) this.#violate(what, `${id}: ${one.why}`);
  }

  #forgetReleased(): void {
    for (const address of this.#securedBefore) {
      const fn = this.#world.host.find(address);
      const isOver = !fn?.isPresent.value || fn.link.value === "Off";
      const unit = this.#world.module.find(fn?.regBase ?? "");
      if (isOver || (unit?.trust.value === null && unit.state !== "SettingUp")) this.#securedBefore.delete(address);
    }
  }

  /** SEAMCALLs of one unit never come in a burst. */
  #pace(regBase: string, leaf: string): void {
    const { nowMs } = this.#world.time;
    this.#calls = this.#calls.filter((call) => nowMs - call.ms < 1_000);
    this.#calls.push({ regBase, ms: nowMs });
    if (this.#calls.filter((call) => call.regBase === regBase).length > 6) this.#violate(`${leaf} of ${regBase}`, "more than six within a second");
  }

  #violate(what: string, why: string): void {
    const process = this.#world.process?.number ?? 0;
    this.violations.push(`${this.#world.time.nowMs} ms, agent ${process}: ${what}: ${why}`);
  }
}
