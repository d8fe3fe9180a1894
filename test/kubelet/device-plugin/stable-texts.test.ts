// SPDX-License-Identifier: Apache-2.0
// A text that becomes a condition or an event is the same as long as its cause is: the same failure is driven again and again, and the texts compared.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pluginMetrics } from "../../../src/kubelet/device-plugin/metrics.ts";
import { ResourcePlugin } from "../../../src/kubelet/device-plugin/resource-plugin.ts";
import { DEFAULT_LIMITS } from "../../../src/kubelet/device-plugin/resource-plugin-options.ts";
import { sameForTheSameCause } from "../../../src/kubelet/errors.ts";
import { sendGrpcLog } from "../../../src/kubelet/grpc-log.ts";
import { createPodResources } from "../../../src/kubelet/podresources/podresources.ts";
import { createDirectoryWatch } from "../../../src/kubelet/registration/directory-watch.ts";
import { createSocketNames, type SocketNames } from "../../../src/kubelet/sockets.ts";
import { loadDevicePluginWire } from "../../../src/kubelet/wire.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createJobs } from "../../../src/runtime/jobs.ts";
import { createLog, silentLog } from "../../../src/runtime/log.ts";
import { noMetrics } from "../../../src/runtime/metrics.ts";
import { device, GPU, startScene, until, yes } from "../scene.ts";

let root: string;
beforeEach(() => {
  sendGrpcLog(silentLog);
  root = mkdtempSync(join(tmpdir(), "ti-texts-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ATTEMPTS = 4;

/** The texts that a plugin tells in the course of its failed attempts to register. */
async function problemsOf(prepare: (names: SocketNames) => SocketNames, fault: string | null): Promise<readonly string[]> {
  const scene = await startScene();
  const results: string[] = [];
  const problems = new Set<string>();
  const metrics = { ...pluginMetrics(noMetrics), registration: (result: string) => void results.push(result) };
  const jobs = createJobs({ owner: "test", clock: systemClock, log: silentLog, metrics: noMetrics, random: () => 0, onFatal: () => undefined });
  const watch = createDirectoryWatch({ dir: scene.dir, jobs, log: silentLog, pollMs: 20 });
  if (fault !== null) scene.kubelet.faults.register = { kind: "Refuse", message: fault };
  const plugin = new ResourcePlugin(GPU, {
    dir: scene.dir,
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    metrics,
    jobs,
    handlers: yes,
    limits: DEFAULT_LIMITS,
    wire: loadDevicePluginWire(),
    watch,
    names: prepare(createSocketNames(systemClock, Math.random)),
    ready: async () => undefined,
    onChange: () => {
      const { problem } = plugin.publication();
      if (problem !== "") problems.add(problem);
    },
  });
  try {
    plugin.publish([device("0000:17:00.0")]);
    await until("some attempts", () => results.length >= ATTEMPTS);
    expect(results).not.toContain("ok");
    return [...problems];
  } finally {
    await plugin.close();
    await watch.close();
    await jobs.stop();
    await scene.close();
  }
}

describe("the text of a failed registration", () => {
  it("is one text while no socket can be made, and names the folder and the system's reason", async () => {
    // No right of root's helps where there is no folder.
    const problems = await problemsOf((names) => ({ next: (resource) => `gone/${names.next(resource)}` }), null);
    expect(problems).toEqual([expect.stringMatching(/^a socket cannot be made in \S+\/dp: listen E[A-Z]+: [a-z ]+$/)]);
  });

  it("is one text while a path is too long, whatever the attempt's number", async () => {
    const problems = await problemsOf((names) => ({ next: (resource) => `${"d".repeat(90)}/${names.next(resource)}` }), null);
    expect(problems).toHaveLength(1);
  });

  it("is one text while kubelet refuses and names the socket that it could not dial", async () => {
    const names = [1, 2].map(() => createSocketNames(systemClock, Math.random).next(GPU));
    const problems: string[] = [];
    for (const name of names) {
      const text = `failed to dial device plugin with socketPath /var/lib/kubelet/device-plugins/${name}: timeout`;
      problems.push(...(await problemsOf((inner) => inner, text)));
    }
    expect(names[0]).not.toBe(names[1]);
    expect(new Set(problems)).toEqual(new Set(["failed to dial device plugin with socketPath our socket: timeout"]));
  });
});

describe("the text of an unreadable podresources", () => {
  it("is one text while the connection is cut, at whatever time", async () => {
    const path = join(root, "kubelet.sock");
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const reader = createPodResources({ socketPath: path, clock: systemClock, deadlineMs: 2000 });
    const whys = new Set<string>();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const view = await reader.observe();
      whys.add(view.kind === "Unreadable" ? view.why : view.kind);
    }
    reader.close();
    await new Promise((resolve) => server.close(resolve));
    expect([...whys]).toEqual([expect.stringContaining("kubelet does not answer")]);
  });
});

describe("a line of grpc-js' own", () => {
  it("goes through the log, and a repeated one is no warning again", async () => {
    const lines: string[] = [];
    sendGrpcLog(createLog({ level: "info", simulated: false, base: {}, write: (line) => void lines.push(line) }));
    try {
      for (let attempt = 0; attempt < 2; attempt += 1) {
        await new Promise((resolve) => new Server().bindAsync(`unix:${join(root, "gone", "x")}`, ServerCredentials.createInsecure(), resolve));
      }
    } finally {
      sendGrpcLog(silentLog);
    }
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "warn", message: "grpc says", detail: expect.stringContaining("No address added") },
    ]);
  });
});

describe("a text of grpc-js", () => {
  it.each([
    [
      "14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED /p/kubelet.sock (2026-11-26T01:02:03.456Z). Resolution note: ",
      "14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED /p/kubelet.sock. Resolution note: ",
    ],
    ["Deadline exceeded after 1.234s,remote_addr=/p/kubelet.sock", "Deadline exceeded,remote_addr=/p/kubelet.sock"],
    ["listen EROFS: read-only file system /p/tiommu-0a1b2c-m3x4k2-12.sock", "listen EROFS: read-only file system our socket"],
  ])("loses what differs each time: %s", (text, expected) => {
    expect(sameForTheSameCause(text)).toBe(expected);
  });
});
