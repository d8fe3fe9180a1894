// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { groundFrom } from "../domain/ground.ts";
import type { OfferedResource } from "../domain/offer.ts";
import { createCdi, specFileName } from "../kubelet/cdi.ts";
import { silentLog } from "../runtime/log.ts";
import { aBinding, aFunction, aHost, aUnit, aView, GPU } from "../testing/builders.ts";
import { createPublisher } from "./publisher.ts";

const NIC = "teeio.dev/nic";
const HELD = "0000:17:00.0";
const FREE = "0000:18:00.0";
const listOf = (resource: string, devices: Readonly<Record<string, boolean>>): OfferedResource => ({
  resource,
  devices: Object.entries(devices).map(([id, healthy]) => ({ id, healthy, numaNode: 0 })),
});

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ti-publisher-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const publisher = () => createPublisher({ cdi: createCdi({ dir }), log: silentLog }, null, false);
/** A host on which nothing is simulated: a device without a vfio device has nothing that a spec could give. */
const ground = (heldCdev: string | null) => {
  const functions = [aFunction({ address: HELD, vfioCdev: heldCdev }), aFunction({ address: FREE })];
  const binding = aBinding([aUnit()], { simulated: false });
  return groundFrom(aView({ binding, host: { kind: "Read", value: aHost({ functions }) } }));
};

test("a held device that has lost its vfio device keeps no other one from its spec", async () => {
  const specs = await publisher().writeSpecs([listOf(GPU, { [HELD]: false, [FREE]: true })], ground(null));
  expect(specs).toEqual({ problem: "", names: new Set([`${GPU}=${FREE}`]) });
  expect(JSON.parse(readFileSync(join(dir, specFileName(GPU)), "utf8"))).toMatchObject({ devices: [{ name: FREE }] });
});

test("a spec that cannot be written withholds what is new of its own resource only", async () => {
  const publishing = publisher();
  const all = ground("/dev/vfio/devices/vfio1");
  await publishing.writeSpecs([listOf(GPU, { [HELD]: true })], all);
  // No file can take the place of a folder.
  rmSync(join(dir, specFileName(GPU)));
  mkdirSync(join(dir, specFileName(GPU)));
  const specs = await publishing.writeSpecs([listOf(GPU, { [HELD]: true, [FREE]: true }), listOf(NIC, { [FREE]: true })], all);
  expect(specs.problem).not.toBe("");
  expect(specs.names).toEqual(new Set([`${GPU}=${HELD}`, `${NIC}=${FREE}`]));
});
