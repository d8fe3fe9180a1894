// SPDX-License-Identifier: Apache-2.0
import { renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";

/** A gRPC server on a unix socket that dies as a killed process does. */
export interface UnixServer {
  /** Breaks every connection; the socket stays on disk, with no listener behind it. */
  kill(): Promise<void>;
}

/**
 * Listens on `path`, replacing what is there. Bound under another name and renamed: libuv unlinks the name it bound when a server closes, and a
 * killed kubelet leaves its socket behind.
 */
export async function listenUnix(path: string, service: ServiceDefinition, handlers: UntypedServiceImplementation): Promise<UnixServer> {
  // With channelz, which forceShutdown needs to know the sessions (grpc-js 1.14.7).
  const server = new Server();
  server.addService(service, handlers);
  const bound = join(dirname(path), `.${basename(path)}`);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${bound}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
  });
  renameSync(bound, path);
  return {
    kill: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        server.forceShutdown();
      }),
  };
}
