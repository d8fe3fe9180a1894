// SPDX-License-Identifier: Apache-2.0
// The kubelet stand-in as a program of its own, for a machine that has no kubelet: writes what is offered, each time it changes, one JSON line
// after another, to standard output. `node kubelet.js FOLDER` (default /var/lib/kubelet).
import { existsSync, readFileSync } from "node:fs";
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

/** Each line of FOLDER/pods.txt is a pod, `NAME RESOURCE`: one that comes is admitted, one that goes is deleted. */
const PODS = join(folder, "pods.txt");
const NAMESPACE = "vm";
const LOOK_MS = 250;
/** Kubelet repeats a container's start that was refused. */
const AGAIN_MS = 2_000;
const running = new Map<string, Promise<void>>();

/** Ends a pod, if it is there. */
function forget(name: string): void {
  if (!kubelet.pods().some((pod) => pod.name === name)) return;
  kubelet.terminatePod(NAMESPACE, name);
  kubelet.removePod(NAMESPACE, name);
}

/** A pod that is refused for good is made anew, as a controller of pods does: an emulated machine answers too late now and then. */
async function run(name: string, resource: string): Promise<void> {
  const admit = () => kubelet.admitPod({ namespace: NAMESPACE, name, requests: { [resource]: 1 } });
  let state = await admit();
  for (;;) {
    process.stdout.write(`${JSON.stringify({ atMs: Math.round(performance.timeOrigin + performance.now()), pod: name, ...state })}\n`);
    if (state.phase === "Running") return;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    if (!running.has(name)) return;
    if (state.phase === "Failed") {
      forget(name);
      state = await admit();
    } else {
      state = await kubelet.startContainer(NAMESPACE, name);
    }
    if (!running.has(name)) return forget(name);
  }
}

function look(): void {
  const wanted = new Map(
    (existsSync(PODS) ? readFileSync(PODS, "utf8") : "").split("\n").flatMap((line) => {
      const [name = "", resource = ""] = line.split(" ");
      return resource === "" ? [] : [[name, resource] as const];
    }),
  );
  for (const [name, resource] of wanted)
    if (!running.has(name))
      running.set(
        name,
        run(name, resource).catch((thrown: unknown) => console.error(name, thrown)),
      );
  for (const name of running.keys())
    if (!wanted.has(name)) {
      forget(name);
      running.delete(name);
    }
}
setInterval(look, LOOK_MS);
