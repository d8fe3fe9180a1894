// SPDX-License-Identifier: Apache-2.0
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createDraPlugin } from "../../../src/kubelet/dra/plugin.ts";
import type { DeviceHealth } from "../../../src/kubelet/dra/port.ts";
import { identityOf, probeSocket } from "../../../src/kubelet/sockets.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createJobs } from "../../../src/runtime/jobs.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { until } from "../scene.ts";
import { registerAt } from "./kubelet.ts";
import { type DraScene, type DraSceneOptions, startDraScene, X } from "./scene.ts";

let scene: DraScene | null = null;
afterEach(async () => {
  await scene?.close();
  scene = null;
});

function startScene(options: DraSceneOptions = {}): DraScene {
  scene = startDraScene(options);
  return scene;
}

async function served(options: DraSceneOptions = {}): Promise<DraScene> {
  const s = startScene(options);
  s.plugin.serve();
  await until("served", s.isServed);
  return s;
}

const answersPrepare = async (s: DraScene): Promise<boolean> => (await (await s.register()).prepare(X).answer).claims[X.uid]?.error === "";

describe("a DRA plugin", () => {
  it("tells kubelet what it is, and is registered when kubelet says so", async () => {
    const s = await served();
    let changes = 0;
    const stop = s.plugin.onChange(() => {
      changes += 1;
    });
    expect(s.plugin.publication()).toEqual({ registered: false, inCalls: [], problem: "" });
    const { info } = await s.register();
    expect(info).toEqual({
      type: "DRAPlugin",
      name: "teeio.dev",
      endpoint: s.pluginSocket,
      supportedVersions: ["v1.DRAPlugin", "v1.DRAResourceHealth"],
    });
    expect(s.plugin.publication()).toEqual({ registered: true, inCalls: [], problem: "" });
    // A kubelet that has started anew asks again: nothing has changed.
    await s.register();
    expect(changes).toBe(1);
    stop();
    (await registerAt(s.registrationSocket, { pluginRegistered: false, error: "no" })).close();
    expect(changes).toBe(1);
  });

  it("says why kubelet refused it, until kubelet takes it", async () => {
    const s = await served();
    const refused = await registerAt(s.registrationSocket, { pluginRegistered: false, error: "none of the services is known" });
    refused.close();
    expect(s.plugin.publication()).toEqual({
      registered: false,
      inCalls: [],
      problem: "kubelet refused the DRA plugin: none of the services is known",
    });
    await s.register();
    expect(s.plugin.publication()).toEqual({ registered: true, inCalls: [], problem: "" });
  });

  it("serves nothing before it is told to, and is told again without effect", async () => {
    const s = startScene();
    expect([readdirSync(s.registryDir), existsSync(s.pluginDir)]).toEqual([[], false]);
    s.plugin.serve();
    s.plugin.serve();
    await until("served", s.isServed);
    expect(await answersPrepare(s)).toBe(true);
  });

  it("has the socket that kubelet dials before the one that kubelet finds, both for root alone", async () => {
    const s = await served();
    const modes = [s.registrationSocket, s.pluginSocket, s.pluginDir].map((path) => lstatSync(path).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600, 0o750]);
  });

  it("waits for kubelet's folder, and says so", async () => {
    const s = startScene({ registry: false });
    s.plugin.serve();
    await until("a problem", () => s.plugin.publication().problem === `kubelet's folder for plugins is not there: ${s.registryDir}`);
    mkdirSync(s.registryDir);
    await until("served", () => s.isServed() && s.plugin.publication().problem === "");
    expect(await answersPrepare(s)).toBe(true);
  });

  it("refuses folders whose sockets would have too long a path", () => {
    const jobs = createJobs({
      owner: "kubelet",
      clock: systemClock,
      log: silentLog,
      metrics: noMetrics,
      random: Math.random,
      onFatal: () => undefined,
    });
    const options = { driver: "teeio.dev", clock: systemClock, random: Math.random, log: silentLog, metrics: noMetrics, jobs };
    const handlers = { prepare: async () => [], unprepare: async () => undefined };
    const long = `/${"a".repeat(100)}`;
    for (const dirs of [
      { registryDir: long, pluginDir: "/p" },
      { registryDir: "/r", pluginDir: long },
    ])
      expect(() => createDraPlugin({ ...options, ...dirs, handlers })).toThrow(expect.objectContaining({ code: "SOCKET_PATH_TOO_LONG" }));
  });
});

describe("the sockets of a DRA plugin", () => {
  it("are removed when it closes, which can be repeated", async () => {
    const s = await served();
    await s.register();
    await Promise.all([s.plugin.close(), s.plugin.close()]);
    await s.plugin.close();
    expect([readdirSync(s.registryDir), readdirSync(s.pluginDir), s.plugin.publication().registered]).toEqual([[], [], false]);
    s.plugin.serve();
    expect(readdirSync(s.registryDir)).toEqual([]);
  });

  it("are made anew in the place of those that a killed run left behind", async () => {
    const s = await served();
    // As after kill -9: the other run's sockets are there, and it does not remove them.
    await s.plugin.close();
    for (const path of [s.registrationSocket, s.pluginSocket]) await leaveSocket(path);
    s.startAgain().serve();
    await until("served", s.isServed);
    expect(await answersPrepare(s)).toBe(true);
    expect(await probeSocket(s.pluginSocket, systemClock)).toBe("Listening");
  });

  it("come back when somebody removes them", async () => {
    const s = await served();
    await s.register();
    rmSync(s.registrationSocket);
    await until("not registered", () => !s.plugin.publication().registered);
    await until("back", s.isServed);
    expect(await answersPrepare(s)).toBe(true);
    rmSync(s.pluginDir, { recursive: true });
    await until("back", s.isServed);
    expect(await answersPrepare(s)).toBe(true);
  });

  it("take the place of a file that somebody put there", async () => {
    const s = await served();
    rmSync(s.registrationSocket);
    writeFileSync(s.registrationSocket, "");
    await until("back", s.isServed);
    expect(await answersPrepare(s)).toBe(true);
  });

  it("say what is in their way, and come when it is gone", async () => {
    const s = startScene();
    mkdirSync(join(s.registrationSocket, "full"), { recursive: true });
    s.plugin.serve();
    await until("a problem", () => s.plugin.publication().problem.startsWith(`${s.registrationSocket} is in the way and cannot be removed: `));
    rmSync(s.registrationSocket, { recursive: true });
    await until("served", () => s.plugin.publication().problem === "");
    expect(await answersPrepare(s)).toBe(true);
  });

  it("keep a call that is being answered while the other socket is made anew", async () => {
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const s = await served({ handlers: { prepare: () => gate.then(() => []) } });
    const kubelet = await s.register();
    const call = kubelet.prepare(X);
    await until("in calls", () => s.plugin.publication().inCalls.length === 1);
    const before = identityOf(s.registrationSocket);
    rmSync(s.registrationSocket);
    await until("back", () => s.isServed() && identityOf(s.registrationSocket) !== before);
    finish();
    expect(await call.answer).toEqual({ claims: { [X.uid]: { devices: [], error: "" } } });
  });
});

describe("kubelet's health stream", () => {
  const A: DeviceHealth = { pool: "n/pci0000-16", device: "0000-17-00-0", health: "Healthy", message: "" };
  const B: DeviceHealth = { ...A, device: "0000-18-00-0", health: "Unknown", message: "not read yet" };
  const message = (one: DeviceHealth, seconds: unknown = expect.any(Number)) => ({
    device: { poolName: one.pool, deviceName: one.device },
    health: one.health.toUpperCase(),
    lastUpdatedTime: seconds,
    healthCheckTimeoutSeconds: 0,
    message: one.message,
  });

  it("is told the whole list when it opens and when it changes, not when it is the same", async () => {
    const s = await served();
    const stream = (await s.register()).watch();
    s.plugin.health([A, B]);
    await until("first", () => stream.lists.length === 1);
    s.plugin.health([{ ...A }, { ...B }]);
    s.plugin.health([{ ...A, health: "Unhealthy", message: "link lost" }, B]);
    await until("second", () => stream.lists.length === 2);
    s.plugin.health([]);
    await until("third", () => stream.lists.length === 3);
    expect(stream.lists).toEqual([
      { devices: [message(A), message(B)] },
      { devices: [message({ ...A, health: "Unhealthy", message: "link lost" }), message(B)] },
      { devices: [] },
    ]);
    const late = (await s.register()).watch();
    await until("opened", () => late.lists.length === 1);
    expect(late.lists).toEqual([{ devices: [] }]);
  });

  it("is told everything again every 10 s, with the time, and nothing before anything is known", async () => {
    const clock = createFakeClock();
    const s = await served({ clock });
    const kubelet = await s.register();
    const stream = kubelet.watch();
    await clock.advance(10_000);
    s.plugin.health([A]);
    await until("first", () => stream.lists.length === 1);
    for (const count of [2, 3]) {
      await clock.advance(9999);
      // What the connection carried before this answer has been received.
      await kubelet.unprepare(X).answer;
      expect(stream.lists).toHaveLength(count - 1);
      await clock.advance(1);
      await until("again", () => stream.lists.length === count);
    }
    const seconds = stream.lists.flatMap(({ devices }) => devices.map(({ lastUpdatedTime }) => lastUpdatedTime));
    const first = Math.floor(Date.UTC(2026, 0, 1) / 1000);
    expect(seconds).toEqual([first + 10, first + 20, first + 30]);
  });

  it("may be cancelled, and ends when the plugin closes", async () => {
    const s = await served();
    s.plugin.health([A]);
    const kubelet = await s.register();
    const [cancelled, open] = [kubelet.watch(), kubelet.watch()];
    await until("opened", () => cancelled.lists.length + open.lists.length === 2);
    cancelled.cancel();
    await until("ended", () => cancelled.isEnded);
    s.plugin.health([B]);
    await until("changed", () => open.lists.length === 2);
    await s.plugin.close();
    await until("ended", () => open.isEnded);
    expect(cancelled.lists).toHaveLength(1);
  });
});

/** A socket that nobody listens on any more. */
function leaveSocket(path: string): Promise<void> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(`${path}.bound`, () => {
      // The listener removes the name that it was bound to; the socket stays under the other one.
      renameSync(`${path}.bound`, path);
      server.close(() => resolve());
    });
  });
}
