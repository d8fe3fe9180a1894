// SPDX-License-Identifier: Apache-2.0
// What is told about a virtual machine as a node plays on this: one cluster, the machine, and the agent on it.
import type { Cluster } from "../../cluster/cluster.ts";
import type { Progress } from "../../cluster/progress.ts";
import type { Vm } from "../vm/vm.ts";
import type { Agents } from "./agents.ts";
import type { VmNode } from "./vm-node.ts";

export interface Stage {
  readonly cluster: Cluster;
  readonly node: VmNode;
  readonly vm: Vm;
  readonly agents: Agents;
  /** One line of the log. */
  readonly tell: Progress;
  /** Runs kubectl, writes what it says to the log, and returns it. */
  show(...args: readonly string[]): Promise<string>;
}
