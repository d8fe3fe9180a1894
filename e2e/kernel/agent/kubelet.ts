// SPDX-License-Identifier: Apache-2.0
// The kubelet stand-in as a program of its own, for a machine that has no kubelet: writes what is offered, each time it changes, one JSON line
// after another, to standard output. `node kubelet.js FOLDER` (default /var/lib/kubelet).
import { join } from "node:path";
import { systemClock } from "../../../src/runtime/clock.ts";
import { startKubeletStandIn } from "../../../src/stand-in/kubelet/stand-in.ts";

const folder = process.argv[2] ?? "/var/lib/kubelet";
const kubelet = await startKubeletStandIn({
  dir: join(folder, "device-plugins"),
  podResourcesSocket: join(folder, "pod-resources", "kubelet.sock"),
  clock: systemClock,
});
let last = "";
const write = (): void => {
  const offered = Object.fromEntries(kubelet.resources().map((resource) => [resource, kubelet.allocatable(resource)]));
  const line = JSON.stringify(offered);
  if (line !== last) process.stdout.write(`${JSON.stringify({ atMs: Math.round(performance.timeOrigin + performance.now()), offered })}\n`);
  last = line;
};
kubelet.onChange(write);
write();
