// SPDX-License-Identifier: Apache-2.0
// A device that takes a minute to be secured, which nothing can cut short, and what happens to the agent meanwhile. Its helper waits in the kernel and
// belongs to the agent's container: the runtime may wait for it, and with it the next agent.
import { expect, it } from "vitest";
import { z } from "zod";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import { SIM } from "../kit/simulator.ts";
import { RELEASE } from "./agents.ts";
import { deploymentOf, isReady, untilEvent, untilPod } from "./pods.ts";
import type { Stage } from "./stage.ts";

const CONNECT_MS = 60_000;
const DEADLINE_MS = 420_000;
const HELPERS = "ps | grep -c '[l]ink-writer'; true";
const PODS = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ uid: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({
        containerStatuses: z.array(z.object({ containerID: z.string().default(""), ready: z.boolean() })).default([]),
      }),
    }),
  ),
});

/** What was seen of a change of agents, in seconds after its begin. */
interface Change {
  /** Nothing of the old agent is in the kernel any more. */
  helperGone: number | null;
  /** The next agent's container is there. */
  started: number | null;
  /** It serves. */
  ready: number | null;
}

async function containers({ cluster }: Stage): Promise<readonly { readonly containerID: string; readonly ready: boolean }[]> {
  const { items } = await cluster.kubectlJson(["-n", RELEASE, "get", "pods"], PODS);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).flatMap(({ status }) => status.containerStatuses);
}

/** Watches until an agent serves that is not the one before. */
function untilNext(stage: Stage, before: string): Promise<Change> {
  const beginMs = performance.now();
  const seen: Change = { helperGone: null, started: null, ready: null };
  const note = (key: keyof Change, holds: boolean): void => {
    if (holds) seen[key] ??= Math.round((performance.now() - beginMs) / 100) / 10;
  };
  const look = async () => {
    note("helperGone", (await stage.vm.run(HELPERS)).trim() === "0");
    const others = (await containers(stage)).filter(({ containerID }) => containerID !== before && containerID !== "");
    note("started", others.length > 0);
    note(
      "ready",
      others.some(({ ready }) => ready),
    );
    return seen.ready !== null && seen.helperGone !== null ? met(seen) : notYet<Change>(JSON.stringify(seen));
  };
  return waitUntil("the next agent", look, { deadlineMs: DEADLINE_MS, everyMs: 300 });
}

/** Gives a pod a device that takes so long, and returns once the helper is in the kernel. */
async function begin(stage: Stage, name: string): Promise<number> {
  const { vm, cluster, agents } = stage;
  // What an earlier pod has left must have been released: a link that is secured already is not connected again.
  const isBare = (one: NodeStatus["devices"][number]): boolean => one.usedBy !== null || (one.offered && one.link.state === "Insecure");
  await agents.untilStatus(
    "a device to give away, without a link",
    ({ devices }) => devices.every(isBare) && devices.some((one) => one.usedBy === null),
  );
  await vm.run(`echo ${CONNECT_MS} > ${SIM}/link_connect_ms`);
  const exchanges = await exchangesOf(stage);
  await cluster.apply(deploymentOf(name, { device: true, script: "true" }));
  await untilHelper(stage);
  return exchanges;
}

/** Waits until a device is being secured. */
export async function untilHelper({ vm }: Stage): Promise<void> {
  const look = async () => ((await vm.run(HELPERS)).trim() === "1" ? met(true) : notYet<boolean>("no helper"));
  await waitUntil("the helper in the kernel", look, { deadlineMs: DEADLINE_MS, everyMs: 200 });
}

const exchangesOf = async ({ vm }: Stage): Promise<number> => Number(await vm.run(`cat ${SIM}/link_exchanges`));

/** The link was made once, by whom ever, and is the pod's. */
async function untilAdopted(stage: Stage, name: string, exchanges: number): Promise<void> {
  const { agents, cluster, vm } = stage;
  await untilPod(cluster, name, isReady);
  const isSecured = ({ devices }: NodeStatus) => devices.some((one) => one.link.state === "Secure" && one.usedBy?.pod.startsWith(`default/${name}-`));
  const status = await agents.untilStatus(`the link of ${name} adopted`, isSecured);
  expect(status.conditions.find(({ type }) => type === "Degraded")).toMatchObject({ status: "False" });
  expect(await exchangesOf(stage)).toBe(exchanges + 1);
  await vm.run(`echo 0 > ${SIM}/link_connect_ms`);
}

export function tellOfLongConnects(onStage: () => Stage): void {
  it("keeps a container waiting for a link that takes a minute, which the next agent adopts when this one is killed meanwhile", async () => {
    const stage = onStage();
    const exchanges = await begin(stage, "killed");
    await untilEvent(stage.cluster, /LINK_PENDING: link of 0000:0[12]:00\.0 is being secured for \d+ s/);
    const [container] = await containers(stage);
    await stage.vm.run("kill -9 $(pidof node)");
    const change = await untilNext(stage, container?.containerID ?? "");
    stage.tell(`after kill -9 in a connect of ${CONNECT_MS / 1000} s: ${JSON.stringify(change)}`);
    await untilAdopted(stage, "killed", exchanges);
    await stage.show("get", "events", "--field-selector", "type=Warning", "-o", "custom-columns=REASON:.reason,MESSAGE:.message");
  });

  it("and when the DaemonSet was rolled out meanwhile", async () => {
    const stage = onStage();
    const exchanges = await begin(stage, "rolled");
    const [container] = await containers(stage);
    await stage.cluster.kubectl(["-n", RELEASE, "rollout", "restart", "daemonset"]);
    const change = await untilNext(stage, container?.containerID ?? "");
    stage.tell(`after a rollout in a connect of ${CONNECT_MS / 1000} s: ${JSON.stringify(change)}`);
    await untilAdopted(stage, "rolled", exchanges);
    await stage.cluster.kubectl(["delete", "deployment", "killed", "--wait=true", "--timeout=120s"]);
  });
}
