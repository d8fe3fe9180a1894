// SPDX-License-Identifier: Apache-2.0

/** Which slots get none of the IDE streams that are left (links/streams.ts), asked of the gate: what is withheld for another reason takes none. Pure. */
import type { Address } from "./device.ts";
import { gateInputsOn } from "./gate/basis.ts";
import { judge } from "./gate/gate.ts";
import type { Verdict } from "./gate/inputs.ts";
import { RATION_RULES } from "./gate/rule-sets.ts";
import { type Ground, inSlot } from "./ground.ts";
import type { Intent } from "./intent.ts";
import { type Ration, rationOf } from "./links/streams.ts";
import type { Memory } from "./memory.ts";

export function rationedSlots(intent: Intent | null, ground: Ground, memory: Memory): Ration {
  const inputs = gateInputsOn({ intent, memory, driver: ground.view.driver }, "List");
  const openOn = (owner: Address): readonly Verdict[] =>
    (ground.onSlot.get(owner) ?? [])
      .map(({ address }) => judge(inputs(address, inSlot(ground, address)), RATION_RULES))
      .filter(({ offered }) => offered);
  return rationOf(
    { ground, memory },
    {
      intent,
      canBeOffered: (owner) => openOn(owner).length > 0,
      isInDra: (owner) => openOn(owner).every(({ resource }) => resource?.ledger === "DRA"),
    },
  );
}
