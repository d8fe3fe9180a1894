// SPDX-License-Identifier: Apache-2.0

/** Two ledgers on one node: what one of them has, or needs, the other one leaves alone. */
import type { World } from "../life/world.ts";
import { PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { GPU, PLAIN, plainIntent, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import { advance, intent, POD, type Scenario, step, TWO_GPUS, UP } from "./scenario.ts";

const [GPU_RULE, NIC_RULE] = resourcesWith("Keep");
if (GPU_RULE === undefined || NIC_RULE === undefined) throw new Error("the world has two resources");
const BOTH = [{ ...GPU_RULE, ledger: "DRA" as const }, NIC_RULE];
const DRA: Partial<WorldShape> = { dra: PLAIN_DRA_WORLD, spec: specOf(plainIntent({ resources: BOTH })) };

const device =
  (at: number, reason: string) =>
  ({ api, host }: World): readonly string[] => {
    const shown = api.status?.devices.find(({ address }) => address === host.functions[at]?.address)?.reason;
    return shown === reason ? [] : [`function ${at} should be ${reason}, the status says ${shown}`];
  };

/** Kubelet has never been told of the name. */
const noPlugin = ({ kubelet }: World): readonly string[] => (kubelet.endpoints.has(GPU) ? [`kubelet has a device plugin for ${GPU}`] : []);

export const SHARING: readonly Scenario[] = [
  {
    name: "a resource that is DRA's from the beginning is never registered as a device plugin's",
    shape: DRA,
    steps: [...UP, advance(5_000)],
    check: (world) => [...noPlugin(world), ...device(0, "Offered")(world)],
  },
  {
    name: "a device plugin's device takes no stream that the scheduler counts for DRA below the same host bridge",
    shape: { ...DRA, linkEnable: "OnPrepare", streams: 1, spec: specOf(plainIntent({ resources: BOTH, link: { enable: "OnPrepare" } })) },
    steps: UP,
    check: device(1, "StreamsShared"),
  },
  {
    name: "a device whose pod was given it by the device plugin is not DRA's while the pod has it",
    shape: { dra: PLAIN_DRA_WORLD, spec: PLAIN.spec },
    steps: [...UP, ...POD, advance(1_000), intent("trusted"), advance(5_000)],
    check: device(0, "HeldInOtherLedger"),
  },
  {
    name: "the free device of a name waits for DRA until no pod of the device plugin has the other one",
    shape: { ...TWO_GPUS, dra: PLAIN_DRA_WORLD, spec: PLAIN.spec },
    steps: [...UP, ...POD, advance(1_000), intent("trusted"), advance(5_000)],
    check: device(1, "LedgerSwitching"),
  },
  {
    name: "a device that another DRA driver lists is offered neither by DRA nor by the device plugin",
    shape: DRA,
    steps: [...UP, advance(1_000), step("listElsewhere", { at: 0 }), advance(5_000)],
    check: device(0, "OfferedByOther"),
  },
];
