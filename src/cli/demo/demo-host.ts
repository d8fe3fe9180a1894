// SPDX-License-Identifier: Apache-2.0
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../runtime/atomic-file.ts";
import { createSimulatedHost } from "../../stand-in/host/create.ts";
import { loadHostDescription } from "../../stand-in/host/load-description.ts";
import { simulationOf } from "../../stand-in/module/simulation.ts";

/** Makes the simulated host. `latencyMs` null: as described. @returns whether it has a TSM that secures links */
export function makeHost(folder: string, file: string, latencyMs: number | null): boolean {
  const described = loadHostDescription(file);
  const description = latencyMs === null ? described : { ...described, module: { ...described.module, latencyMs } };
  createSimulatedHost(folder, { description, control: simulationOf() });
  return description.tsm !== null;
}

/** What the demonstration wants of its node: a TrustedIommu as an admin writes it. */
export function manifestText(state: "Trusted" | "Cleared", hasTsm = true): string {
  return `apiVersion: teeio.dev/v1alpha1
kind: TrustedIommu
metadata:
  name: demo
spec:
  state: ${state}
  units: {all: true}
  resources:
    - name: teeio.dev/gpu
      ledger: DevicePlugin
      match: {vendors: ["10de"], classes: ["0302"]}
    - name: teeio.dev/accelerator
      ledger: DevicePlugin
      match: {vendors: ["8086"], devices: ["4944", "4945"]}
    - name: teeio.dev/nic
      ledger: DevicePlugin
      match: {vendors: ["15b3"], classes: ["02"]}
  link:
    enable: ${hasTsm ? "OnPrepare" : "Never"}
`;
}

/** The manifest of the demonstration: written once, changed once, as an admin would. */
export interface DemoManifest {
  readonly path: string;
  want(state: "Trusted" | "Cleared"): Promise<void>;
}

export async function makeManifest(folder: string, hasTsm: boolean): Promise<DemoManifest> {
  const path = join(folder, "node.yaml");
  await writeFile(path, manifestText("Trusted", hasTsm));
  return { path, want: (state) => writeFileAtomic(path, manifestText(state, hasTsm)) };
}
