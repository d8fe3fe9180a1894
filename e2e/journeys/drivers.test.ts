// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { type Journey, startJourney } from "./journey.ts";

/** Its description gives it the driver mlx5_core. */
const NIC = "0000:27:00.0";

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "tdx-connect-2s");
}, 60_000);
afterEach(() => journey.end());

const manifest = (bind: string): void =>
  journey.manifest(`  state: Trusted
  units: {all: true}
  resources: [{name: teeio.dev/nic, match: {vendors: ["15b3"]}, driver: {bind: ${bind}}}]
`);
const nic = (status: NodeStatus) => status.devices.find(({ address }) => address === NIC);
const reads = (what: string, isIt: (one: ReturnType<typeof nic>) => boolean): Promise<NodeStatus> =>
  journey.until(what, (status) => isIt(nic(status)));

describe("drivers of a simulated host's functions", () => {
  it("are changed as the spec says: not at all, to vfio-pci, and back once nobody has the device", async () => {
    manifest("Keep");
    journey.agent("--kubelet", "none", "--settle", "0.3");
    const kept = await reads("without a vfio device", (one) => one?.reason === "NoVfioDevice");
    expect(nic(kept)?.message).toContain("mlx5_core");
    manifest("Vfio");
    await reads("offered", (one) => one?.offered === true);
    await journey.simulate("hold", NIC);
    manifest("Native");
    const held = await reads("waiting for its holder", (one) => /in use by pid \d+/.test(one?.message ?? ""));
    expect(nic(held)).toMatchObject({ reason: "NativeDriver", message: expect.stringContaining("driver vfio-pci") });
    await journey.simulate("unhold", NIC);
    await reads("back on its own driver", (one) => one?.reason === "NativeDriver" && one.message.includes("driver mlx5_core"));
  });
});
