// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { backoffDelayMs } from "../../runtime/backoff.ts";
import { AppError, isAppError, messageOf } from "../../runtime/errors.ts";
import type { LoopJob, RunAgain } from "../../runtime/jobs.ts";
import { type Bell, createBell } from "../bell.ts";
import type { Publication, PublicationChange, PublishedDevice } from "../port.ts";
import { register } from "../registration/register.ts";
import { probeSocket } from "../sockets.ts";
import { KUBELET_SOCKET } from "../wire.ts";
import { PluginCalls, pluginOptions } from "./calls.ts";
import { Instance } from "./instance.ts";
import { type DeviceList, deviceList, EMPTY_LIST, type StreamEnd, sameDevices } from "./list-stream.ts";
import type { ResourcePluginOptions } from "./resource-plugin-options.ts";

/** Between failed attempts; a new kubelet start ends the wait at once. */
const BACKOFF = { minMs: 25, maxMs: 5000, jitter: 0.5 };
/** Between registrations that are lost again and again; the first loss after a good one is answered at once. kubelet counts registrations. */
const LOSS_BACKOFF = { minMs: 25, maxMs: 1000, jitter: 0.5 };
/** After what should not happen at all: a step that throws. */
const JOB_BACKOFF = { minMs: 100, maxMs: 5000, jitter: 0.5 };
/** A registration that held this long was a good one. */
const STABLE_MS = 1000;

/**
 * One resource towards kubelet: at most one server at any moment, brought to what is wanted by one loop whose every step looks at the facts.
 *
 *   lost? ──► end the server, wait until it is gone ──► kubelet there? ──► serve under a new name ──► Register ──► stream open
 */
export class ResourcePlugin {
  readonly resource: string;
  readonly #options: ResourcePluginOptions;
  readonly #calls: PluginCalls;
  readonly #bell: Bell;
  readonly #job: LoopJob;
  readonly #unwatch: () => void;
  #wanted: DeviceList | null = null;
  /** As it is wanted, and as the instance is registered: without PreStart. */
  #isQuiet = false;
  #isRegisteredQuiet = false;
  #mostListed = 0;
  #instance: Instance | null = null;
  #isStarting = false;
  /** The newest kubelet start that was seen. */
  #seenKubelet: string | null = null;
  /** The kubelet start that the instance is, or is being, registered with. */
  #registeredWith: string | null = null;
  #registeredAtMs: number | null = null;
  /** Attempts that failed since one succeeded, and registrations in a row that did not hold. */
  #failures = 0;
  #losses = 0;
  #notBeforeMs = 0;
  #problem = "";
  #isClosed = false;

  constructor(resource: string, options: ResourcePluginOptions) {
    this.resource = resource;
    this.#options = options;
    this.#bell = createBell(options.clock);
    this.#calls = new PluginCalls({
      ...options,
      resource,
      kubelet: () => this.#registeredWith ?? "",
      isQuiet: () => this.#isRegisteredQuiet,
      listed: () => this.#wanted?.devices ?? null,
      mostListed: () => this.#mostListed,
      onCallEnd: () => {
        if (this.#calls.inFlight === 0) this.#changed("CallsEnded");
      },
    });
    this.#unwatch = options.watch.onChange(() => this.#look());
    const { registerMs, streamMs, drainMs } = options.limits;
    this.#job = options.jobs.loop(
      "kubelet-registration",
      // A step ends, waits, serves and registers: the sum of the bounds of these, doubled.
      { minIntervalMs: 0, everyMs: null, backoff: JOB_BACKOFF, boundMs: 2 * (registerMs + streamMs + drainMs + 10_000), startAwake: false },
      () => this.#step(),
    );
  }

  /** The list kubelet should have; null withdraws the resource. `isQuiet`: kubelet is to ask for no PreStart; another registration than one with it. */
  publish(devices: readonly PublishedDevice[] | null, isQuiet = false): void {
    const before = this.#wanted?.devices ?? null;
    if (devices !== null && isQuiet !== this.#isQuiet) {
      this.#isQuiet = isQuiet;
      this.#job.wakeNow();
    }
    if (before === devices || (before && devices && sameDevices(before, devices))) return;
    this.#wanted = devices && deviceList(devices);
    this.#mostListed = Math.max(this.#mostListed, devices?.length ?? 0);
    if (this.#wanted) this.#instance?.show(this.#wanted);
    if (before === null || devices === null) this.#job.wakeNow();
    this.#changed();
  }

  sendAgain(): void {
    this.#instance?.sendAgain();
  }

  get isWanted(): boolean {
    return this.#wanted !== null;
  }

  /** Nothing of it is left: no server, no call being answered. */
  get isGone(): boolean {
    return this.#wanted === null && this.#instance === null && !this.#isStarting && this.#calls.inFlight === 0;
  }

  publication(): Publication {
    const instance = this.#instance;
    return {
      resource: this.resource,
      serving: instance !== null || this.#isStarting,
      registered: this.#registeredAtMs !== null && instance?.isStreamOpen === true,
      kubelet: this.#registeredWith,
      callsInFlight: this.#calls.inFlight,
      inCalls: this.#calls.named,
      ids: instance?.ids() ?? [],
      problem: this.#problem,
      ...(this.#isRegisteredQuiet ? { isQuiet: true } : {}),
    };
  }

  /** Withdraws (empty list, bounded wait), ends the server and the loop. Repeatable. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.publish(null);
    this.#bell.ring();
    await this.#job.stop();
    await this.#end();
    this.#unwatch();
    const { limits } = this.#options;
    await this.#bell.until(() => this.#calls.inFlight === 0, Math.max(limits.allocateMs, limits.preStartMs));
  }

  /** A glance from the watch: cheap, and only here are files looked at. */
  #look(): void {
    this.#instance?.checkSocket();
    const kubelet = this.#options.watch.kubelet();
    const isNewKubelet = kubelet !== null && kubelet !== this.#seenKubelet;
    if (isNewKubelet) {
      this.#seenKubelet = kubelet;
      this.#failures = 0;
      this.#losses = 0;
      this.#notBeforeMs = 0;
    }
    this.#bell.ring();
    if (isNewKubelet || this.#isLost()) this.#job.wakeNow();
  }

  #isLost(): boolean {
    const instance = this.#instance;
    if (!instance) return false;
    const kubelet = this.#options.watch.kubelet();
    // A kubelet whose socket was removed goes on with the stream it has: only another kubelet is a loss.
    const isOtherKubelet = kubelet !== null && kubelet !== this.#registeredWith;
    const isOtherKind = this.#isQuiet !== this.#isRegisteredQuiet;
    return this.#isUnwanted() || instance.isSocketGone || instance.isStreamLost || isOtherKubelet || isOtherKind;
  }

  #isUnwanted(): boolean {
    return this.#wanted === null || this.#isClosed;
  }

  #changed(change: PublicationChange = "Serving"): void {
    this.#bell.ring();
    this.#options.onChange(change);
  }

  #onStream(ended: StreamEnd | null): void {
    if (ended) {
      this.#options.metrics.streamEnd(ended);
      this.#job.wake();
    }
    this.#changed();
  }

  async #step(): Promise<RunAgain | undefined> {
    if (this.#isLost()) await this.#end();
    if (this.#isUnwanted() || this.#instance) {
      this.#options.onChange("Serving");
      return undefined;
    }
    const kubelet = this.#options.watch.kubelet();
    if (kubelet === null) {
      this.#report("kubelet's socket is not there");
      // It may come back as the same file (a folder mounted again), which no watch calls a new kubelet.
      return { afterMs: this.#options.limits.pollMs };
    }
    const waitMs = this.#notBeforeMs - this.#options.clock.nowMs();
    if (waitMs > 0) return { afterMs: waitMs };
    try {
      await this.#attempt(kubelet);
      return this.#isLost() ? { afterMs: 0 } : undefined;
    } catch (thrown) {
      return await this.#failed(thrown);
    }
  }

  /** Serve, Register, and wait for the stream that kubelet opens once. Throws when any of them did not work out. */
  async #attempt(kubelet: string): Promise<void> {
    const { dir, clock, limits, log, metrics } = this.#options;
    await this.#options.ready();
    if ((await probeSocket(join(dir, KUBELET_SOCKET), clock)) !== "Listening") {
      throw new AppError("KUBELET_ABSENT", "no process listens on kubelet's socket");
    }
    if (this.#isUnwanted()) return;
    this.#registeredWith = kubelet;
    this.#isRegisteredQuiet = this.#isQuiet;
    const instance = await this.#serve();
    await this.#register(instance);
    metrics.registration("ok");
    const opened = await this.#bell.until(() => instance.isStreamOpen || this.#isLost(), limits.streamMs);
    if (!opened) throw new AppError("DEADLINE", `kubelet opened no stream within ${limits.streamMs} ms of Register`);
    if (this.#isLost()) return;
    this.#registeredAtMs = clock.nowMs();
    this.#failures = 0;
    this.#problem = "";
    log.info({ resource: this.resource, socket: instance.socketName }, "registered with kubelet");
    this.#changed();
  }

  /** A server start of its own, under a name never used before. */
  async #serve(): Promise<Instance> {
    const { dir, clock, names, wire } = this.#options;
    this.#isStarting = true;
    try {
      this.#instance = await Instance.start({
        dir,
        socketName: names.next(this.resource),
        clock,
        wire,
        calls: this.#calls.handlers,
        list: () => this.#wanted ?? EMPTY_LIST,
        onStream: ({ ended }) => this.#onStream(ended),
      });
      return this.#instance;
    } finally {
      this.#isStarting = false;
      this.#options.onChange("Serving");
    }
  }

  /** Register, ended at once when it became pointless; kubelet would dial a socket that is gone for 10 s. */
  async #register(instance: Instance): Promise<void> {
    const { dir, clock, wire, limits } = this.#options;
    const pointless = new AbortController();
    const state = { isOver: false };
    const watcher = this.#bell
      .until(() => state.isOver || this.#isLost(), limits.registerMs)
      .then(() => {
        if (!state.isOver && this.#isLost()) pointless.abort();
      });
    try {
      const { resource } = this;
      const { socketName } = instance;
      instance.beginRegister();
      const options = pluginOptions(this.#isRegisteredQuiet);
      await register({ dir, wire, clock, resource, socketName, options, registerMs: limits.registerMs, signal: pointless.signal });
    } finally {
      state.isOver = true;
      this.#bell.ring();
      await watcher;
    }
  }

  /** Ends the server; after an empty list when the resource is withdrawn. */
  async #end(): Promise<void> {
    const instance = this.#instance;
    if (!instance) return;
    const { clock, limits, log } = this.#options;
    if (this.#isUnwanted()) {
      instance.show(EMPTY_LIST);
      const isDrained = (): boolean => instance.hasShown(EMPTY_LIST) && this.#calls.inFlight === 0;
      const drained = await this.#bell.until(() => isDrained() || !this.#isUnwanted(), limits.drainMs);
      if (!drained) log.warn({ resource: this.resource, callsInFlight: this.#calls.inFlight }, "ended before kubelet took the empty list");
    }
    const heldMs = this.#registeredAtMs === null ? 0 : clock.nowMs() - this.#registeredAtMs;
    if (this.#registeredAtMs !== null) this.#afterLoss(heldMs);
    this.#registeredAtMs = null;
    if (!(await instance.close())) log.error({ resource: this.resource, socket: instance.socketName }, "streams of an ended registration stay open");
    this.#instance = null;
    this.#options.onChange("Serving");
  }

  #afterLoss(heldMs: number): void {
    const { clock, random, log } = this.#options;
    this.#losses = heldMs >= STABLE_MS ? 0 : this.#losses + 1;
    this.#notBeforeMs = clock.nowMs() + backoffDelayMs(LOSS_BACKOFF, this.#losses - 1, random);
    if (!this.#isUnwanted()) log.info({ resource: this.resource, heldMs: Math.round(heldMs) }, "registration lost");
  }

  async #failed(thrown: unknown): Promise<RunAgain | undefined> {
    const { clock, random, metrics, log } = this.#options;
    metrics.registration(isAppError(thrown) ? thrown.code : "Other");
    this.#failures += 1;
    const delayMs = backoffDelayMs(BACKOFF, this.#failures, random);
    this.#notBeforeMs = clock.nowMs() + delayMs;
    const isNews = this.#problem !== messageOf(thrown);
    if (isNews) log.warn({ resource: this.resource, err: thrown }, "registration failed");
    await this.#end();
    this.#report(messageOf(thrown));
    return { afterMs: delayMs };
  }

  #report(problem: string): undefined {
    if (this.#problem !== problem) {
      this.#problem = problem;
      this.#options.onChange("Serving");
    }
  }
}
