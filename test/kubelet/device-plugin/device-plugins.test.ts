// SPDX-License-Identifier: Apache-2.0
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { identityOf } from "../../../src/kubelet/sockets.ts";
import { KUBELET_SOCKET } from "../../../src/kubelet/wire.ts";
import { recordingMetrics } from "../../support/recording-metrics.ts";
import { device, GPU, NIC, type Scene, type SceneOptions, startScene, until } from "../scene.ts";

let scene: Scene | null = null;
afterEach(async () => {
  await scene?.close();
  expect(scene?.fatal ?? []).toEqual([]);
  scene = null;
});

async function start(options: SceneOptions = {}): Promise<Scene> {
  scene = await startScene(options);
  return scene;
}

const A = device("0000:17:00.0", 0);
const B = device("0000:65:00.0", 1);
const offerBoth = [{ resource: GPU, devices: [A, B] }];

function ownSockets(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("tiommu-"));
}

function isRegistered(s: Scene, resource = GPU): boolean {
  return s.plugins.publications().some((publication) => publication.resource === resource && publication.registered);
}

async function untilOffered(s: Scene, allocatable = 2): Promise<void> {
  await until(`${allocatable} allocatable`, () => s.kubelet.count(GPU).allocatable === allocatable && isRegistered(s));
}

describe("registration", () => {
  it("makes the devices allocatable, with their NUMA nodes", async () => {
    const s = await start();
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 2, allocatable: 2 });
    expect(s.kubelet.devices(GPU)).toEqual([
      { id: A.id, healthy: true, numaNodes: [0] },
      { id: B.id, healthy: true, numaNodes: [1] },
    ]);
    const kubelet = identityOf(join(s.dir, KUBELET_SOCKET));
    const wanted = { resource: GPU, serving: true, registered: true, kubelet, callsInFlight: 0, inCalls: [], ids: [A.id, B.id], problem: "" };
    expect(s.plugins.publications()).toEqual([wanted]);
    expect(statSync(join(s.dir, ownSockets(s.dir)[0] ?? "")).mode & 0o777).toBe(0o600);
  });

  it("uses one socket per resource", async () => {
    const s = await start();
    s.plugins.publish([...offerBoth, { resource: NIC, devices: [] }]);
    await untilOffered(s);
    await until("both registered", () => isRegistered(s, NIC));
    expect(new Set(s.kubelet.registrations.map((registration) => registration.endpoint)).size).toBe(2);
    await until("kubelet knows both", () => s.kubelet.resources().join() === [GPU, NIC].join());
  });

  it("is made anew where kubelet is to ask for no PreStart, and again where it is", async () => {
    const s = await start();
    const kinds = (): readonly boolean[] => s.kubelet.registrations.map(({ wantsPreStart }) => wantsPreStart);
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    s.plugins.publish([{ resource: GPU, devices: [], isQuiet: true }]);
    await until("registered quietly", () => isRegistered(s) && s.plugins.publications()[0]?.isQuiet === true);
    expect([kinds(), s.kubelet.count(GPU).allocatable]).toEqual([[true, false], 0]);
    s.plugins.publish([{ resource: GPU, devices: [], isQuiet: true }]);
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    expect(kinds()).toEqual([true, false, true]);
    expect(ownSockets(s.dir)).toHaveLength(1);
  });

  it("waits for a kubelet that is absent at the start", async () => {
    const s = await start({ kubelet: false });
    s.plugins.publish(offerBoth);
    await until("the problem is told", () => s.plugins.publications()[0]?.problem !== "");
    expect(s.plugins.publications()[0]).toMatchObject({ serving: false, registered: false, ids: [] });
    await s.kubelet.start();
    await untilOffered(s);
    expect(s.plugins.publications()[0]?.problem).toBe("");
  });

  it("waits for a directory that does not exist yet", async () => {
    const s = await start({ kubelet: false, limits: { pollMs: 20 } });
    rmSync(s.dir, { recursive: true });
    s.plugins.publish(offerBoth);
    await s.kubelet.start();
    await untilOffered(s);
  });

  it("does not serve on the socket of a dead kubelet", async () => {
    const s = await start();
    await s.kubelet.kill();
    s.plugins.publish(offerBoth);
    await until("the problem is told", () => s.plugins.publications()[0]?.problem !== "");
    expect(ownSockets(s.dir)).toEqual([]);
    await s.kubelet.start();
    await untilOffered(s);
  });

  it("removes sockets that a killed run of ours left, and nothing else", async () => {
    const s = await start({ kubelet: false });
    await s.plugins.close();
    const { createServer } = await import("node:net");
    const leave = async (name: string): Promise<void> => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(join(s.dir, `${name}.x`), resolve));
      renameSync(join(s.dir, `${name}.x`), join(s.dir, name));
      await new Promise((resolve) => server.close(resolve));
    };
    await leave("tiommu-abcdef-run1-7.sock");
    await leave("other-plugin.sock");
    writeFileSync(join(s.dir, "tiommu-abcdef-run1-8.sock"), "a file");
    const living = createServer();
    await new Promise<void>((resolve) => living.listen(join(s.dir, "tiommu-abcdef-run2-1.sock"), resolve));
    const { removeStaleSockets } = await import("../../../src/kubelet/sockets.ts");
    const { systemClock } = await import("../../../src/runtime/clock.ts");
    const { silentLog } = await import("../../../src/runtime/log.ts");
    await removeStaleSockets(s.dir, systemClock, silentLog);
    expect(readdirSync(s.dir).sort()).toEqual(["other-plugin.sock", "tiommu-abcdef-run1-8.sock", "tiommu-abcdef-run2-1.sock"]);
    await new Promise((resolve) => living.close(resolve));
  });

  it("refuses a directory whose socket paths would be cut", async () => {
    const s = await start();
    const { createDevicePlugins } = await import("../../../src/kubelet/device-plugin/device-plugins.ts");
    const options = { dir: `/tmp/${"d".repeat(90)}` } as Parameters<typeof createDevicePlugins>[0];
    const { systemClock } = await import("../../../src/runtime/clock.ts");
    expect(() => createDevicePlugins({ ...options, clock: systemClock, random: Math.random })).toThrow("107");
    expect(s.plugins.publications()).toEqual([]);
  });
});

describe("coming back", () => {
  it("registers again after kubelet was killed and started", async () => {
    const s = await start();
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    await s.kubelet.kill();
    await until("the loss is seen", () => !isRegistered(s));
    await s.kubelet.start();
    await untilOffered(s);
    expect(ownSockets(s.dir)).toHaveLength(1);
  });

  it("registers again after its own socket was removed", async () => {
    const s = await start();
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    const [before] = ownSockets(s.dir);
    rmSync(join(s.dir, before ?? ""));
    await until("another socket", () => ownSockets(s.dir).length === 1 && ownSockets(s.dir)[0] !== before);
    await untilOffered(s);
  });

  it("registers again after its stream was cut", async () => {
    const s = await start();
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    s.kubelet.cutStream(GPU);
    await until("a second registration", () => s.kubelet.registrations.length === 2);
    await untilOffered(s);
  });

  it("goes on when kubelet's socket is removed under a living stream", async () => {
    const s = await start({ limits: { pollMs: 10 } });
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    rmSync(join(s.dir, KUBELET_SOCKET));
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    await untilOffered(s, 1);
    expect(s.kubelet.registrations).toHaveLength(1);
  });

  it("registers again when the directory is replaced", async () => {
    const s = await start({ limits: { pollMs: 20 } });
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    await s.kubelet.kill();
    renameSync(s.dir, `${s.dir}-old`);
    await s.kubelet.start();
    await untilOffered(s);
    expect(ownSockets(s.dir)).toHaveLength(1);
    // inotify works on the new directory too: the poll alone would do as well, but slower.
    const before = s.plugins.publications()[0]?.kubelet;
    await s.kubelet.restart();
    await untilOffered(s);
    expect(s.plugins.publications()[0]?.kubelet).not.toBe(before);
  });

  it("tries again, with a new socket each time, while Register is refused", async () => {
    const s = await start();
    s.kubelet.faults.register = { kind: "Refuse", message: "not today" };
    s.plugins.publish(offerBoth);
    await until("three refusals", () => s.kubelet.registrations.length >= 3);
    expect(s.plugins.publications()[0]?.problem).toContain("not today");
    s.kubelet.faults.register = null;
    await untilOffered(s);
    const endpoints = s.kubelet.registrations.map((registration) => registration.endpoint);
    expect(new Set(endpoints).size).toBe(endpoints.length);
    expect(ownSockets(s.dir)).toHaveLength(1);
  });

  it("gives up a Register that hangs, and never has two in flight", async () => {
    const s = await start({ limits: { registerMs: 150 } });
    s.kubelet.faults.register = { kind: "Hang" };
    s.plugins.publish(offerBoth);
    await until("two given up", () => s.kubelet.registrations.length >= 2);
    expect(s.plugins.publications()[0]?.problem).toContain("Register");
    s.kubelet.faults.register = null;
    await untilOffered(s);
    expect(s.kubelet.maxRegistersInFlight).toBe(1);
  });

  it("ends a hanging Register as soon as kubelet is started anew", async () => {
    const s = await start();
    s.kubelet.faults.register = { kind: "Hang" };
    s.plugins.publish(offerBoth);
    await until("serving", () => ownSockets(s.dir).length === 1);
    s.kubelet.faults.register = null;
    await s.kubelet.restart();
    await untilOffered(s);
  });

  it("counts registrations, refusals and stream ends", async () => {
    const { metrics, counted } = recordingMetrics();
    const ofKubelet = (): string[] => counted.filter((line) => !line.startsWith("job_runs_total"));
    const s = await start({ metrics });
    s.kubelet.faults.register = { kind: "Refuse", message: "not today" };
    s.plugins.publish(offerBoth);
    await until("a refusal", () => ofKubelet().length > 0);
    s.kubelet.faults.register = null;
    await untilOffered(s);
    s.kubelet.cutStream(GPU);
    await until("the end and the next registration", () => {
      const end = ofKubelet().findIndex((line) => line.startsWith("stream_ends_total"));
      return end >= 0 && ofKubelet().indexOf("registrations_total ok", end) > end;
    });
    expect(new Set(ofKubelet())).toEqual(new Set(["registrations_total REGISTER_REFUSED", "registrations_total ok", "stream_ends_total cancelled"]));
  });

  it("leaks neither descriptors nor memory over 100 kubelet restarts", async () => {
    const s = await start();
    s.plugins.publish(offerBoth);
    await untilOffered(s);
    const restart = async (times: number): Promise<void> => {
      for (let count = 0; count < times; count++) {
        await s.kubelet.restart();
        await untilOffered(s);
      }
    };
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    await restart(20);
    const before = { descriptors: descriptors(), heap: heapAfterCollection() };
    await restart(100);
    await until("descriptors are closed", () => descriptors() <= before.descriptors);
    // Both ends run in this process; a plugin that kept one server per restart would hold some 100 kB each.
    expect(heapAfterCollection() - before.heap).toBeLessThan(4 * 1024 * 1024);
    expect(ownSockets(s.dir)).toHaveLength(1);
    expect(new Set(s.kubelet.registrations.map((registration) => registration.endpoint)).size).toBe(s.kubelet.registrations.length);
  });
});

/** Bytes in use after two collections: the first may only find what the second frees. */
function heapAfterCollection(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
