// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { lstatOrNull } from "../sockets.ts";
import { UnixServer } from "../unix-server.ts";
import type { DevicePluginWire } from "../wire.ts";
import type { PluginCallHandlers } from "./calls.ts";
import { type DeviceList, type ListCall, ListStream, type StreamEnd } from "./list-stream.ts";

export interface InstanceOptions {
  readonly dir: string;
  /** A name that no server start ever used before. */
  readonly socketName: string;
  readonly clock: Clock;
  readonly wire: DevicePluginWire;
  readonly calls: PluginCallHandlers;
  /** What a new stream is shown first. */
  readonly list: () => DeviceList;
  /** A stream opened, ended, or took a list. `ended`: it was the registration's. */
  readonly onStream: (event: { readonly ended: StreamEnd | null }) => void;
}

/** Kubelet has one connection, with ListAndWatch open on it. */
const IDLE_MS = 10_000;

/** One server start: one socket, and the streams that kubelet opens on it. */
export class Instance {
  readonly socketName: string;
  readonly #options: InstanceOptions;
  readonly #path: string;
  readonly #streams = new Set<ListStream>();
  /** The stream that kubelet opened for the registration; null before. */
  #registered: ListStream | null = null;
  #isRegistering = false;
  #isSocketGone = false;
  #server: UnixServer | null = null;

  private constructor(options: InstanceOptions) {
    this.#options = options;
    this.socketName = options.socketName;
    this.#path = join(options.dir, options.socketName);
  }

  /** Resolves when kubelet can dial. @throws SOCKET_PATH_TOO_LONG · SOCKET_UNBINDABLE · DEADLINE */
  static async start(options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(options);
    const { dir, socketName, clock, wire, calls } = options;
    instance.#server = await UnixServer.start({
      dir,
      name: socketName,
      clock,
      idleMs: IDLE_MS,
      addServices: (server) => server.addService(wire.plugin, { ...calls, ListAndWatch: (call: ListCall) => instance.#open(call) }),
    });
    return instance;
  }

  /** From here on the first stream to open is the registration's: kubelet opens it within, or right after, Register. */
  beginRegister(): void {
    this.#isRegistering = true;
  }

  /** The registration's stream is open. Others come and go: nothing hangs on them. */
  get isStreamOpen(): boolean {
    return this.#registered !== null && !this.#registered.isEnded;
  }

  /** The registration's stream has ended; kubelet opens it once. */
  get isStreamLost(): boolean {
    return this.#registered?.isEnded === true;
  }

  get isSocketGone(): boolean {
    return this.#isSocketGone;
  }

  /** Looks whether the socket is still in the directory: unlinking it breaks no stream and notifies no process. */
  checkSocket(): void {
    if (!lstatOrNull(this.#path)?.isSocket()) this.#isSocketGone = true;
  }

  show(list: DeviceList): void {
    for (const stream of this.#streams) stream.show(list);
  }

  /** The registration's stream sends its list once more. */
  sendAgain(): void {
    this.#registered?.sendAgain();
  }

  /** Every open stream has shown exactly `list`. */
  hasShown(list: DeviceList): boolean {
    return [...this.#streams].every((stream) => stream.hasShown(list));
  }

  /** Every id that the reader of an open stream may believe in. */
  ids(): readonly string[] {
    return [...new Set([...this.#streams].flatMap((stream) => stream.ids()))].sort();
  }

  /** Ends all streams and calls and removes the socket. True when they are gone, false when they were not in time. Repeatable, never rejects. */
  close(): Promise<boolean> {
    return this.#server?.close() ?? Promise.resolve(true);
  }

  #open(call: ListCall): void {
    const stream = new ListStream(call, {
      onSent: () => this.#options.onStream({ ended: null }),
      onEnd: (cause) => {
        this.#streams.delete(stream);
        this.#options.onStream({ ended: stream === this.#registered ? cause : null });
      },
    });
    if (this.#isRegistering) this.#registered ??= stream;
    this.#streams.add(stream);
    stream.show(this.#options.list());
    this.#options.onStream({ ended: null });
  }
}
