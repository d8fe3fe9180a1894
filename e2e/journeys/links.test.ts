// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { type Journey, startJourney } from "./journey.ts";

const PHYSICAL = "0000:01:00.0";
const VIRTUAL = "0000:01:04.0";
const GPU = "0000:41:00.0";
const GPU_BRIDGE = "pci0000:40";

/** A network adapter with virtual functions, and a GPU below a host bridge of its own. */
const HOST = `summary: one unit, two host bridges, a TSM
tsm: tsm0
unitDefaults: { version: "6:0", cap: "19ed008c40780c66", ecap: "7ee9e86f050df" }
units: [{ name: dmar0, regBase: "0xfed90000" }]
bridges: { "0000:01": "0000:00:01.0", "0000:41": "0000:40:01.0" }
functions:
  - { address: "0000:00:01.0", unit: dmar0, vendor: "8086", device: "352a", class: "060400", driver: pcieport, ideStreams: 4 }
  - { address: "0000:40:01.0", unit: dmar0, vendor: "8086", device: "352a", class: "060400", driver: pcieport, ideStreams: 4 }
  - { address: "${PHYSICAL}", unit: dmar0, vendor: "8086", device: "0b25", class: "020000", driver: vfio-pci, teeIo: true, ideStreams: 2, vfs: { count: 2 } }
  - { address: "${GPU}", unit: dmar0, vendor: "10de", device: "2335", class: "030200", driver: vfio-pci, teeIo: true, ideStreams: 2 }
`;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  writeFileSync(join(journey.folder, "host.yaml"), HOST);
  await journey.simulate("create", "--host", join(journey.folder, "host.yaml"));
});
afterEach(() => journey.end());

const manifest = (enable: string): void =>
  journey.manifest(`  state: Trusted
  units: {all: true}
  resources: [{name: teeio.dev/device, match: {functions: [Physical, Virtual]}}]
  link: {enable: ${enable}}
`);
const reads = (address: string, reason: string): Promise<NodeStatus> =>
  journey.until(`${address} ${reason}`, ({ devices }) => devices.some((one) => one.address === address && one.reason === reason));

async function explained(address: string): Promise<string> {
  return (await journey.run("explain", address, "--simulator", journey.simulator, "--manifest", `${journey.folder}/node.yaml`)).stdout;
}

describe("links of a simulated host", () => {
  it("are as many as streams are left at their host bridge", async () => {
    manifest("OnPrepare");
    journey.agent("--kubelet", "none", "--settle", "0.3");
    await reads(GPU, "Offered");
    await journey.simulate("fault", "--streams", "0", "--host-bridge", GPU_BRIDGE);
    await reads(GPU, "NoStreamFree");
    expect(await explained(GPU)).toMatch(/NoStreamFree/);
    await journey.simulate("fault", "--streams", "1", "--host-bridge", GPU_BRIDGE);
    await reads(GPU, "Offered");
    const refused = await journey.run("simulate", "fault", "--root", journey.simulator, "--streams", "1");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(GPU_BRIDGE) });
  });

  it("are lost by a function-level reset of function 0, and by none of a virtual function", async () => {
    manifest("External");
    journey.agent("--kubelet", "none", "--settle", "0.3");
    await reads(VIRTUAL, "Offered");
    await journey.simulate("secure-link", PHYSICAL);
    expect(await journey.simulate("flr", VIRTUAL)).toContain("no stream was lost");
    expect(await journey.simulate("flr", PHYSICAL)).toContain("has lost its stream");
    await reads(VIRTUAL, "LinkBroken");
    expect(await explained(VIRTUAL)).toMatch(/LinkBroken/);
    await journey.simulate("release-link", PHYSICAL);
    await reads(VIRTUAL, "Offered");
  });

  it("do not cover virtual functions that are made after them", async () => {
    manifest("External");
    await journey.simulate("vf", PHYSICAL, "--count", "0");
    journey.agent("--kubelet", "none", "--settle", "0.3");
    await reads(PHYSICAL, "Offered");
    await journey.simulate("secure-link", PHYSICAL);
    await journey.simulate("vf", PHYSICAL, "--count", "2");
    await reads(VIRTUAL, "LinkNotCovering");
    expect(await explained(VIRTUAL)).toMatch(/LinkNotCovering/);
    await journey.simulate("release-link", PHYSICAL);
    await reads(VIRTUAL, "Offered");
  });
});
