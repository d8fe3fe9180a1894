// SPDX-License-Identifier: Apache-2.0
// A deadlock of the kernel's PCI/TSM core, and the agent in the middle of it. Who reads tsm/bound of a function while its function 0 disconnects
// waits for the semaphore that the disconnect holds; the disconnect takes the file away, and waits for its reader. Neither moves again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sys } from "../kit/device.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { SIM } from "../kit/simulator.ts";
import { openKernelRung } from "../rung.ts";
import type { Vm } from "../vm/vm.ts";
import type { VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-tsm-lock-"));
const ZERO = "0000:01:00.0";
const ONE = "0000:01:00.1";
const TWO_FUNCTIONS = [
  "pcie-root-port,id=rp0,bus=pcie.0,chassis=1",
  "nvme,serial=a,bus=rp0,addr=0x0.0x0,multifunction=on",
  "nvme,serial=b,bus=rp0,addr=0x0.0x1",
];
/** Starts the disconnect in the background; /run/disconnected says that it has ended. */
const DISCONNECT = `rm -f /run/disconnected; (echo tsm0 > ${sys(ZERO, "tsm/disconnect")}; echo done > /run/disconnected) > /dev/null 2>&1 &`;
/** Where in the kernel the agent's threads are. */
const STACKS = "cat /proc/$(cat /run/agent.pid)/task/*/stack 2> /dev/null; true";
const hasEnded = (seconds: number): string => `for i in $(seq ${seconds * 10}); do [ -s /run/disconnected ] && exit 0; sleep 0.1; done; exit 1`;

describe.skipIf(rung.skipReason !== null)("a read that meets a disconnect", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    ({ vm, node } = await startAgentVm(rung, folder, { devices: TWO_FUNCTIONS }));
    await vm.run(LOAD_PROJECT);
    await node.startKubelet();
    await node.startAgent();
    await node.until("a trusted unit", (now) => now.units[0]?.state === "Trusted");
    await vm.run("kill $(cat /run/agent.pid)");
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("hangs both in the kernel, when the reader is anybody", async () => {
    await vm.run(`echo tsm0 > ${sys(ZERO, "tsm/connect")} && ls ${sys(ONE, "tsm/bound")}`);
    await vm.run(`echo 1500 > ${SIM}/link_remove_ms`);
    await vm.run(`${DISCONNECT} sleep 0.5; cat ${sys(ONE, "tsm/bound")} > /dev/null 2>&1 & echo $! > /run/reader.pid`);
    expect((await vm.try(hasEnded(10))).code).toBe(1);
    await vm.run("kill $(cat /run/reader.pid)");
    expect((await vm.try(hasEnded(50))).code).toBe(0);
  });

  it("is let go by the agent, so that neither hangs", async () => {
    await vm.run(`echo 0 > ${SIM}/link_remove_ms && echo tsm0 > ${sys(ZERO, "tsm/connect")}`);
    await node.startAgent();
    await node.until("the link", (now) => now.devices.some((one) => one.address === ZERO && one.link.tsm === "tsm0"));
    // Long enough for many looks of the agent, each of which meets the disconnect for a moment: its threads' stacks show one of them. Once a read
    // has blocked, the next one is let go after a hundredth of a second, so that they are looked at without a pause. tsm/bound is not read at all
    // while tsm/connect blocks: only a disconnect that begins between the two meets it there.
    await vm.run(`echo 10000 > ${SIM}/link_remove_ms`);
    const seen = `(${STACKS}) | grep -qE "bound_show|connect_show" && echo met && exit 0`;
    const look = `echo change > ${sys(ZERO, "uevent")}; for k in $(seq 10); do ${seen}; done`;
    expect((await vm.try(`${DISCONNECT} for i in $(seq 60); do [ -s /run/disconnected ] && exit 1; ${look}; done; exit 1`)).output).toBe("met\n");
    expect((await vm.try(hasEnded(50))).code).toBe(0);
    expect(await vm.run(STACKS)).not.toMatch(/bound_show|connect_show/);
    await vm.run(`echo change > ${sys(ZERO, "uevent")}`);
    const status = await node.until("an insecure link", (now) => now.devices.some((one) => one.address === ZERO && one.link.state === "Insecure"));
    expect(status.units[0]).toMatchObject({ state: "Trusted" });
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});
