// SPDX-License-Identifier: Apache-2.0
// A real consumer of what the agent hands out: QEMU in a pod, on the device's IOMMUFD node.
import { expect, it } from "vitest";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { streamStatus } from "../kit/device.ts";
import { SIM } from "../kit/simulator.ts";
import { RESOURCE } from "./agents.ts";
import { isReady, untilLog, untilPod } from "./pods.ts";
import type { Stage } from "./stage.ts";
import { givenIn, monitor, podNames, vmmDeployment } from "./vmm.ts";

const VMM = "vmm";

export function tellOfAConsumer(onStage: () => Stage): void {
  const exchanges = async ({ vm }: Stage): Promise<number> => Number(await vm.run(`cat ${SIM}/link_exchanges`));
  const status = async ({ vm }: Stage, address: string): Promise<number> => Number.parseInt(await vm.run(streamStatus(address)), 16);
  /** Waits until the link was made more than `before` times, and its stream is secure. */
  const untilRepaired = (stage: Stage, address: string, before: number): Promise<number> =>
    waitUntil(
      `the link of ${address} made again`,
      async () => {
        const [count, now] = [await exchanges(stage), await status(stage, address)];
        return count > before && now === 2 ? met(count) : notYet<number>(`${count} connects after ${before}, stream status ${now}`);
      },
      { deadlineMs: 420_000, everyMs: 300 },
    );
  let address = "";
  let pod = "";

  it("gives a virtual machine monitor in a pod a device that it opens, binds and attaches, by names as KubeVirt and Kata make them", async () => {
    const stage = onStage();
    const { cluster, tell } = stage;
    const before = await exchanges(stage);
    await cluster.apply(vmmDeployment(VMM));
    ({ name: pod } = (await untilPod(cluster, VMM, isReady)).metadata);
    const log = await untilLog(cluster, pod, /"status": "prelaunch"/);
    tell(`the log of ${pod}:\n${log}`);
    const given = givenIn(log);
    ({ address } = given);
    expect(await podNames(cluster, pod)).toEqual({ [`${RESOURCE}=${address}`]: [given.node, "/dev/iommu"] });
    // Once before the container started, and again after the monitor has reset the device.
    await untilRepaired(stage, address, before + 1);
  });

  it("leaves the stream as it is when the machine starts, and repairs it when the machine is reset", async () => {
    const stage = onStage();
    const { cluster, agents } = stage;
    const isHeldAndSecure = (one: { readonly address: string; readonly link: { readonly state: string }; readonly usedBy: unknown }) =>
      one.address === address && one.link.state === "Secure" && one.usedBy !== null;
    await agents.untilStatus("the monitor's device secured", ({ devices }) => devices.some(isHeldAndSecure));
    const before = await exchanges(stage);
    await monitor(cluster, pod, "cont");
    await untilLog(cluster, pod, /"status": "running"/);
    expect([await exchanges(stage), await status(stage, address)]).toEqual([before, 2]);
    await monitor(cluster, pod, "system_reset");
    await untilLog(cluster, pod, /"event": "RESET"/);
    await untilRepaired(stage, address, before);
  });

  it("lets the monitor use descriptors that its pod has opened, too", async () => {
    const { cluster } = onStage();
    await monitor(cluster, pod, "quit");
    const log = await untilLog(cluster, pod, /ended with 0[\s\S]*"status": "prelaunch"/);
    expect(log).not.toMatch(/ended with [1-9]/);
    await cluster.kubectl(["delete", "deployment", VMM, "--wait=true", "--timeout=120s"]);
  });
}
