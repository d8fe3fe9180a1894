// SPDX-License-Identifier: Apache-2.0

/** Which slots get none of the IDE streams that are left (links/streams.ts), asked of the gate: what is withheld for another reason takes none. Pure. */
import type { Address } from "./device.ts";
import { gateInputsOn } from "./gate/basis.ts";
import { judge } from "./gate/gate.ts";
import { RATION_RULES } from "./gate/rule-sets.ts";
import { type Ground, inSlot } from "./ground.ts";
import type { Intent } from "./intent.ts";
import { withoutStream } from "./links/streams.ts";
import type { Memory } from "./memory.ts";

export function rationedSlots(intent: Intent | null, ground: Ground, memory: Memory): ReadonlySet<Address> {
  const inputs = gateInputsOn({ intent, memory, driver: ground.view.driver }, "List");
  const isOpen = (address: Address): boolean => judge(inputs(address, inSlot(ground, address)), RATION_RULES).offered;
  return withoutStream(
    { ground, memory },
    { intent, canBeOffered: (owner) => (ground.onSlot.get(owner) ?? []).some(({ address }) => isOpen(address)) },
  );
}
