// SPDX-License-Identifier: Apache-2.0

/** The plan of a unit that is to be cleared: withdrawn, free in every view for the settling time, and only then CLEAR (I4, I5). */
import { clearanceOf, isSetUp } from "../clearance.ts";
import { settledAtMs } from "../kubelet-settling.ts";
import { describeUses } from "../use.ts";
import { because, type Finding, type Step, type UnitFacts } from "./finding.ts";
import { isKernelOwned, partOfUnits, UNLOAD, unproven } from "./kernel-owned.ts";
import { lastStatus, repeatable } from "./repeat.ts";

const BLOCKED_POLL_MS = 2_000;
const WITHDRAW_POLL_MS = 250;

export function planCleared(facts: UnitFacts): Finding {
  const { fact, memory, ground, regBase } = facts;
  const { tdxIommuId, setupSeq, state } = fact.entry;
  const isSetupFailed = state === "Failed" && fact.entry.lastCall?.leaf === "TDH.IOMMU.SETUP";
  if (isKernelOwned(facts)) {
    const refusal = unproven(facts) ?? partOfUnits(facts, isSetUp, "cleared: it clears");
    if (refusal) return refusal;
  }
  if (!isSetUp(fact)) return isSetupFailed ? because("SetupFailed", lastStatus(facts)) : because("Cleared");
  const { uses, listed } = clearanceOf(memory, ground, regBase);
  // Kubelet and the API do not call us when a device is let go: these two are looked at again.
  const { nowMs } = ground.view;
  if (uses.length > 0 && uses.every((use) => use.kind === "NotAsked"))
    return { ...because("ClearPending", "the pods of this node are asked next"), wakeAtMs: nowMs + WITHDRAW_POLL_MS };
  if (uses.length > 0) return { ...because("ClearBlocked", describeUses(uses)), wakeAtMs: nowMs + BLOCKED_POLL_MS };
  if (listed.length > 0)
    return { ...because("ClearPending", `kubelet still lists ${listed.slice(0, 3).join(", ")}`), wakeAtMs: nowMs + WITHDRAW_POLL_MS };
  const readyAtMs = settledAtMs(memory, ground.view.podResources, memory.freeSince.get(regBase) ?? nowMs);
  if (nowMs < readyAtMs) return { ...because("ClearSettling", `free for less than ${memory.settleMs / 1000} s`), wakeAtMs: readyAtMs };
  if (tdxIommuId === null || isKernelOwned(facts)) return because("KernelOwned", UNLOAD);
  const older = olderDriver(facts);
  if (older !== null) return because("DriverTooOld", older);
  const ahead = callUnderWay(facts);
  if (ahead !== null) return because("ClearPending", `waits for ${ahead}`);
  const step: Step = { kind: "Clear", regBase, tdxIommuId, setupSeq };
  return repeatable(facts, "TDH.IOMMU.CLEAR", { step, fresh: "ClearPending", again: "ClearRetrying", failed: "ClearFailed" });
}

/** A CLEAR that can't be told until when its look is good could begin under a guest. */
function olderDriver({ ground: { view } }: UnitFacts): string | null {
  if (view.driver.kind !== "Read" || view.driver.value.info.honoursNotAfter) return null;
  const { name, info } = view.driver.value;
  return `${name} of version ${info.abiVersion} is loaded, 2 is needed: load the installed one; as it stays while a unit is trusted, reboot this node`;
}

/** Calls run one after the other: this one would wait behind it, and its look would age. The end of that call wakes the agent. */
function callUnderWay({ ground, regBase }: UnitFacts): string | null {
  for (const { entry } of ground.units.values()) {
    if (entry.regBase === regBase) continue;
    if (entry.state === "SettingUp") return `SETUP of ${entry.regBase}`;
    if (entry.state === "Clearing") return `CLEAR of ${entry.regBase}`;
  }
  return null;
}
