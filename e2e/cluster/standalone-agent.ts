// SPDX-License-Identifier: Apache-2.0
// An agent without an API server on a standalone node: its manifest, its status, the simulated host below it, and what kubelet says to it.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NodeStatus } from "../../src/domain/status.ts";
import type { NodePodsView, PodDevices } from "../../src/domain/view.ts";
import { readCheckpoint } from "../../src/kubelet/podresources/checkpoint.ts";
import { createPodResources } from "../../src/kubelet/podresources/podresources.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { BUSYBOX_IMAGE } from "../image/busybox-image.ts";
import { runCommand } from "./command.ts";
import { childrenOf, isStopped, processesNaming } from "./identity.ts";
import { SIMULATED_HOST_PATH } from "./node-ground.ts";
import type { Program } from "./program.ts";
import type { StandaloneNode } from "./standalone-node.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(ROOT, "bin/trusted-iommu");

export const RESOURCE = "teeio.dev/accelerator";

type CheckpointView = Extract<NodePodsView, { readonly kind: "Checkpoint" }>;

export interface StandaloneAgent {
  readonly program: Program;
  /** Stops the process where it is, and lets it go on. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Writes the manifest: every unit is to be so. */
  intend(state: "Trusted" | "Cleared"): void;
  /** Null before the first one. */
  status(): NodeStatus | null;
  /** How often the simulated TDX module was asked to clear a unit. */
  clearCalls(): Promise<number>;
  /** What kubelet's device checkpoint has given to pods. */
  given(): Promise<CheckpointView["given"]>;
  /** What podresources shows in pods' hands. */
  shown(): Promise<readonly PodDevices[]>;
  /** Lets it go on, so that it can be ended with its node. */
  close(): void;
}

/** Renders a host of one unit, and starts an agent on it that is to trust the unit. */
export async function startStandaloneAgent(node: StandaloneNode): Promise<StandaloneAgent> {
  await runCommand([PROGRAM, "simulate", "create", "--host", join(ROOT, "hosts/one-unit.yaml"), "--root", node.hostFolder]);
  const manifest = join(node.folder, "node.yaml");
  const statusFile = join(node.folder, "status.json");
  const intend: StandaloneAgent["intend"] = (state) =>
    writeFileSync(
      manifest,
      JSON.stringify({
        apiVersion: "teeio.dev/v1alpha1",
        kind: "TrustedIommu",
        metadata: { name: node.name },
        spec: {
          state,
          units: { all: true },
          resources: [{ name: RESOURCE, ledger: "DevicePlugin", driver: { bind: "Keep" }, match: { functions: ["Physical"] } }],
        },
      }),
    );
  intend("Trusted");
  const places = ["--simulator", SIMULATED_HOST_PATH, "--manifest", manifest, "--status", statusFile, "--cdi-dir", "/var/run/cdi"];
  const program = node.namespace.start("agent", [PROGRAM, "agent", ...places, "--settle", "1"]);
  const pods = createPodResources({ socketPath: join(node.kubeletFolder, "pod-resources/kubelet.sock"), clock: systemClock });
  return {
    program,
    freeze: () => freeze(program),
    thaw: () => thaw(program),
    intend,
    status: () => (existsSync(statusFile) ? (JSON.parse(readFileSync(statusFile, "utf8")) as { status: NodeStatus }).status : null),
    async clearCalls() {
      const { stdout } = await runCommand([PROGRAM, "simulate", "show", "--root", node.hostFolder, "--output", "json"]);
      const { units } = JSON.parse(stdout) as { units: readonly { clearCalls: string }[] };
      return units.reduce((sum, { clearCalls }) => sum + Number(clearCalls), 0);
    },
    async given() {
      const places = { deviceDir: join(node.kubeletFolder, "device-plugins"), procDir: "/proc" };
      const view = await readCheckpoint(places, { domains: new Set(["teeio.dev"]), known: new Set() });
      if (view.kind !== "Checkpoint") throw new Error(`no checkpoint: ${JSON.stringify(view)}`);
      return view.given;
    },
    async shown() {
      const view = await pods.observe();
      if (view.kind !== "Read") throw new Error(`no podresources: ${JSON.stringify(view)}`);
      return view.pods;
    },
    close() {
      thaw(program);
      pods.close();
    },
  };
}

/** nsenter, which started the agent, stops itself when it sees the agent stopped; when it goes on, it lets the agent go on. */
async function freeze({ pid }: Program): Promise<void> {
  const [agent] = childrenOf(pid);
  if (agent === undefined) throw new Error("there is no agent to stop");
  process.kill(agent, "SIGSTOP");
  const look = () => (isStopped(pid) && isStopped(agent) ? met(true) : notYet<boolean>("running"));
  await waitUntil("the agent to be stopped", look, { deadlineMs: 10_000 });
}

function thaw({ pid }: Program): void {
  if (isStopped(pid)) process.kill(pid, "SIGCONT");
}

export interface StaticPod {
  /** As podresources names it: kubelet puts the node's name behind the manifest's. */
  readonly shownAs: string;
  /** The container has started. */
  hasStarted(): boolean;
  isRunning(): boolean;
  /** Removes the manifest: kubelet asks the container to end, which it does not hear. */
  remove(): void;
  /** Tells the container to end. */
  end(): void;
}

/** Has kubelet run a pod with one device, whose container ends when it is told to, and not when kubelet asks it to. */
export function runStaticPod(node: StandaloneNode, name: string): StaticPod {
  const manifest = join(node.staticPodsFolder, `${name}.json`);
  const at = (file: string): string => join(node.folder, `${name}-${file}`);
  const script = `trap '' TERM; touch ${at("started")}; while [ ! -e ${at("end")} ]; do sleep 0.1; done`;
  const container = {
    name: "main",
    image: BUSYBOX_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", script],
    resources: { limits: { [RESOURCE]: "1" } },
    volumeMounts: [{ name: "node", mountPath: node.folder }],
  };
  const volumes = [{ name: "node", hostPath: { path: node.folder, type: "Directory" } }];
  const spec = { restartPolicy: "Never", terminationGracePeriodSeconds: 600, containers: [container], volumes };
  writeFileSync(manifest, JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default" }, spec }));
  return {
    shownAs: `${name}-${node.name}`,
    hasStarted: () => existsSync(at("started")),
    isRunning: () => processesNaming(at("end")).length > 0,
    remove: () => rmSync(manifest),
    end: () => writeFileSync(at("end"), ""),
  };
}
