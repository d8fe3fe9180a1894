// SPDX-License-Identifier: Apache-2.0

/** Another device plugin of the node, whose pods may have functions of ours in their hands, under ids of its own. */
import type { PodDevices } from "../../../src/kubelet/port.ts";
import type { Age } from "./fact.ts";

/** How it names a function: by address, in whichever writing, by vfio node, by IOMMU group. As a DRA driver it
 * names it in a claim, by the name of the device or only by a CDI name. `small`: by numbers that mean nothing of this host. */
export const OTHER_IDS = ["address", "upper", "short", "vfio", "group", "claim", "alias", "small"] as const;
export type OtherIds = (typeof OTHER_IDS)[number];

export interface OtherPod extends PodDevices {
  /** Every id that its resource lists now. */
  readonly listed: () => readonly string[];
  /** The function that it has; null: none of this host. */
  readonly address: string | null;
  readonly style: OtherIds;
  readonly since: Age;
}
