// SPDX-License-Identifier: Apache-2.0

import { bindWish } from "./binds/wish.ts";
import { isSetUp, isStranded } from "./clearance.ts";
/**
 * When a decision hangs on who has a device open. Finding out means a look at every open file of the host, so an idle node, or one without devices
 * that could be offered, is spared it.
 */
import type { PciFunction } from "./device.ts";
import { unitFacts } from "./ground.ts";
import { type Intent, selectsUnit } from "./intent.ts";
import type { Memory } from "./memory.ts";
import { resourceFor } from "./selector.ts";
import { slotOwnerOf } from "./slot.ts";
import type { NodeView } from "./view.ts";

type Unsearched = Omit<PciFunction, "holders" | "binding">;

export interface HolderInterest {
  readonly intent: Intent | null;
  readonly memory: Pick<Memory, "holds" | "linkWork">;
  readonly driver: NodeView["driver"];
}

/**
 * A test of one function: true for what is held (when it is free again must be seen), for what may be offered, for what gets another driver, for all on a slot with a secured link
 * (which may have to be released or repaired), and for every function while a unit may be cleared, because each below it counts.
 */
export function wantsHolders(interest: HolderInterest): (fn: Unsearched) => boolean {
  const { intent, memory } = interest;
  if (mayClear(interest)) return () => true;
  const isSecured = (fn: Unsearched): boolean => memory.linkWork.steady.has(slotOwnerOf(fn));
  return (fn) =>
    memory.holds.has(fn.address) ||
    (intent !== null && (mayBeOffered(intent, fn) || bindWish(intent, fn) !== null || (intent.link.enable === "OnPrepare" && isSecured(fn))));
}

function mayClear({ intent, driver }: HolderInterest): boolean {
  if (intent === null) return false;
  return [...unitFacts(driver).values()].some(
    (fact) => isSetUp(fact) && selectsUnit(intent, fact.entry.regBase) && (intent.state !== "Trusted" || isStranded(fact)),
  );
}

function mayBeOffered(intent: Intent, fn: Unsearched): boolean {
  return intent.state === "Trusted" && fn.vfioCdev !== null && fn.teeIo !== "No" && resourceFor(intent, fn) !== null;
}
