// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { probeSocket } from "../../src/kubelet/sockets.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { DeviceManager, NO_CHECKPOINT, type PluginEndpoint } from "../../src/stand-in/kubelet/device-manager.ts";
import { startKubeletStandIn } from "../../src/stand-in/kubelet/stand-in.ts";
import type { KubeletStandIn } from "../../src/stand-in/kubelet/types.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { type NaivePlugin, type NaivePluginOptions, startNaivePlugin } from "./naive-plugin.ts";
import { device, GPU, startScene, until } from "./scene.ts";

let root = "";
let dir = "";
let kubelet: KubeletStandIn;
const plugins: NaivePlugin[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "ti-"));
  dir = join(root, "dp");
  kubelet = await startKubeletStandIn({ dir, podResourcesSocket: join(root, "pr", "kubelet.sock"), clock: systemClock, emptyMs: 0 });
});

afterEach(async () => {
  await Promise.all(plugins.splice(0).map((plugin) => plugin.crash()));
  await kubelet.stop();
  rmSync(root, { recursive: true, force: true });
});

async function naive(socketName: string, options: Partial<NaivePluginOptions> = {}): Promise<NaivePlugin> {
  const plugin = await startNaivePlugin({ dir, socketName, ids: ["a", "b"], ...options });
  plugins.push(plugin);
  return plugin;
}

async function untilAllocatable(count: number): Promise<void> {
  await until(`${count} allocatable`, () => kubelet.count(GPU).allocatable === count);
}

describe("a second Register on a live socket path", () => {
  it("wedges a naive plugin: refused, and after its death its devices stay allocatable", async () => {
    const plugin = await naive("naive.sock");
    expect(await plugin.register(GPU)).toBe("");
    await untilAllocatable(2);
    expect(await plugin.register(GPU)).toContain("already connected");
    await plugin.crash();
    const again = await naive("naive.sock");
    expect(await again.register(GPU)).toContain("already connected");
    await again.crash();
    expect(kubelet.count(GPU)).toEqual({ capacity: 2, allocatable: 2 });
    const pod = await kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    expect(pod).toMatchObject({ phase: "Failed", reason: "UnexpectedAdmissionError" });
  });

  it("stays wedged under another name, until kubelet restarts", async () => {
    const plugin = await naive("naive.sock");
    await plugin.register(GPU);
    await untilAllocatable(2);
    await plugin.register(GPU);
    await plugin.crash();
    const other = await naive("other.sock", { ids: ["c"] });
    expect(await other.register(GPU)).toBe("");
    await untilAllocatable(1);
    await other.crash();
    await until("the other's client is gone", () => kubelet.registrations.length === 3);
    expect(kubelet.count(GPU)).toEqual({ capacity: 1, allocatable: 1 });
    await kubelet.restart();
    expect(kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
  });

  it("never happens to our plugin, whatever is done to it", async () => {
    const scene = await startScene({ limits: { registerMs: 100 } });
    scene.plugins.publish([{ resource: GPU, devices: [device("a"), device("b")] }]);
    const offered = (): Promise<void> =>
      until("offered", () => scene.kubelet.count(GPU).allocatable === 2 && scene.plugins.publications()[0]?.registered === true);
    await offered();
    for (let round = 0; round < 3; round++) {
      scene.kubelet.cutStream(GPU);
      await until("lost", () => scene.kubelet.count(GPU).allocatable === 0 || scene.kubelet.registrations.length > round * 3 + 1);
      await offered();
      for (const name of readdirSync(scene.dir)) if (name.startsWith("tiommu-")) rmSync(join(scene.dir, name));
      await until("registered anew", () => scene.kubelet.registrations.length > round * 3 + 2);
      await offered();
      scene.kubelet.faults.register = { kind: "Hang" };
      scene.kubelet.cutStream(GPU);
      await until("given up", () => scene.kubelet.registrations.at(-1)?.problem !== "");
      scene.kubelet.faults.register = null;
      await offered();
    }
    expect(scene.kubelet.registrations.filter((registration) => registration.problem.includes("already connected"))).toEqual([]);
    expect(scene.kubelet.maxRegistersInFlight).toBe(1);
    await scene.plugins.close();
    expect(scene.kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
    await scene.close();
  });
});

describe("the kubelet stand-in", () => {
  it("removes every socket in the directory when it starts, and nothing else", async () => {
    await kubelet.kill();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(dir, "some.sock"), resolve));
    writeFileSync(join(dir, "kubelet_internal_checkpoint"), "{}");
    await kubelet.start();
    expect(readdirSync(dir).sort()).toEqual(["kubelet.sock", "kubelet_internal_checkpoint"]);
    await new Promise((resolve) => server.close(resolve));
  });

  it("leaves its socket on disk, with nobody behind it, when it is killed", async () => {
    const plugin = await naive("naive.sock");
    await plugin.register(GPU);
    await kubelet.kill();
    expect(await probeSocket(join(dir, "kubelet.sock"), systemClock)).toBe("Refused");
    expect(existsSync(join(root, "pr", "kubelet.sock"))).toBe(true);
  });

  it("shows zeros after a restart until the plugin registers again, and keeps its pods' devices", async () => {
    const scene = await startScene();
    scene.plugins.publish([{ resource: GPU, devices: [device("a"), device("b")] }]);
    await until("offered", () => scene.kubelet.count(GPU).allocatable === 2);
    expect((await scene.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } })).phase).toBe("Running");
    await scene.kubelet.kill();
    expect(scene.kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
    await scene.kubelet.start();
    await until("offered again", () => scene.kubelet.count(GPU).allocatable === 2);
    const second = await scene.kubelet.admitPod({ namespace: "ns", name: "second", requests: { [GPU]: 2 } });
    expect(second.message).toContain("Requested: 2, Available: 1");
    await scene.close();
  });

  it("refuses what kubelet refuses", async () => {
    const plugin = await naive("naive.sock");
    for (const name of ["gpu", "kubernetes.io/gpu", "requests.teeio.dev/gpu", "teeio.dev/a/b"])
      expect(await plugin.register(name)).toContain("invalid");
    const mute = await naive("mute.sock", { optionsProblem: "no options" });
    expect(await mute.register(GPU)).toContain("no options");
    expect(kubelet.resources()).toEqual([]);
  });

  it("never opens a stream again that ended", async () => {
    const plugin = await naive("naive.sock");
    await plugin.register(GPU);
    await untilAllocatable(2);
    kubelet.cutStream(GPU);
    await untilAllocatable(0);
    expect(kubelet.count(GPU)).toEqual({ capacity: 2, allocatable: 0 });
    expect(kubelet.registrations).toHaveLength(1);
  });
});

describe("the device manager's arithmetic", () => {
  const endpoint = (socketPath: string): PluginEndpoint => ({
    socketPath,
    allocate: async () => null,
    preStart: async () => undefined,
    prefer: async () => [],
  });
  const options = { preStartRequired: false, getPreferredAllocationAvailable: false };
  const listed = (ID: string, health = "Healthy") => ({ ID, health, topology: null });

  it("counts healthy devices as allocatable and all as capacity, and drops a stopped resource after five minutes", async () => {
    const clock = createFakeClock();
    const manager = new DeviceManager(clock, NO_CHECKPOINT);
    manager.connected(GPU, endpoint("/a"), options);
    manager.received(GPU, [listed("a"), listed("b", "Unhealthy")]);
    expect(manager.count(GPU)).toEqual({ capacity: 2, allocatable: 1 });
    expect(manager.allocatable(GPU)).toEqual(["a"]);
    manager.disconnected(GPU, "/a");
    expect(manager.count(GPU)).toEqual({ capacity: 2, allocatable: 0 });
    await clock.advance(5 * 60_000);
    expect(manager.count(GPU)).toEqual({ capacity: 2, allocatable: 0 });
    await clock.advance(1);
    expect(manager.count(GPU)).toBeNull();
  });

  it("marks devices allocated only when the answer holds a container", async () => {
    const manager = new DeviceManager(createFakeClock(), NO_CHECKPOINT);
    manager.connected(GPU, endpoint("/a"), options);
    manager.received(GPU, [listed("a")]);
    await expect(manager.allocate("pod", GPU, 1)).rejects.toThrow("no containers return");
    expect(manager.assignmentsOf("pod")).toEqual([]);
  });
});
