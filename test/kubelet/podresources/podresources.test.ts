// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createPodResources, type PodResources } from "../../../src/kubelet/podresources/podresources.ts";
import { mergeAllocatable, mergePods } from "../../../src/kubelet/podresources/podresources-merge.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { startKubeletStandIn } from "../../../src/stand-in/kubelet/stand-in.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { startNaivePlugin } from "../naive-plugin.ts";
import { device, GPU, type Scene, startScene, until } from "../scene.ts";

let scene: Scene | null = null;
const open: PodResources[] = [];
afterEach(async () => {
  for (const reader of open.splice(0)) reader.close();
  await scene?.close();
  scene = null;
});

function reader(socketPath: string, clock = systemClock, deadlineMs = 2000): PodResources {
  const created = createPodResources({ socketPath, clock, deadlineMs });
  open.push(created);
  return created;
}

async function start(): Promise<Scene> {
  scene = await startScene();
  const s = scene;
  s.plugins.publish([{ resource: GPU, devices: [device("a", 0), device("b", 1), device("c", 1, false)] }]);
  await until("offered", () => s.kubelet.count(GPU).allocatable === 2);
  return s;
}

describe("podresources", () => {
  it("shows what kubelet lists and what pods hold, merged over NUMA nodes", async () => {
    const s = await start();
    await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 2 } });
    expect(await reader(s.podResourcesSocket).observe()).toMatchObject({
      kind: "Read",
      allocatable: [{ resource: GPU, ids: ["a", "b"] }],
      pods: [{ namespace: "ns", pod: "pod", resource: GPU, ids: ["a", "b"] }],
    });
  });

  it("does not see terminating pods, as kubelet does not show them", async () => {
    const s = await start();
    await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    s.kubelet.terminatePod("ns", "pod");
    expect(await reader(s.podResourcesSocket).observe()).toMatchObject({ kind: "Read", pods: [] });
  });

  it("goes on over kubelet restarts, dates each kubelet, and leaks no descriptor", async () => {
    const s = await start();
    const view = reader(s.podResourcesSocket);
    const observe = async () => {
      const seen = await view.observe();
      if (seen.kind !== "Read") throw new Error(JSON.stringify(seen));
      return seen;
    };
    const first = await observe();
    expect((await observe()).kubeletSinceMs).toBe(first.kubeletSinceMs);
    await s.kubelet.kill();
    expect(await view.observe()).toMatchObject({ kind: "Unreadable" });
    await s.kubelet.start();
    const second = await observe();
    expect(second.kubeletSinceMs).toBeGreaterThan(first.kubeletSinceMs);
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    for (let count = 0; count < 20; count++) {
      await s.kubelet.restart();
      await observe();
    }
    await until("descriptors are closed", () => descriptors() <= before + 2);
  });

  it("sees success and empty for a while after a kubelet start, which the date gives away", async () => {
    const root = mkdtempSync(join(tmpdir(), "ti-"));
    const clock = createFakeClock();
    const podResourcesSocket = join(root, "kubelet.sock");
    const kubelet = await startKubeletStandIn({ dir: join(root, "dp"), podResourcesSocket, clock });
    const plugin = await startNaivePlugin({ dir: join(root, "dp"), socketName: "naive.sock", ids: ["a"], allocates: true });
    await plugin.register(GPU);
    await until("offered", () => kubelet.count(GPU).allocatable === 1);
    expect((await kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } })).phase).toBe("Running");
    const view = reader(podResourcesSocket, clock);
    await clock.advance(1000);
    expect(await view.observe()).toMatchObject({ pods: [{ pod: "pod", ids: ["a"] }], kubeletSinceMs: 1000 });
    await kubelet.restart();
    expect(await view.observe()).toMatchObject({ kind: "Read", pods: [], allocatable: [], kubeletSinceMs: 1000 });
    await clock.advance(999);
    expect(await view.observe()).toMatchObject({ pods: [] });
    await clock.advance(1);
    expect(await view.observe()).toMatchObject({ pods: [{ pod: "pod", ids: ["a"] }], kubeletSinceMs: 1000 });
    await plugin.crash();
    await kubelet.stop();
    rmSync(root, { recursive: true });
  });

  it("is unreadable while kubelet has no socket, does not listen, fails, or does not answer in time", async () => {
    const s = await start();
    const view = reader(s.podResourcesSocket, systemClock, 100);
    s.kubelet.faults.podResources = "rate limited";
    expect(await view.observe()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("rate limited") });
    s.kubelet.faults.podResources = "";
    expect(await view.observe()).toMatchObject({ kind: "Read" });
    await s.kubelet.kill();
    expect(await view.observe()).toMatchObject({ kind: "Unreadable" });
    rmSync(s.podResourcesSocket);
    expect(await view.observe()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("not there") });
    const held: Socket[] = [];
    const mute = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => mute.listen(s.podResourcesSocket, resolve));
    expect(await view.observe()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("100 ms") });
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  it("is None only by configuration", async () => {
    expect(await createPodResources({ socketPath: null, clock: systemClock }).observe()).toEqual({ kind: "None" });
  });
});

describe("merging", () => {
  const entry = (resourceName: string, ...deviceIds: string[]) => ({ resourceName, deviceIds, topology: null });

  it("gives each resource once, with each id once, in order", () => {
    expect(mergeAllocatable([entry("z/z", "2", "1"), entry("a/a", "9"), entry("z/z", "3", "1"), entry("b/b")])).toEqual([
      { resource: "a/a", ids: ["9"] },
      { resource: "b/b", ids: [] },
      { resource: "z/z", ids: ["1", "2", "3"] },
    ]);
  });

  it("gives each pod's devices once for each resource, whatever the containers and the order", () => {
    const pods = [
      {
        namespace: "n",
        name: "p",
        containers: [
          { name: "x", devices: [entry("a/a", "1")], dynamicResources: [] },
          { name: "y", devices: [entry("a/a", "1", "0")], dynamicResources: [] },
        ],
      },
      { namespace: "m", name: "p", containers: [{ name: "x", devices: [entry("b/b", "7"), entry("a/a", "8")], dynamicResources: [] }] },
      { namespace: "n", name: "idle", containers: [{ name: "x", devices: [], dynamicResources: [] }] },
    ];
    const merged = [
      { namespace: "m", pod: "p", resource: "a/a", ids: ["8"] },
      { namespace: "m", pod: "p", resource: "b/b", ids: ["7"] },
      { namespace: "n", pod: "p", resource: "a/a", ids: ["0", "1"] },
    ];
    expect(mergePods(pods)).toEqual(merged);
    expect(mergePods([...pods].reverse())).toEqual(merged);
  });

  it("gives each pod's claims once for each driver, with the names of their devices and the CDI names that came with them", () => {
    const device = (deviceName: string) => ({
      driverName: "gpu.example.com",
      poolName: "node-1",
      deviceName,
      cdiDevices: [{ name: "example.com/gpu=0" }],
    });
    const claim = { claimName: "train", claimNamespace: "n", claimResources: [device("gpu-1"), device("gpu-0")] };
    const containers = ["x", "y"].map((name) => ({ name, devices: [], dynamicResources: [claim] }));
    const ids = ["node-1/gpu-0", "node-1/gpu-1"];
    expect(mergePods([{ namespace: "n", name: "p", containers }])).toEqual([
      { namespace: "n", pod: "p", resource: "gpu.example.com", claim: "train", ids, aliases: ["example.com/gpu=0"] },
    ]);
  });
});
