// SPDX-License-Identifier: Apache-2.0
// The modules loaded and unloaded a hundred times: no memory, no address and no bit of a device is left behind.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureModules, LOAD_PROJECT, UNLOAD_PROJECT } from "./kit/modules.ts";
import { buildSelftest } from "./kit/selftest.ts";
import { SIM } from "./kit/simulator.ts";
import { kernelNamed, openKernelRung } from "./rung.ts";
import { behindPorts } from "./vm/qemu.ts";
import { startVm, type Vm } from "./vm/vm.ts";

const rung = await openKernelRung();
const LOADS = 100;
/** What is made once and kept has been made by then. */
const LOADS_BEFORE = 5;
const ENDPOINT = "$(realpath /sys/bus/pci/devices/0000:01:00.0)";
/**
 * Has these caches checked at each step, which takes their stores for a processor away (sheaves, in 7.2). What lies in a store counts as in use, and
 * moves the kernel's figures by dozens of objects at a time. The parameter's old name: both kernels know it.
 */
const COUNT_EXACTLY = "slub_debug=F,kmalloc-*";
const OBJECTS = "grep -E '^kmalloc-(64|128|256|512|1k|2k|4k) ' /proc/slabinfo | awk '{print $1, $2}'";

describe.skipIf(rung.skipReason !== null).each(["7.2", "6.1"])("the modules on Linux %s", (name) => {
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-loads-"));
  let vm: Vm;

  beforeAll(async () => {
    const kit = await rung.kit();
    const kernel = kernelNamed(kit, name);
    const built = await ensureModules(kernel, rung.environment);
    const contents = { ...built.contents, selftest: await buildSelftest(folder) };
    vm = await startVm({ chroot: kit.chroot, kernel, contents, devices: behindPorts(["nvme,serial=a"]), parameters: COUNT_EXACTLY });
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The endpoint's configuration space, and what of the machine's addresses its root port and itself have. */
  const deviceLooks = async (): Promise<Record<string, string>> => ({
    windows: await vm.run(`cat ${ENDPOINT}/../resource`),
    addresses: await vm.run(`cat ${ENDPOINT}/resource`),
    bytes: await vm.run(`cat ${ENDPOINT}/config | wc -c`),
    capabilities: await vm.run(`dd if=${ENDPOINT}/config bs=64 skip=1 2> /dev/null | od -tx4`),
  });

  it("are loaded and unloaded a hundred times and leave nothing", async () => {
    // They go with a link secured; the old kernel has no PCI/TSM.
    const secure = name === "6.1" ? "true" : `echo Y > ${SIM}/link_before_setup && echo tsm0 > ${ENDPOINT}/tsm/connect`;
    const cycle = `${LOAD_PROJECT} && /selftest setup-and-clear && ${secure} && ${UNLOAD_PROJECT}`;
    const cycles = (count: number): Promise<string> => vm.run(`for i in $(seq ${count}); do ${cycle} || exit 1; done`, 600_000);
    const device = await deviceLooks();
    await cycles(LOADS_BEFORE);
    const before = countsIn(await vm.run(OBJECTS));
    await cycles(LOADS);
    // With PCI/TSM the endpoint has been taken off the bus and found again two hundred times.
    expect(await deviceLooks()).toEqual(device);
    const grown = [...countsIn(await vm.run(OBJECTS))].map(([cache, count]) => ({ cache, objects: count - (before.get(cache) ?? 0) }));
    rung.progress(`${name}: after ${LOADS} loads there are more by ${grown.map(({ cache, objects }) => `${objects} of ${cache}`).join(", ")}`);
    // Everybody else's come and go by a few. One left behind at each load does not.
    expect(grown.filter(({ objects }) => objects > LOADS / 2)).toEqual([]);
    expect(await vm.complaints()).toEqual([]);
  });
});

/** Objects in use, by cache. */
function countsIn(text: string): ReadonlyMap<string, number> {
  const lines = text.trim().split("\n");
  return new Map(lines.map((line): [string, number] => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]));
}
