// SPDX-License-Identifier: Apache-2.0
import { chmodSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { AppError } from "../runtime/errors.ts";
import { sameForTheSameCause } from "./errors.ts";
import { checkSocketPath } from "./sockets.ts";

export interface UnixServerOptions {
  /** Exists. */
  readonly dir: string;
  /** In the folder; there is nothing of this name yet. */
  readonly name: string;
  readonly clock: Clock;
  /** A connection without a call ends after so long; null: never, because kubelet holds it and takes its end for the plugin's. */
  readonly idleMs: number | null;
  /** Adds the services. */
  readonly addServices: (server: Server) => void;
}

/** Binding a local socket and ending local streams take milliseconds; more than this is a fault. */
const BIND_MS = 5000;
const CLOSE_MS = 3000;
/** Root only, whatever the umask: no other user has a reason to call. */
const SOCKET_MODE = 0o600;

/**
 * Kubelet's longest request names every device of a resource that is free, some 16 bytes each, or the claims of one pod; what is longer is refused by
 * its length, before it is received.
 */
const SERVER_LIMITS = {
  "grpc.max_receive_message_length": 256 * 1024,
  "grpc.max_concurrent_streams": 128,
  // Without it grpc-js 1.14.7 keeps no list of sessions, and forceShutdown ends none of them.
  "grpc.enable_channelz": 1,
};
/** Kubelet has one or two. What more connections bring along is not received at all. */
const MAX_CONNECTIONS = 8;

/** A gRPC server on a unix socket, from its start to its end. */
export class UnixServer {
  readonly #options: UnixServerOptions;
  readonly #path: string;
  readonly #server: Server;
  readonly #listener: NetServer;
  #closing: Promise<boolean> | null = null;

  private constructor(options: UnixServerOptions) {
    this.#options = options;
    this.#path = join(options.dir, options.name);
    const { idleMs } = options;
    this.#server = new Server({ ...SERVER_LIMITS, ...(idleMs === null ? {} : { "grpc.max_connection_idle_ms": idleMs }) });
    const { injectConnection } = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    // Of our own, because grpc-js bounds no connections.
    this.#listener = createServer(injectConnection);
    this.#listener.maxConnections = MAX_CONNECTIONS;
    options.addServices(this.#server);
  }

  /** Resolves when kubelet can dial. @throws SOCKET_PATH_TOO_LONG · SOCKET_UNBINDABLE · DEADLINE */
  static async start(options: UnixServerOptions): Promise<UnixServer> {
    checkSocketPath(join(options.dir, options.name));
    const server = new UnixServer(options);
    try {
      await server.#listen();
    } catch (thrown) {
      await server.close();
      throw thrown;
    }
    return server;
  }

  /**
   * Removes the socket from the path that it was made at, and ends all streams and calls: those that end by themselves within `graceMs` are not cut, so
   * that an answer which is on its way arrives. True when all are gone, false when they were not in time. Repeatable, never rejects.
   */
  close(graceMs = 0): Promise<boolean> {
    this.#closing ??= this.#shutDown(graceMs);
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

  async #shutDown(graceMs: number): Promise<boolean> {
    const closed = Promise.all([
      new Promise<void>((resolve) => this.#listener.close(() => resolve())),
      // tryShutdown tells when everything is closed, forceShutdown makes it happen now: it would wait for streams for ever.
      new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())),
    ]);
    if (graceMs > 0 && (await this.#within(closed, graceMs))) return true;
    this.#server.forceShutdown();
    return this.#within(closed, CLOSE_MS);
  }

  #within(closed: Promise<unknown>, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, () => resolve(false));
      void closed.then(() => {
        timer.stop();
        resolve(true);
      });
    });
  }
}
