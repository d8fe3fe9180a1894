// SPDX-License-Identifier: Apache-2.0
import { chmodSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../../runtime/clock.ts";
import { withDeadline } from "../../runtime/deadline.ts";
import { AppError } from "../../runtime/errors.ts";
import { sameForTheSameCause } from "../errors.ts";
import { checkSocketPath, lstatOrNull } from "../sockets.ts";
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

/** Binding a local socket and ending local streams take milliseconds; more than this is a fault. */
const BIND_MS = 5000;
const CLOSE_MS = 3000;
/** Root only, whatever the umask: no other user has a reason to call. */
const SOCKET_MODE = 0o600;

/**
 * Kubelet has one connection, with ListAndWatch open on it. Its longest request names every device of the resource that is free, some 16 bytes each; what
 * is longer is refused by its length, before it is received. A connection without a call ends.
 */
const SERVER_LIMITS = {
  "grpc.max_receive_message_length": 256 * 1024,
  "grpc.max_concurrent_streams": 128,
  "grpc.max_connection_idle_ms": 10_000,
  // Without it grpc-js 1.14.7 keeps no list of sessions, and forceShutdown ends none of them.
  "grpc.enable_channelz": 1,
};
/** What more connections bring along is not received at all. */
const MAX_CONNECTIONS = 8;

/** One server start: one socket, and the streams that kubelet opens on it. */
export class Instance {
  readonly socketName: string;
  readonly #options: InstanceOptions;
  readonly #path: string;
  readonly #server = new Server(SERVER_LIMITS);
  readonly #listener: NetServer;
  readonly #streams = new Set<ListStream>();
  /** The stream that kubelet opened for the registration; null before. */
  #registered: ListStream | null = null;
  #isRegistering = false;
  #isSocketGone = false;
  #closing: Promise<boolean> | null = null;

  private constructor(options: InstanceOptions) {
    this.#options = options;
    this.socketName = options.socketName;
    this.#path = join(options.dir, options.socketName);
    const { injectConnection } = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    // Of our own, because grpc-js bounds no connections.
    this.#listener = createServer(injectConnection);
    this.#listener.maxConnections = MAX_CONNECTIONS;
    this.#server.addService(options.wire.plugin, { ...options.calls, ListAndWatch: (call: ListCall) => this.#open(call) });
  }

  /** Resolves when kubelet can dial. @throws SOCKET_PATH_TOO_LONG · SOCKET_UNBINDABLE · DEADLINE */
  static async start(options: InstanceOptions): Promise<Instance> {
    checkSocketPath(join(options.dir, options.socketName));
    const instance = new Instance(options);
    try {
      await instance.#listen();
    } catch (thrown) {
      await instance.close();
      throw thrown;
    }
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
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #listen(): Promise<void> {
    const bound = new Promise<void>((resolve, reject) => {
      this.#listener.once("error", (error) => reject(this.#unbindable(error)));
      this.#listener.listen(this.#path, resolve);
    });
    await withDeadline(bound, { clock: this.#options.clock, ms: BIND_MS, what: "listening on a plugin socket" });
    chmodSync(this.#path, SOCKET_MODE);
  }

  /** The system's words alone: the path has a name that only this start has. */
  #unbindable(error: Error): AppError {
    const [words = error.message] = /listen E[A-Z]+: [^/[\]]+/.exec(error.message) ?? [];
    const why = sameForTheSameCause(words.trim());
    return new AppError("SOCKET_UNBINDABLE", `a socket cannot be made in ${this.#options.dir}: ${why}`, { cause: error });
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

  async #shutDown(): Promise<boolean> {
    const { clock } = this.#options;
    const closed = Promise.all([
      new Promise<void>((resolve) => this.#listener.close(() => resolve())),
      // tryShutdown tells when everything is closed, forceShutdown makes it happen now: it would wait for streams for ever.
      new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())),
    ]);
    this.#server.forceShutdown();
    return new Promise((resolve) => {
      const timer = clock.after(CLOSE_MS, () => resolve(false));
      void closed.then(() => {
        timer.stop();
        resolve(true);
      });
    });
  }
}
