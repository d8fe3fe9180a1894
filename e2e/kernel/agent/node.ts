// SPDX-License-Identifier: Apache-2.0
// The agent of a VM, as seen from outside of it.
import { expect } from "vitest";
import type { DeviceStatus, NodeStatus } from "../../../src/domain/status.ts";
import { met, notYet, waitUntil } from "../../cluster/waiting.ts";
import type { Vm } from "../vm/vm.ts";
import { COMMAND } from "./contents.ts";

const STATUS = "/run/status.json";
/** Emulated: everything takes its time. */
const WAIT_MS = 120_000;

/** Ids of devices, after each change. */
type Offers = readonly (readonly string[])[];

export interface VmNode {
  /** Starts the stand-in for kubelet. */
  startKubelet(): Promise<void>;
  /** With `flags` beside those that it always has. */
  startAgent(flags?: string): Promise<void>;
  status(): Promise<NodeStatus>;
  /** Waits until the status is as wanted. */
  until(what: string, isMet: (status: NodeStatus) => boolean): Promise<NodeStatus>;
  /** Waits until the device is as wanted. */
  untilDevice(address: string, what: string, isMet: (device: DeviceStatus) => boolean): Promise<DeviceStatus>;
  /** What kubelet has been given so far: the ids of all resources, at first and after each change. */
  offers(): Promise<Offers>;
  untilOffers(what: string, isMet: (offers: Offers) => boolean): Promise<Offers>;
  /** Waits until kubelet's newest ids are as wanted, and returns them. */
  untilOffered(what: string, isMet: (ids: readonly string[]) => boolean): Promise<readonly string[]>;
  /** The pods that kubelet is to run, by name: one that comes is admitted, one that goes is deleted. */
  setPods(names: readonly string[]): Promise<void>;
  /** Waits until kubelet has said that of the pod. @returns all that it has said of it */
  untilPod(name: string, what: string, isMet: (state: PodSaid) => boolean): Promise<readonly PodSaid[]>;
  log(): Promise<string>;
}

/** What kubelet says of a pod after each attempt to start its container. */
export interface PodSaid {
  readonly atMs: number;
  readonly phase: string;
  readonly message: string;
  readonly ids: readonly string[];
  readonly deviceNodes: readonly string[];
}

export function vmNode(vm: Vm): VmNode {
  const status = async (): Promise<NodeStatus> => {
    const file = JSON.parse(await vm.run(`cat ${STATUS}`)) as { status: NodeStatus };
    return file.status;
  };
  const offers = async (): Promise<Offers> => {
    const lines = (await vm.run("grep offered /run/kubelet.log")).trim().split("\n");
    return lines.map((line) => Object.values((JSON.parse(line) as { offered: Record<string, readonly string[]> }).offered).flat());
  };
  const until: VmNode["until"] = (what, isMet) =>
    waitUntil(
      what,
      async () => {
        if ((await vm.try(`test -s ${STATUS}`)).code !== 0) return notYet<NodeStatus>("no status");
        const now = await status();
        return isMet(now) ? met(now) : notYet(JSON.stringify({ summary: now.summary, units: now.units, devices: now.devices }));
      },
      { deadlineMs: WAIT_MS },
    );
  const untilOffers: VmNode["untilOffers"] = (what, isMet) =>
    waitUntil(
      what,
      async () => {
        const all = await offers();
        return isMet(all) ? met(all) : notYet(JSON.stringify(all.slice(-5)));
      },
      { deadlineMs: WAIT_MS },
    );
  return {
    startKubelet: async () => {
      await vm.run("mkdir -p /var/lib/kubelet; /opt/trusted-iommu/bin/node /opt/trusted-iommu/kubelet.mjs > /run/kubelet.log 2> /run/kubelet.err &");
      await vm.run("for i in $(seq 300); do [ -s /run/kubelet.log ] && exit 0; sleep 0.1; done; cat /run/kubelet.err; exit 1");
    },
    startAgent: async (flags = "") => {
      await vm.run(
        `${COMMAND} agent --manifest /node.yaml --status ${STATUS} --settle 2 --driver auto --output json ${flags} >> /run/agent.log 2>&1 & echo $! > /run/agent.pid`,
      );
    },
    status,
    until,
    untilDevice: async (address, what, isMet) => {
      const wanted = ({ devices }: NodeStatus) => devices.find((device) => device.address === address && isMet(device));
      return wanted(await until(`${address}: ${what}`, (now) => wanted(now) !== undefined)) as DeviceStatus;
    },
    offers,
    untilOffers,
    untilOffered: async (what, isMet) => (await untilOffers(what, (all) => isMet(all.at(-1) ?? []))).at(-1) ?? [],
    setPods: async (names) => {
      const lines = names.map((name) => `${name} teeio.dev/device`).join("\\n");
      await vm.run(`printf '${lines}\\n' > /var/lib/kubelet/pods.new && mv /var/lib/kubelet/pods.new /var/lib/kubelet/pods.txt`);
    },
    untilPod: (name, what, isMet) =>
      waitUntil(
        `pod ${name}: ${what}`,
        async () => {
          const { output } = await vm.try(`grep '"pod":"${name}"' /run/kubelet.log`);
          const said = output.split("\n").flatMap((line): PodSaid[] => (line.startsWith("{") ? [JSON.parse(line) as PodSaid] : []));
          return said.some(isMet) ? met(said) : notYet<readonly PodSaid[]>(output);
        },
        { deadlineMs: WAIT_MS },
      ),
    log: () => vm.run("cat /run/agent.log"),
  };
}

/** The one unit of a VM, with the kernel's own words for its key. */
export function onlyUnit(status: NodeStatus): NodeStatus["units"][number] {
  const [unit] = status.units;
  expect(status.units).toHaveLength(1);
  if (unit === undefined) throw new Error("no unit");
  return unit;
}
