// SPDX-License-Identifier: Apache-2.0
import { type DraApiShape, PLAIN_DRA } from "./dra-api.ts";
import { PLAIN_SCHEDULER, type SchedulerShape } from "./scheduler-model.ts";

/** What does not change of DRA in the life of a world. */
export interface DraWorldShape {
  readonly api: DraApiShape;
  readonly scheduler: SchedulerShape;
  /** How long the claim controller takes. */
  readonly controllerLagMs: number;
  /** `/var/run/cdi` is on a tmpfs, and empty after a reboot; `/etc/cdi` is not. */
  readonly isCdiTmpfs: boolean;
}

export const PLAIN_DRA_WORLD: DraWorldShape = { api: PLAIN_DRA, scheduler: PLAIN_SCHEDULER, controllerLagMs: 0, isCdiTmpfs: true };
