// SPDX-License-Identifier: Apache-2.0
// Claims while what they depend on is killed, or lacks a feature: the agent, kubelet, the API server, binding conditions.
import { expect, test } from "vitest";
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { NodeStatus } from "../../../src/domain/status.ts";
import { type Claim, claimFiles, claimOf, podOf, readClaim, type SlicedDevice, untilNoClaimFile, untilSliced } from "../claims.ts";
import { condition, deviceIn, setIntent, untilStatus } from "../intents.ts";
import { endPod, isRunning, signalPod, untilAgent, untilPod } from "../pods.ts";
import type { Stage } from "../stage.ts";

/** Long enough to kill what is to be killed meanwhile. */
const SLOW_LINK_MS = "8000";
const NO_CONDITIONS = "--feature-gates=DRADeviceBindingConditions=false";

const givenTo = (claim: Claim | null): string => claim?.status?.allocation?.devices.results[0]?.device ?? "";
const isFree = ({ taints }: SlicedDevice): boolean => taints.length === 0;
/** Of slots: all functions of one show its link. */
const countSecure = ({ devices }: NodeStatus): number =>
  devices.filter(({ address, link }) => address.endsWith(".0") && link.state === "Secure").length;

/** Kills one of those that a waiting claim depends on, and returns when it is back. */
type Kill = readonly [what: string, kill: (stage: Stage) => Promise<void>];
const KILLS: readonly Kill[] = [
  ["the agent", killAgent],
  ["kubelet", (stage) => stage.cluster.node("n1").restartKubelet()],
  ["the API server", (stage) => stage.cluster.controlPlane.restart("kube-apiserver")],
  ["the scheduler", (stage) => stage.cluster.controlPlane.restart("kube-scheduler")],
];

export function tellOfClaimsUnderKills(onStage: () => Stage): void {
  test.each(KILLS)("%s is killed while a pod waits for its link: the pod runs, with one device, one link and one file", async (what, kill) => {
    const stage = onStage();
    const slowed = await slowLinks(stage);
    await stage.cluster.apply(claimOf("five"), podOf("waiter", "five"));
    await untilPod(stage, "waiter", { what: "allocated and not bound", holds: ({ status }) => status.nominatedNodeName !== undefined });
    await kill(stage);
    stage.tell(`${what} was killed and is back`);
    await untilPod(stage, "waiter", { what: "running", holds: isRunning });
    const claim = await readClaim(stage, "five");
    const address = addressOfDraDevice(givenTo(claim)) ?? "";
    const status = await untilStatus(stage, "n1", { what: "its link", holds: (seen) => deviceIn(seen, address).link.state === "Secure" });
    expect([slowed.includes(address), countSecure(status)]).toEqual([true, 1]);
    expect(await claimFiles(stage, "n1")).toEqual([`trusted-iommu-claim_${claim?.metadata.uid}.json`]);
    await over(stage, "waiter", "five");
  });

  test("without binding conditions the pod is bound at once, kubelet's call waits for the link, and the status says so", async () => {
    const stage = onStage();
    await stage.cluster.controlPlane.restart("kube-apiserver", [NO_CONDITIONS]);
    // What a slice has already is kept: kubelet's wipe makes them new.
    const before = await untilSliced(stage, "n1", "listed", (seen) => seen.length > 0);
    await stage.cluster.node("n1").restartKubelet();
    const isNew = (seen: readonly SlicedDevice[]): boolean =>
      seen.length === before.length && seen.every(({ slice }) => before.every((one) => one.slice !== slice));
    await untilSliced(stage, "n1", "made anew", isNew);
    const status = await untilStatus(stage, "n1", {
      what: "dropped fields",
      holds: (seen) => condition(seen, "DevicesOffered").message.includes("bindingConditions"),
    });
    stage.tell(`DevicesOffered: ${condition(status, "DevicesOffered").message}`);
    await slowLinks(stage);
    await stage.cluster.apply(claimOf("five"), podOf("waiter", "five"));
    await untilPod(stage, "waiter", { what: "bound, not running", holds: (pod) => pod.spec.nodeName === "n1" && !isRunning(pod) });
    await untilPod(stage, "waiter", { what: "running", holds: isRunning });
    const claim = await readClaim(stage, "five");
    expect(claim?.status?.devices ?? []).toEqual([]);
    const address = addressOfDraDevice(givenTo(claim)) ?? "";
    await untilStatus(stage, "n1", { what: "its link", holds: (seen) => deviceIn(seen, address).link.state === "Secure" });
    await over(stage, "waiter", "five");
    await stage.cluster.controlPlane.restart("kube-apiserver");
    // A process sends no field again that was dropped.
    await killAgent(stage);
    await untilSliced(stage, "n1", "with binding conditions again", (seen) => seen.length > 0 && seen.every(({ waits }) => waits));
  });
}

async function killAgent(stage: Stage): Promise<void> {
  const agent = await untilAgent(stage, "n1");
  const restarts = agent.status.containerStatuses[0]?.restartCount ?? 0;
  await signalPod(stage, agent, "KILL");
  await untilAgent(stage, "n1", ({ restartCount }) => restartCount > restarts);
}

/** @returns the devices whose links take long */
async function slowLinks(stage: Stage): Promise<readonly string[]> {
  await setIntent(stage, "n1", "Trusted", { gpus: "DRA", links: "OnPrepare" });
  const devices = await untilSliced(stage, "n1", "free", (seen) => seen.length > 0 && seen.every(isFree));
  const addresses = devices.map(({ name }) => addressOfDraDevice(name) ?? "");
  for (const address of addresses) await stage.simulate("n1", "fault", "--link", address, "--delay", SLOW_LINK_MS, "--times", "1");
  return addresses;
}

async function over(stage: Stage, pod: string, claim: string): Promise<void> {
  await endPod(stage, pod);
  await stage.cluster.kubectl(["delete", "resourceclaim", claim]);
  await stage.simulate("n1", "clear-faults");
  await untilStatus(stage, "n1", { what: "no link left", holds: (seen) => countSecure(seen) === 0 });
  await untilNoClaimFile(stage, "n1");
}
