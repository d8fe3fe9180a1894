// SPDX-License-Identifier: Apache-2.0
import type { DraPorts } from "../../../src/agent/ports.ts";
import type { CdiOutcome, CdiResource } from "../../../src/kubelet/port.ts";
import type { LoadsPort } from "../../../src/seamcall/port.ts";
import type { ApiModel } from "../models/api-model.ts";
import type { AuditDisk } from "../models/audit-disk.ts";
import type { DriverWriter } from "../models/driver-writer.ts";
import type { Fact } from "../models/fact.ts";
import type { HostModel } from "../models/host-model.ts";
import type { KernelOwner } from "../models/kernel-owner.ts";
import type { KubeletModel } from "../models/kubelet-model.ts";
import type { LinkWriter } from "../models/link-writer.ts";
import type { ModuleModel } from "../models/module-model.ts";
import type { WorldShape } from "../models/shape.ts";
import type { WorldTime } from "../models/world-time.ts";
import type { Dice } from "./dice.ts";
import type { Turnstile } from "./turnstile.ts";
import type { Witness } from "./witness.ts";

/** What one life of the agent (`Process`) finds around it. The world is all of it, and knows its processes. */
export interface Surroundings<Process> {
  readonly shape: WorldShape;
  readonly time: WorldTime;
  readonly turnstile: Turnstile;
  readonly host: HostModel;
  readonly module: ModuleModel;
  /** Null: SETUP and CLEAR are the agent's to ask for. */
  readonly owner: KernelOwner | null;
  readonly links: LinkWriter<Process>;
  readonly drivers: DriverWriter<Process>;
  readonly api: ApiModel;
  readonly kubelet: KubeletModel;
  readonly isDriverReadable: Fact<boolean>;
  readonly dice: Dice;
  /** The one process that may write to the driver. */
  readonly writer: { value: number | null };
  /** Null: no DRA in this world. */
  readonly dra: { portsOf(process: number): DraPorts } | null;
  readonly proofs: { readonly lines: readonly string[] | null };
  readonly audit: AuditDisk;
  readonly intentDelayMs: number;
  readonly witness: Witness<Process>;
  /** What the driver tells of watched loads; null: it is none that a kernel has of its own. */
  readonly loads: LoadsPort | null;
  /** It has not ended, however. */
  isAlive(process: Process): boolean;
  writeSpecs(resources: readonly CdiResource[]): CdiOutcome;
  writeProofs(lines: readonly string[]): void;
}
