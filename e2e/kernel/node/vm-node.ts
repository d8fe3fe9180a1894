// SPDX-License-Identifier: Apache-2.0
// A node of the real cluster that is a machine of its own: a VM with its own kernel, disk, containerd and kubelet, on the cluster's network.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Environment } from "../../cluster/environment.ts";
import { connectTap, nodeAddress } from "../../cluster/network.ts";
import type { Progress } from "../../cluster/progress.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { Kernel } from "../kit/kernels.ts";
import type { Contents } from "../vm/initramfs.ts";
import { startVm, type Vm } from "../vm/vm.ts";
import { NODE_MODULES, writeModules } from "./modules.ts";
import { makeNodeDisk } from "./node-disk.ts";

/** Emulated, and beside a whole cluster: 15 to 20 s are usual. */
const READY_MS = 180_000;
const MEMORY_MB = 2048;
const BOOT = fileURLToPath(new URL("boot.sh", import.meta.url));

export interface VmNodeSpec {
  readonly name: string;
  readonly chroot: string;
  readonly kernel: Kernel;
  /** Values of `-device`: what the node has to offer. */
  readonly devices: readonly string[];
  /** OCI archives that the node has from the beginning, beside the cluster's own. */
  readonly archives?: readonly string[];
  /** More for its disk: kernel modules. */
  readonly contents?: Contents;
  readonly environment: Environment;
  readonly progress: Progress;
}

/** A node of the cluster that is a machine of its own. It ends with the cluster at the latest. */
export interface VmNode {
  readonly name: string;
  readonly address: string;
  readonly vm: Vm;
  /** Waits until the API server shows the node Ready, as this boot of the machine. @throws with the ends of its logs */
  untilReady(): Promise<void>;
  /** Cuts the power and gives it back; returns when the machine answers, which is before its kubelet does. */
  reset(): Promise<void>;
  /** The ends of the node's own logs. */
  logs(): Promise<string>;
  stop(): Promise<void>;
}

/** Makes the machine, boots it, and waits until the node is Ready. One a cluster. @throws with the ends of its logs */
export async function startVmNode(cluster: Cluster, spec: VmNodeSpec): Promise<VmNode> {
  const { name, progress } = spec;
  const index = cluster.nodes.length + 1;
  const vm = await startMachine(cluster, index, spec);
  progress(`${name}: the machine answers`);
  const node = nodeOf(cluster, { name, address: nodeAddress(index), vm });
  try {
    await node.untilReady();
  } catch (cause) {
    await vm.stop();
    throw cause;
  }
  progress(`${name}: the node is Ready`);
  return node;
}

async function startMachine(cluster: Cluster, index: number, spec: VmNodeSpec): Promise<Vm> {
  const { name, chroot, kernel, devices, environment, progress, archives = [], contents = {} } = spec;
  const { namespace } = cluster.controlPlane;
  const folder = join(cluster.folder, name);
  const busybox = join(chroot, "usr/bin/busybox");
  const disk = await makeNodeDisk(cluster, folder, { name, index, busybox, searchPath: environment.variables.PATH ?? "", archives, contents });
  const modules = join(folder, "modules");
  await writeModules(modules, NODE_MODULES, { chroot, kernel });
  const others = cluster.nodes.map((node) => node.namespace);
  const tap = await connectTap(namespace, others, index);
  progress(`${name}: its disk is made`);
  return startVm({
    chroot,
    kernel,
    devices,
    contents: { modules },
    init: BOOT,
    memoryMb: MEMORY_MB,
    folder: join(folder, "vm"),
    more: [...diskArguments(disk), ...networkArguments(tap, index)],
    start: (_, argv) => namespace.start(name, argv),
  });
}

/** Nothing on it has to survive the end of QEMU, but everything a cut of the VM's power. */
function diskArguments(file: string): readonly string[] {
  return ["-drive", `file=${file},format=raw,if=none,id=disk,cache=unsafe`, "-device", "virtio-blk-pci,drive=disk"];
}

function networkArguments(tap: string, index: number): readonly string[] {
  const mac = `52:54:00:77:00:${index.toString(16).padStart(2, "0")}`;
  return ["-netdev", `tap,id=net,ifname=${tap},script=no,downscript=no`, "-device", `virtio-net-pci,netdev=net,mac=${mac},romfile=`];
}

function nodeOf(cluster: Cluster, { name, address, vm }: Pick<VmNode, "name" | "address" | "vm">): VmNode {
  const logs = async (): Promise<string> => (await vm.try("tail -n 15 /var/log/*.log; dmesg | tail -n 15")).output;
  return {
    name,
    address,
    vm,
    logs,
    async untilReady() {
      const bootId = (await vm.run("cat /proc/sys/kernel/random/boot_id")).trim();
      const look = async () => {
        const { stdout, stderr } = await cluster.tryKubectl(["get", "node", name, "-o", READY_AND_BOOT]);
        return stdout === `True ${bootId}` ? met(true) : notYet<boolean>(stdout || stderr.trim());
      };
      await waitUntil(`node ${name} Ready`, look, { deadlineMs: READY_MS, everyMs: 300 }).catch(async (cause: Error) => {
        throw new Error(`${cause.message}\n${await logs()}`, { cause });
      });
    },
    reset: () => vm.reset(),
    stop: () => vm.stop(),
  };
}

const READY_AND_BOOT = 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.nodeInfo.bootID}';
