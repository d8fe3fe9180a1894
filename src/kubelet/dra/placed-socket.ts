// SPDX-License-Identifier: Apache-2.0
import { rmSync } from "node:fs";
import { join } from "node:path";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { identityOf } from "../sockets.ts";
import { UnixServer, type UnixServerOptions } from "../unix-server.ts";

/** For answers that are on their way. */
const GRACE_MS = 1000;

/**
 * A server under a name that kubelet knows. Unlike a device plugin's it has the same name each time: kubelet sees it come and go, and dials it anew.
 * What has the name when it begins was left by an earlier run, because one agent runs on a node.
 */
export class PlacedSocket {
  readonly path: string;
  readonly #options: UnixServerOptions;
  #server: UnixServer | null = null;
  #identity: string | null = null;

  constructor(options: UnixServerOptions) {
    this.#options = options;
    this.path = join(options.dir, options.name);
  }

  /** The socket at the path is the one that is served. One that was removed or replaced goes on for those who have dialled it, and nobody else. */
  get isInPlace(): boolean {
    return this.#server !== null && this.#identity !== null && identityOf(this.path) === this.#identity;
  }

  /** Serves anew: not in the place of the file that is there, or kubelet would not see it come. @throws SOCKET_PATH_TOO_LONG · SOCKET_UNBINDABLE · DEADLINE */
  async place(): Promise<void> {
    await this.close();
    try {
      rmSync(this.path, { force: true });
    } catch (thrown) {
      throw new AppError("SOCKET_UNBINDABLE", `${this.path} is in the way and cannot be removed: ${faultOf(thrown)}`, { cause: thrown });
    }
    this.#server = await UnixServer.start(this.#options);
    this.#identity = identityOf(this.path);
  }

  /** Ends calls and streams, removes the socket. False: not all of them in time. Repeatable, never rejects. */
  async close(): Promise<boolean> {
    const server = this.#server;
    this.#server = null;
    this.#identity = null;
    return (await server?.close(GRACE_MS)) ?? true;
  }
}
