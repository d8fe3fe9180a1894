// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { startUnary, unixClient } from "../../../src/kubelet/grpc-call.ts";
import type { DevicePluginHandlers } from "../../../src/kubelet/port.ts";
import { loadDevicePluginWire } from "../../../src/kubelet/wire.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { allocated, device, GPU, type Scene, type SceneOptions, startScene, until, yes } from "../scene.ts";

const { plugin } = loadDevicePluginWire();
const A = device("0000:17:00.0");
const B = device("0000:65:00.0");
const SICK = device("0000:99:00.0", 0, false);

let scene: Scene | null = null;
afterEach(async () => {
  await scene?.close();
  scene = null;
});

async function start(handlers: Partial<DevicePluginHandlers> = {}, limits: SceneOptions["limits"] = {}): Promise<Scene> {
  scene = await startScene({ handlers: { ...yes, ...handlers }, limits });
  const s = scene;
  s.plugins.publish([{ resource: GPU, devices: [A, B, SICK] }]);
  await until("offered", () => s.kubelet.count(GPU).allocatable === 2);
  return s;
}

function ownSocket(s: Scene): string {
  const [name = ""] = readdirSync(s.dir).filter((entry) => entry.startsWith("tiommu-"));
  return name;
}

/** One call on the plugin's socket, as kubelet makes it. */
async function call<Request, Answer>(s: Scene, method: Parameters<typeof startUnary<Request, Answer>>[1], request: Request): Promise<Answer> {
  const client = unixClient(join(s.dir, ownSocket(s)));
  try {
    return await startUnary(client, method, request).answer;
  } finally {
    client.close();
  }
}

const allocate = (s: Scene, ...ids: string[]) => call(s, plugin.Allocate, { containerRequests: [{ devicesIds: ids }] });
const preStart = (s: Scene, ...ids: string[]) => call(s, plugin.PreStartContainer, { devicesIds: ids });

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe("a pod", () => {
  it("is given the device's identity, its nodes and its CDI names", async () => {
    const s = await start();
    const pod = await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 2 } });
    expect(pod).toMatchObject({
      phase: "Running",
      ids: [A.id, B.id],
      env: { PCI_RESOURCE_TEEIO_DEV_GPU: `${A.id},${B.id}`, [`DEVICE_${A.id}`]: "yes", [`DEVICE_${B.id}`]: "yes" },
      deviceNodes: [`/dev/vfio/devices/${A.id}`, `/dev/vfio/devices/${B.id}`],
      cdiDevices: [`${GPU}=${A.id}`, `${GPU}=${B.id}`],
    });
  });

  it("gets a device whose unit has no other one that is free", async () => {
    const besideA = device("0000:18:00.0");
    const s = await start({ placementOf: (id) => ({ unit: id === B.id ? "0x2000" : "0x1000", numaNode: 0 }) });
    s.plugins.publish([{ resource: GPU, devices: [A, besideA, B] }]);
    await until("offered", () => s.kubelet.count(GPU).allocatable === 3);
    const pod = await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    expect(pod.ids).toEqual([B.id]);
  });

  it("still starts when the preference fails", async () => {
    const s = await start({
      placementOf: () => {
        throw new Error("odd input");
      },
    });
    const pod = await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    expect(pod.phase).toBe("Running");
  });

  it("fails at admission with the gate's reason in its message", async () => {
    const s = await start({ allocate: () => Promise.reject(new AppError("NOT_OFFERED", "0000:17:00.0: UnitNotTrusted")) });
    const pod = await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    expect(pod).toMatchObject({ phase: "Failed", reason: "UnexpectedAdmissionError" });
    expect(pod.message).toContain("NOT_OFFERED: 0000:17:00.0: UnitNotTrusted");
  });

  it("waits while PreStart refuses, and runs once it does not", async () => {
    const gate = { isOpen: false };
    const s = await start({
      preStart: async () => {
        if (!gate.isOpen) throw new AppError("NOT_OFFERED", "UnitNotTrusted");
      },
    });
    const pod = await s.kubelet.admitPod({ namespace: "ns", name: "pod", requests: { [GPU]: 1 } });
    expect(pod).toMatchObject({ phase: "Pending", reason: "PreStartContainer" });
    gate.isOpen = true;
    expect((await s.kubelet.startContainer("ns", "pod")).phase).toBe("Running");
  });

  it("does not keep others out when Allocate hangs", async () => {
    const never = deferred<never>();
    const s = await start({ allocate: ({ ids }) => (ids.includes(A.id) ? never.promise : Promise.resolve(ids.map(allocated))) }, { allocateMs: 100 });
    const [first, second] = await Promise.all([
      s.kubelet.admitPod({ namespace: "ns", name: "a", requests: { [GPU]: 1 } }),
      s.kubelet.admitPod({ namespace: "ns", name: "b", requests: { [GPU]: 2 } }),
    ]);
    expect(first).toMatchObject({ phase: "Failed" });
    expect(first.message).toContain("did not finish within 100 ms");
    expect(second).toMatchObject({ phase: "Failed" });
  });
});

describe("a socket of ours", () => {
  it("takes no more connections than a few, whatever they say, and kubelet's goes on", async () => {
    const s = await start();
    const path = join(s.dir, ownSocket(s));
    const sockets = Array.from({ length: 40 }, () => connect(path));
    const ended = new Set<Socket>();
    for (const socket of sockets) {
      socket.on("error", () => ended.add(socket));
      socket.on("close", () => ended.add(socket));
      socket.resume();
      socket.write("GET / HTTP/1.1\r\n\r\n".repeat(1_000));
    }
    await until("the others are turned away", () => ended.size >= 25);
    for (const socket of sockets) socket.destroy();
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    await until("kubelet has the list", () => s.kubelet.count(GPU).capacity === 1);
    expect(s.kubelet.registrations).toHaveLength(1);
  });
});

describe("a call of kubelet", () => {
  it("is told by GetDevicePluginOptions that PreStart and preferred allocation are served", async () => {
    const s = await start();
    expect(await call(s, plugin.GetDevicePluginOptions, {})).toEqual({ preStartRequired: true, getPreferredAllocationAvailable: true });
  });

  it("gets the same answer for the same devices, in whatever order and however often it asks", async () => {
    const s = await start();
    const answer = await allocate(s, A.id, B.id);
    expect(await allocate(s, B.id, A.id)).toEqual(answer);
    expect(answer.containerResponses).toHaveLength(1);
  });

  it.each([
    ["an error of the agent", new AppError("UNKNOWN_DEVICE", "no such device"), status.NOT_FOUND, "UNKNOWN_DEVICE: no such device"],
    ["an error that repeats", new AppError("WRITER_BUSY", "busy"), status.UNAVAILABLE, "WRITER_BUSY: busy"],
    ["a bug", new TypeError("x is undefined"), status.INTERNAL, "INVARIANT_BROKEN: x is undefined"],
  ])("gets %s as a gRPC status", async (_what, thrown, code, details) => {
    const s = await start({ allocate: () => Promise.reject(thrown), preStart: () => Promise.reject(thrown) });
    await expect(allocate(s, A.id)).rejects.toMatchObject({ code, details });
    await expect(preStart(s, A.id)).rejects.toMatchObject({ code, details });
  });

  it("gets an error when the handler throws before its first await", async () => {
    const s = await start({
      allocate: () => {
        throw new Error("at once");
      },
    });
    await expect(allocate(s, A.id)).rejects.toMatchObject({ code: status.INTERNAL });
  });

  it("is refused for a device that is not listed, is unhealthy, or was withdrawn while the gate was asked, even if the handler agrees", async () => {
    const gate = deferred<void>();
    const s = await start({
      allocate: async ({ ids }) => {
        if (ids.includes(B.id)) await gate.promise;
        return ids.map(allocated);
      },
    });
    await expect(allocate(s, "0000:42:00.0")).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await expect(allocate(s, SICK.id)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    const pending = expect(allocate(s, B.id)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
    await until("in flight", () => s.plugins.publications()[0]?.callsInFlight === 1);
    expect(s.plugins.publications()[0]?.inCalls).toEqual([B.id]);
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    gate.resolve();
    await pending;
    await until("answered", () => s.plugins.publications()[0]?.inCalls.length === 0);
  });

  it("is refused before the agent is asked when it names more devices than were ever listed, or is too long to be kubelet's", async () => {
    const asked: string[] = [];
    const note = (call: string): void => void asked.push(call);
    const s = await start({
      allocate: async ({ ids }) => {
        note("allocate");
        return ids.map(allocated);
      },
      preStart: async () => note("preStart"),
      placementOf: () => {
        note("placementOf");
        return null;
      },
    });
    const many = Array.from({ length: 10_000 }, (_, index) => `0000:17:00.0-${index}`);
    await expect(allocate(s, ...many)).rejects.toMatchObject({ code: status.NOT_FOUND, details: expect.stringContaining("10000 devices") });
    await expect(preStart(s, ...many)).rejects.toMatchObject({ code: status.NOT_FOUND });
    const containers = Array.from({ length: 4 }, () => ({ devicesIds: [A.id] }));
    await expect(call(s, plugin.Allocate, { containerRequests: containers })).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(allocate(s, "x".repeat(300_000))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const wanted = { containerRequests: [{ availableDeviceIDs: many, mustIncludeDeviceIDs: [], allocationSize: 1 }] };
    expect(await call(s, plugin.GetPreferredAllocation, wanted)).toEqual({ containerResponses: [{ deviceIDs: [many[0]] }] });
    expect(asked).toEqual([]);
  });

  it("may name all devices that were listed once, because they may have been withdrawn just then", async () => {
    const s = await start();
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    await expect(allocate(s, A.id, B.id)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it("is refused when it names nothing", async () => {
    const s = await start();
    await expect(allocate(s)).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(preStart(s)).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(call(s, plugin.Allocate, { containerRequests: [] })).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it("is refused when the answer is not for the devices asked for, or two devices contradict each other", async () => {
    const s = await start({ allocate: async ({ ids }) => ids.map((id) => ({ ...allocated(id), env: { SAME: id } })) });
    await expect(allocate(s, A.id, B.id)).rejects.toMatchObject({ code: status.INTERNAL });
    await s.close();
    const other = await start({ allocate: async () => [allocated(B.id)] });
    await expect(allocate(other, A.id)).rejects.toMatchObject({ code: status.INTERNAL });
  });

  it("counts as in flight until it is answered", async () => {
    const gate = deferred<void>();
    const s = await start({
      allocate: async ({ ids }) => {
        await gate.promise;
        return ids.map(allocated);
      },
      preStart: () => gate.promise,
    });
    const inFlight = (): number => s.plugins.publications()[0]?.callsInFlight ?? -1;
    const calls = [allocate(s, A.id), allocate(s, B.id), preStart(s, A.id)];
    await until("all three in flight", () => inFlight() === 3);
    gate.resolve();
    await Promise.all(calls);
    expect(inFlight()).toBe(0);
  });

  it("is answered before a withdrawn resource stops being served", async () => {
    const gate = deferred<void>();
    const s = await start(
      {
        allocate: async ({ ids }) => {
          await gate.promise;
          return ids.map(allocated);
        },
      },
      { drainMs: 5000 },
    );
    const pending = expect(allocate(s, A.id)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await until("in flight", () => s.plugins.publications()[0]?.callsInFlight === 1);
    s.plugins.publish([]);
    await until("withdrawn", () => s.kubelet.count(GPU).capacity === 0);
    expect(s.plugins.publications()[0]).toMatchObject({ serving: true, callsInFlight: 1 });
    gate.resolve();
    await pending;
    await until("gone", () => s.plugins.publications().length === 0);
  });

  it("does not outlive its bound when the resource is withdrawn under it", async () => {
    const never = deferred<never>();
    const s = await start({ allocate: () => never.promise }, { allocateMs: 400, drainMs: 50 });
    const pending = expect(allocate(s, A.id)).rejects.toBeInstanceOf(Error);
    await until("in flight", () => s.plugins.publications()[0]?.callsInFlight === 1);
    s.plugins.publish([]);
    await pending;
    await until("still counted after the server is gone", () => s.plugins.publications()[0]?.serving === false);
    expect(s.plugins.publications()[0]?.callsInFlight).toBe(1);
    await until("gone", () => s.plugins.publications().length === 0);
  });
});
