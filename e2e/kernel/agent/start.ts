// SPDX-License-Identifier: Apache-2.0
// What the tests of an agent on a real kernel begin with: a VM of the new kernel with the modules' files in its root, an agent that is not started
// yet, and its intent, which trusts every unit.
import { ensureModules } from "../kit/modules.ts";
import { ensureVfioModules } from "../kit/vfio.ts";
import type { KernelRung } from "../rung.ts";
import type { Contents } from "../vm/initramfs.ts";
import { startVm, type Vm } from "../vm/vm.ts";
import { agentContents } from "./contents.ts";
import { type VmNode, vmNode } from "./node.ts";

export interface AgentVmOptions {
  /** Values of QEMU's `-device`. */
  readonly devices: readonly string[];
  /** VFIO and IOMMUFD, which Debian's kernel does not have. */
  readonly vfio?: boolean;
  /** Further arguments of QEMU. */
  readonly more?: readonly string[];
  /** Further files. */
  readonly contents?: Contents;
}

export interface AgentVm {
  readonly vm: Vm;
  readonly node: VmNode;
}

/** Boots it. What has to be built for it goes to `folder` or to the cache. Modules are the test's to load. */
export async function startAgentVm(rung: KernelRung, folder: string, options: AgentVmOptions): Promise<AgentVm> {
  const { devices, vfio = false, contents = {}, more = [] } = options;
  const { chroot, kernels } = await rung.kit();
  const [kernel] = kernels;
  const modules = {
    ...(await ensureModules(kernel, rung.environment)).contents,
    ...(vfio ? await ensureVfioModules(kernel, rung.environment, rung.progress) : {}),
  };
  const all = { ...modules, ...(await agentContents(folder)), ...contents };
  const vm = await startVm({ chroot, kernel, contents: all, devices, more, memoryMb: 1536 });
  await vm.run("cp /trusted.yaml /node.yaml");
  return { vm, node: vmNode(vm) };
}
