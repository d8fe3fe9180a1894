// SPDX-License-Identifier: Apache-2.0
import type { Random } from "../../runtime/backoff.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Context } from "../context.ts";

/** What adapters share. */
export interface AgentTools {
  readonly config: AgentConfig;
  readonly context: Context;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly onFatal: (thrown: unknown) => void;
  /** Nothing will be set up or cleared: the driver is not opened for writing, which only one process can. */
  readonly readOnly?: boolean;
}
