// SPDX-License-Identifier: Apache-2.0
// A real kubelet without an API server: what it has given away is in its device checkpoint alone, and it forgets there only when it writes.
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { openRung, rungTitle } from "./rung.ts";
import { RESOURCE, runStaticPod, type StandaloneAgent, type StaticPod, startStandaloneAgent } from "./standalone-agent.ts";
import { type StandaloneNode, startStandaloneNode } from "./standalone-node.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const rung = await openRung();

describe.skipIf(rung.skipReason !== null)(rungTitle("a kubelet without an API server", rung), () => {
  let node: StandaloneNode;
  let agent: StandaloneAgent;
  let failed = false;

  beforeAll(async () => {
    const { environment, progress } = rung;
    node = await startStandaloneNode({ binaries: await rung.binaries(), environment, progress });
    agent = await startStandaloneAgent(node);
    await untilStatus("both devices are offered and kubelet has them", ({ conditions, counts }) => {
      return counts.devicesOffered === 2 && conditions.some(({ type, status }) => type === "Ready" && status === "True");
    });
  });

  afterAll(async () => {
    agent?.close();
    await node?.stop({ failed });
  });

  const noteFailure = () =>
    onTestFailed(() => {
      failed = true;
    });

  const until = <T>(what: string, see: () => Promise<T> | T, holds: (value: T) => boolean): Promise<T> => {
    const look = async () => {
      agent.program.assertRunning();
      const value = await see();
      return holds(value) ? met(value) : notYet<T>(JSON.stringify(value));
    };
    return waitUntil(what, look, { deadlineMs: 60_000 });
  };

  const untilStatus = (what: string, holds: (status: NodeStatus) => boolean) =>
    until(what, agent.status, (status) => status !== null && holds(status));

  const clearBlocked = ({ conditions }: NodeStatus): string => conditions.find(({ type }) => type === "ClearBlocked")?.message ?? "";

  const started = async (name: string): Promise<StaticPod> => {
    const pod = runStaticPod(node, name);
    await until(`${name} runs`, pod.hasStarted, (has) => has);
    return pod;
  };

  const isEmpty = (list: readonly unknown[]): boolean => list.length === 0;

  test("gives a device to a static pod, and forgets it in its checkpoint when a list is sent again", async () => {
    noteFailure();
    const pod = await started("first");
    expect(await agent.shown()).toMatchObject([{ namespace: "default", pod: pod.shownAs, resource: RESOURCE, ids: [expect.any(String)] }]);
    const before = await agent.given();
    expect(before).toMatchObject([{ resource: RESOURCE, ids: [expect.any(String)] }]);
    rung.progress(`while the pod runs the checkpoint has ${JSON.stringify(before)}`);
    await untilStatus("the agent has seen the pod", ({ devices }) => devices.some(({ usedBy }) => usedBy?.pod === `default/${pod.shownAs}`));

    // Without an agent that sends its list again nothing makes kubelet write, and so the checkpoint keeps the pod.
    await agent.freeze();
    pod.end();
    await until("podresources shows the pod's device free", agent.shown, isEmpty);
    expect(await agent.given()).toEqual(before);
    rung.progress(`when the pod has ended it has ${JSON.stringify(await agent.given())}`);

    agent.thaw();
    await until("the checkpoint has forgotten the pod", agent.given, isEmpty);
    expect(agent.status()?.counts.devicesOffered).toBe(2);
    rung.progress("the list was sent again, and it has []");
    pod.remove();
  });

  test("forgets a static pod with its manifest, and CLEAR waits until the container has ended", async () => {
    noteFailure();
    const pod = await started("second");
    agent.intend("Cleared");
    await untilStatus("CLEAR waits for the pod", (status) => clearBlocked(status).includes(`in use by pod default/${pod.shownAs}`));
    const [entry] = await agent.given();
    rung.progress(`while the pod runs the checkpoint has ${JSON.stringify(entry)}`);

    pod.remove();
    await until("podresources shows the pod's device free", agent.shown, isEmpty);
    await until("the checkpoint has forgotten the pod", agent.given, isEmpty);
    expect(pod.isRunning()).toBe(true);
    rung.progress("its manifest is gone and its container runs: podresources and the checkpoint have []");
    await untilStatus("CLEAR waits for the container", (status) => clearBlocked(status).includes(`${entry?.podUid}, which kubelet has forgotten`));
    expect(pod.isRunning()).toBe(true);
    expect(await agent.clearCalls()).toBe(0);

    pod.end();
    await untilStatus("the unit is cleared", ({ units }) => units[0]?.reason === "Cleared");
    expect(pod.isRunning()).toBe(false);
    expect(await agent.clearCalls()).toBeGreaterThan(0);
  });
});
