// SPDX-License-Identifier: Apache-2.0

/**
 * Why transport and watch are ours (ARCHITECTURE, decision 26): five demands, each held against our client and against that of
 * @kubernetes/client-node. Ours meets them all, the library none. When a test about the library fails, the library has become better: then ours, or
 * a part of it, may go.
 */
import { rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";
import { TLS } from "../../support/tls.ts";
import { startTlsServer, type TlsServer } from "../tls-server.ts";
import { KIND, type Surroundings, startLibrary, startOurs, type Watcher } from "./watchers.ts";

const object = (name: string, resourceVersion: string): object => ({ metadata: { name, resourceVersion } });

let scratch: Scratch;
let clock: FakeClock;
let server: TlsServer;
let watcher: Watcher;
/** Open watches and how many lists there were. */
let watches: { readonly query: URLSearchParams; readonly response: ServerResponse }[];
let lists: number;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  scratch = createScratch();
  scratch.file("token", "one");
  scratch.file("ca.crt", TLS.ca);
  clock = createFakeClock();
  watches = [];
  lists = 0;
  server = await startTlsServer((response, { target }) => {
    response.setHeader("content-type", "application/json");
    const { pathname, searchParams: query } = new URL(target, "https://server");
    if (!pathname.endsWith(KIND.plural)) return void response.end("{}");
    if (query.has("watch")) {
      watches.push({ query, response });
      return response.flushHeaders();
    }
    lists += 1;
    response.end(JSON.stringify({ apiVersion: "teeio.dev/v1alpha1", metadata: { resourceVersion: "10" }, items: [object("listed", "1")] }));
  });
});

afterEach(async () => {
  await watcher.stop();
  await server.close();
  scratch.remove();
  vi.useRealTimers();
});

const until = (condition: () => boolean): Promise<void> => vi.waitFor(() => expect(condition()).toBe(true), { interval: 2, timeout: 10_000 });

async function watching(start: (surroundings: Surroundings) => Watcher): Promise<ServerResponse> {
  watcher = start({ server: server.url, folder: scratch.path, clock });
  await until(() => watches.length === 1);
  return (watches[0] as { response: ServerResponse }).response;
}

/** Whether there is a second watch before a failure was told after which ten requests went by without one. None of the two pauses between attempts. */
async function comesBack(): Promise<boolean> {
  await until(() => watches.length === 2 || watcher.failures() > 0);
  for (let i = 0; i < 10 && watches.length < 2; i++) await watcher.api.getClusterCustomObject({ ...KIND, plural: "others", name: "x" });
  return watches.length === 2;
}

type Demand = (start: (surroundings: Surroundings) => Watcher) => Promise<boolean>;

const DEMANDS: Record<string, Demand> = {
  async "notices an event that it cannot read"(start) {
    const stream = await watching(start);
    stream.write(`{"type":"ADDED","obj\n${JSON.stringify({ type: "ADDED", object: object("later", "12") })}\n`);
    await until(() => lists === 2 || watcher.failures() > 0 || watcher.seen.includes("later"));
    return lists === 2 || watcher.failures() > 0;
  },

  async "asks for bookmarks and for an end of each watch"(start) {
    await watching(start);
    const query = watches[0]?.query;
    return query?.get("allowWatchBookmarks") === "true" && query.has("timeoutSeconds");
  },

  async "watches again after the connection broke"(start) {
    const stream = await watching(start);
    stream.socket?.destroy();
    return comesBack();
  },

  async "watches again after the token could not be read for a moment"(start) {
    const stream = await watching(start);
    await rm(join(scratch.path, "token"));
    await clock.advance(61_000);
    vi.setSystemTime(Date.now() + 61_000);
    stream.end();
    await until(() => watcher.failures() > 0);
    scratch.file("token", "two");
    return comesBack();
  },

  async "makes requests one after the other over one connection"(start) {
    await watching(start);
    const before = server.connections();
    for (let i = 0; i < 30; i++) await watcher.api.getClusterCustomObject({ ...KIND, plural: "others", name: "x" });
    // One, because the watch has the connection of before to itself.
    return server.connections() - before <= 1;
  },
};

describe.each([
  ["our client", startOurs, true],
  ["the client of the library", startLibrary, false],
] as const)("%s", (_name, start, meets) => {
  test("sees what is listed and what comes", async () => {
    const stream = await watching(start);
    stream.write(`${JSON.stringify({ type: "ADDED", object: object("later", "12") })}\n`);
    await until(() => watcher.seen.includes("later"));
    expect(watcher.seen).toEqual(["listed", "later"]);
    expect([lists, watches[0]?.query.get("resourceVersion")]).toEqual([1, "10"]);
  });

  test.each(Object.entries(DEMANDS))(meets ? "%s" : "does not what ours does: %s", async (_demand, holds) => {
    expect(await holds(start)).toBe(meets);
  });
});
