// SPDX-License-Identifier: Apache-2.0

/** The gate's rules about the driver of a function: why it has no vfio device, although the spec wants it to get one. In order. */
import { isBindFailed } from "../binds/error.ts";
import { bindWish, VFIO_PCI } from "../binds/wish.ts";
import { atMostThree } from "../link-names.ts";
import type { Facts, Rule } from "./inputs.ts";

/** The group is given to a virtual machine as a whole. Who was given the device already keeps it. */
export const GROUP_NOT_OURS: Rule = {
  reason: "GroupNotOurs",
  passes: ({ address, purpose, hold, memory }) => purpose === "PreStart" || hold?.epoch != null || !memory.foreignInGroup.has(address),
  read: ({ address, fn, memory }) =>
    `IOMMU group ${fn?.iommuGroup ?? "unread"}, in it and taken by no resource: ${atMostThree(memory.foreignInGroup.get(address) ?? []) || "none"}`,
};

/** It is given back to its own driver (plan/binds.ts). */
export const NATIVE_DRIVER: Rule = {
  reason: "NativeDriver",
  passes: ({ resource }) => resource?.driver.bind !== "Native",
  read: ({ address, resource, fn, memory }) => {
    const waits = memory.bindWork.waits.get(address) ?? "";
    return `driver.bind ${resource?.driver.bind ?? "unread"}, driver ${fn?.driver ?? "none"}${waits === "" ? "" : `; ${waits}`}`;
  },
};

export const BIND_RULES_IN_ORDER: readonly Rule[] = [
  {
    reason: "DriverChanging",
    passes: ({ address, memory }) => !memory.bindWork.running.has(address) || memory.bindWork.stuck.has(address),
    read: (facts) => runningText(facts),
  },
  {
    reason: "BindStuck",
    passes: ({ address, memory }) => !memory.bindWork.stuck.has(address),
    read: (facts) => runningText(facts),
  },
  {
    reason: "DriverOverridden",
    passes: (facts) => !isToBeBound(facts) || ["", VFIO_PCI].includes(facts.fn?.binding?.override ?? ""),
    read: ({ fn }) => `driver_override "${fn?.binding?.override ?? ""}"`,
  },
  {
    reason: "HasVirtualFunctions",
    passes: (facts) => !isToBeBound(facts) || (facts.fn?.binding?.virtualFunctions ?? 0) === 0,
    read: ({ fn }) => `sriov_numvfs ${fn?.binding?.virtualFunctions ?? "not asked for"}`,
  },
  {
    reason: "InUseByHost",
    passes: (facts) => !isToBeBound(facts) || hostUseText(facts) === "",
    read: (facts) => hostUseText(facts) || "no user of the host that is looked for",
  },
  {
    reason: "BindFailed",
    passes: (facts) => !isToBeBound(facts) || !isBindFailed(facts.memory.bindWork.failures.get(facts.address)),
    read: ({ address, memory }) => {
      const failure = memory.bindWork.failures.get(address);
      return failure === undefined ? "no attempt has failed" : `${failure.count} attempts, the last: ${failure.problem}`;
    },
  },
];

/** Vfio-pci is wanted, and has not got it. */
function isToBeBound({ intent, fn }: Facts): boolean {
  return fn !== null && bindWish(intent, fn) === "Vfio";
}

function hostUseText({ address, fn, memory }: Facts): string {
  const binding = fn?.binding;
  if (binding == null) return "";
  const failure = memory.bindWork.failures.get(address);
  if (failure?.isInUse && binding.users.length === 0) return failure.problem;
  return binding.problem === "" ? atMostThree(binding.users) : `it cannot be told: ${binding.problem}`;
}

function runningText({ address, memory }: Facts): string {
  const one = memory.bindWork.running.get(address);
  if (one === undefined) return "its driver is not being changed";
  const by = one.pid === null ? "" : `, by pid ${one.pid}`;
  return `it is being given ${one.to === "Vfio" ? VFIO_PCI : "its own driver"}${by}`;
}
