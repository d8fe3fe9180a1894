// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readCheckpoint } from "../../../src/kubelet/podresources/checkpoint.ts";

const OURS = new Set(["teeio.dev"]);
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ti-checkpoint-"));
  mkdirSync(join(dir, "proc"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (text: string): void => writeFileSync(join(dir, "kubelet_internal_checkpoint"), text);
const read = (...known: readonly string[]) =>
  readCheckpoint({ deviceDir: dir, procDir: join(dir, "proc") }, { domains: OURS, known: new Set(known) });
const entry = (PodUID: string, ResourceName: string, DeviceIDs: unknown) => ({
  PodUID,
  ContainerName: "main",
  ResourceName,
  DeviceIDs,
  AllocResp: "Cg==",
});

/** A process in these cgroups. */
function runs(pid: number, ...paths: readonly string[]): void {
  mkdirSync(join(dir, "proc", String(pid)));
  writeFileSync(join(dir, "proc", String(pid), "cgroup"), paths.map((path, index) => `${index}:pids:${path}\n`).join(""));
}

it("is read for the resources of our domains, whatever the NUMA nodes", async () => {
  const PodDeviceEntries = [
    entry("uid-1", "teeio.dev/gpu", { "0": ["0000:17:00.0"], "-1": ["0000:65:00.0"] }),
    entry("uid-2", "teeio.dev/nic", ["0000:99:00.0"]),
    entry("uid-3", "nvidia.com/gpu", { "0": ["GPU-4711"] }),
  ];
  write(JSON.stringify({ Data: { PodDeviceEntries, RegisteredDevices: { "teeio.dev/gpu": ["0000:17:00.0"] } }, Checksum: 4711 }));
  expect(await read()).toEqual({
    kind: "Checkpoint",
    domains: OURS,
    given: [
      { podUid: "uid-1", resource: "teeio.dev/gpu", ids: ["0000:17:00.0", "0000:65:00.0"] },
      { podUid: "uid-2", resource: "teeio.dev/nic", ids: ["0000:99:00.0"] },
    ],
    forgotten: [],
  });
});

it("that is not there, or has given nothing, names no device", async () => {
  expect(await read()).toMatchObject({ given: [] });
  write(JSON.stringify({ Data: { PodDeviceEntries: null, RegisteredDevices: {} }, Checksum: 1 }));
  expect(await read()).toMatchObject({ given: [] });
});

it.each(["", "{", "null", '{"Data":{"PodDeviceEntries":[{}]}}'])("that is no checkpoint is unreadable: %j", async (text) => {
  write(text);
  expect(await read()).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("kubelet_internal_checkpoint") });
});

const STATIC = "9205f7bff52df532234993f5a359eb29";
const UID = "0f8b3c52-6f1e-4a57-9d0e-1f2a3b4c5d6e";

it.each([
  ["cgroup v2", STATIC, [`/kubepods/besteffort/pod${STATIC}/0f01a5bb`]],
  ["the pod's own group", STATIC, [`/kubepods/pod${STATIC}`]],
  ["cgroup v1, in one of its hierarchies", UID, ["/", `/n1/kubepods/burstable/pod${UID}/0f01a5bb`]],
  [
    "systemd",
    UID,
    [`/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID.replaceAll("-", "_")}.slice/cri-containerd-0f01a5bb.scope`],
  ],
  ["systemd, for a static pod", STATIC, [`/kubepods.slice/kubepods-pod${STATIC}.slice/cri-containerd-0f01a5bb.scope`]],
  ["a cgroup namespace beside it", STATIC, [`/../../kubepods/besteffort/pod${STATIC}/0f01a5bb`]],
])("that has forgotten a pod says so while it has a process: %s", async (_where, uid, paths) => {
  runs(1, "/init.scope");
  runs(4711, ...paths);
  expect(await read(uid, "uid-9")).toMatchObject({ given: [], forgotten: [uid] });
});

it.each([
  ["has no process any more", "/kubepods/besteffort/podother/0f01a5bb"],
  ["has a UID that another one begins with", `/kubepods/besteffort/pod${STATIC}0/0f01a5bb`],
])("says nothing of a forgotten pod that %s", async (_what, path) => {
  runs(4711, path);
  writeFileSync(join(dir, "proc", "uptime"), "");
  mkdirSync(join(dir, "proc", "4712"));
  expect(await read(STATIC)).toMatchObject({ forgotten: [] });
});

it("has not forgotten a pod that it names with something else", async () => {
  write(JSON.stringify({ Data: { PodDeviceEntries: [entry(STATIC, "nvidia.com/gpu", { "0": ["GPU-4711"] })], RegisteredDevices: {} }, Checksum: 1 }));
  runs(4711, `/kubepods/besteffort/pod${STATIC}/0f01a5bb`);
  expect(await read(STATIC)).toMatchObject({ given: [], forgotten: [] });
});

it("is unreadable while processes cannot be read and it has forgotten a pod", async () => {
  rmSync(join(dir, "proc"), { recursive: true });
  expect(await read()).toMatchObject({ kind: "Checkpoint" });
  expect(await read(STATIC)).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("proc") });
});
