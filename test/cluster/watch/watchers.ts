// SPDX-License-Identifier: Apache-2.0

/** Our client and that of @kubernetes/client-node, driven alike: each watches one kind, without pauses, as a service account. */
import { join } from "node:path";
import { CustomObjectsApi, KubeConfig, ListWatch, Watch } from "@kubernetes/client-node";
import { serviceAccountAccess } from "../../../src/cluster/transport/api-access.ts";
import { createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { apiConfiguration } from "../../../src/cluster/transport/http-api.ts";
import { createReflector } from "../../../src/cluster/watch/reflector.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import type { FakeClock } from "../../support/fake-clock.ts";

export const KIND = { group: "teeio.dev", version: "v1alpha1", plural: "trustediommus" } as const;
const API_VERSION = `${KIND.group}/${KIND.version}`;
const PATH = `/apis/${API_VERSION}/${KIND.plural}`;

export interface Surroundings {
  /** `https://127.0.0.1:PORT` */
  readonly server: string;
  /** Holds `token` and `ca.crt`. */
  readonly folder: string;
  /** Ours goes by it, the library by `Date`. */
  readonly clock: FakeClock;
}

export interface Watcher {
  /** Names of objects, in the order in which they came. */
  readonly seen: readonly string[];
  /** Failures that it told of, or died of. */
  failures(): number;
  /** Typed APIs over the same client. */
  readonly api: CustomObjectsApi;
  stop(): Promise<void>;
}

export function startOurs({ server, folder, clock }: Surroundings): Watcher {
  const { hostname: host, port } = new URL(server);
  const client = createApiClient(serviceAccountAccess({ host, port }, folder, clock), clock);
  const seen: string[] = [];
  let failures = 0;
  const warn = (): void => {
    failures += 1;
  };
  const reflector = createReflector<string>({
    client,
    watched: { path: PATH, apiVersion: API_VERSION, query: {} },
    clock,
    random: () => 0,
    log: { ...silentLog, warn },
    select: (object) => (object as { metadata: { name: string } }).metadata.name,
    onChange: (_objects, keys) => void seen.push(...keys),
  });
  const stop = new AbortController();
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) await reflector.step(stop.signal);
  };
  const watching = watch();
  return {
    seen,
    failures: () => failures,
    api: new CustomObjectsApi(apiConfiguration(client, { deadlineMs: 10_000 })),
    async stop() {
      stop.abort();
      await watching;
      client.close();
    },
  };
}

export function startLibrary({ server, folder }: Surroundings): Watcher {
  const config = new KubeConfig();
  const tokenFile = { name: "tokenFile", config: { tokenFile: join(folder, "token") } };
  config.loadFromClusterAndUser({ name: "c", server, caFile: join(folder, "ca.crt"), skipTLSVerify: false }, { name: "u", authProvider: tokenFile });
  const api = config.makeApiClient(CustomObjectsApi);
  const seen: string[] = [];
  let failures = 0;
  const onFailure = (): void => {
    failures += 1;
  };
  const watch = new Watch(config);
  const once: Watch["watch"] = watch.watch.bind(watch);
  // What the informer does at the end of a watch is a promise that it leaves alone: when that fails, nothing goes on.
  watch.watch = (path, query, onEvent, done) => once(path, query, onEvent, (thrown) => void Promise.resolve(done(thrown)).catch(onFailure));
  const informer = new ListWatch(PATH, watch, () => api.listClusterCustomObject(KIND), false, undefined, undefined, {
    delayFn: async () => undefined,
  });
  informer.on("change", ({ metadata }) => void seen.push(metadata?.name ?? ""));
  informer.on("error", onFailure);
  informer.start().catch(onFailure);
  return { seen, failures: () => failures, api, stop: () => informer.stop() };
}
