// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readCheckpoint } from "../../../src/kubelet/podresources/checkpoint.ts";

const OURS = new Set(["teeio.dev"]);
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ti-checkpoint-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (text: string): void => writeFileSync(join(dir, "kubelet_internal_checkpoint"), text);
const entry = (PodUID: string, ResourceName: string, DeviceIDs: unknown) => ({
  PodUID,
  ContainerName: "main",
  ResourceName,
  DeviceIDs,
  AllocResp: "Cg==",
});

it("is read for the resources of our domains, whatever the NUMA nodes", async () => {
  const PodDeviceEntries = [
    entry("uid-1", "teeio.dev/gpu", { "0": ["0000:17:00.0"], "-1": ["0000:65:00.0"] }),
    entry("uid-2", "teeio.dev/nic", ["0000:99:00.0"]),
    entry("uid-3", "nvidia.com/gpu", { "0": ["GPU-4711"] }),
  ];
  write(JSON.stringify({ Data: { PodDeviceEntries, RegisteredDevices: { "teeio.dev/gpu": ["0000:17:00.0"] } }, Checksum: 4711 }));
  expect(await readCheckpoint(dir, OURS)).toEqual({
    kind: "Checkpoint",
    domains: OURS,
    given: [
      { podUid: "uid-1", resource: "teeio.dev/gpu", ids: ["0000:17:00.0", "0000:65:00.0"] },
      { podUid: "uid-2", resource: "teeio.dev/nic", ids: ["0000:99:00.0"] },
    ],
  });
});

it("that is not there, or has given nothing, names no device", async () => {
  expect(await readCheckpoint(dir, OURS)).toMatchObject({ given: [] });
  write(JSON.stringify({ Data: { PodDeviceEntries: null, RegisteredDevices: {} }, Checksum: 1 }));
  expect(await readCheckpoint(dir, OURS)).toMatchObject({ given: [] });
});

it.each(["", "{", "null", '{"Data":{"PodDeviceEntries":[{}]}}'])("that is no checkpoint is unreadable: %j", async (text) => {
  write(text);
  expect(await readCheckpoint(dir, OURS)).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("kubelet_internal_checkpoint") });
});
