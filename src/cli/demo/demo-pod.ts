// SPDX-License-Identifier: Apache-2.0

/** The workload of the demonstration: a pod of the kubelet that stands in, which takes a device, keeps it for a while, and gives it back. */
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { KubeletStandIn } from "../../stand-in/kubelet/types.ts";

export interface DemoPod {
  /** Takes a device. Once, or again and again until `end`. */
  begin(again: boolean): void;
  /** Gives back what it has, for good. Repeatable. */
  end(): void;
}

const NAME = { namespace: "demo", name: "vm" } as const;
/** As long as a person needs to see it. */
const KEEPS_MS = 8_000;
const RESTS_MS = 10_000;

export function createDemoPod(kubelet: () => KubeletStandIn | null, clock: Clock, onProblem: (thrown: unknown) => void): DemoPod {
  let timer: Timer | null = null;
  let isOver = false;

  const giveBack = (): void => {
    kubelet()?.terminatePod(NAME.namespace, NAME.name);
    kubelet()?.removePod(NAME.namespace, NAME.name);
  };
  const take = async (again: boolean): Promise<void> => {
    // A container's start that takes too long is repeated by kubelet; this one leaves that to the next round.
    await kubelet()?.admitPod({ ...NAME, requests: { "teeio.dev/gpu": 1 } });
    if (isOver) giveBack();
    else if (again) timer = clock.after(KEEPS_MS, () => rest());
  };
  const rest = (): void => {
    giveBack();
    timer = clock.after(RESTS_MS, () => begin(true));
  };
  const begin = (again: boolean): void => {
    if (!isOver) take(again).catch(onProblem);
  };

  return {
    begin,
    end() {
      if (isOver) return;
      isOver = true;
      timer?.stop();
      giveBack();
    },
  };
}
