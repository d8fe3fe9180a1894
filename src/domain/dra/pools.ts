// SPDX-License-Identifier: Apache-2.0

/** What DRA is to be told of this node. Pure. */
import type { Verdict } from "../gate/inputs.ts";
import type { Ground } from "../ground.ts";
import type { Intent } from "../intent.ts";
import type { Memory } from "../memory.ts";
import type { Pool } from "./pool.ts";

export interface PoolInputs {
  readonly node: string;
  readonly intent: Intent | null;
  readonly ground: Ground;
  readonly memory: Memory;
  readonly verdicts: readonly Verdict[];
  /** RFC 3339. */
  readonly nowIso: string;
}

/** Nothing yet: no agent is built with DRA. */
export function poolsFrom(_inputs: PoolInputs): readonly Pool[] {
  return [];
}
