// SPDX-License-Identifier: Apache-2.0

/** Everything the agent touches, passed in by the composition root (or by the simulated world). */
import type { AuditPort } from "../audit-log/port.ts";
import type { BindPort } from "../bind/port.ts";
import type { ClaimsPort, SlicesPort } from "../cluster/dra/port.ts";
import type { IntentPort, NodePodsPort, StatusPort } from "../cluster/port.ts";
import type { AgentStatus } from "../domain/status.ts";
import type { HostPort } from "../host/port.ts";
import type { ClaimFilesPort, DraHandlers, DraPluginPort } from "../kubelet/dra/port.ts";
import type { CdiPort, DevicePluginHandlers, DevicePluginPort, PodResourcesPort } from "../kubelet/port.ts";
import type { Random } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Journal } from "../runtime/journal.ts";
import type { Log } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Driver, LoadsPort, SeamcallPort } from "../seamcall/port.ts";
import type { LinkPort } from "../tsm/port.ts";

export interface AgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly host: HostPort;
  /** Opens the configured driver; called again when its other side went away. */
  readonly openSeamcall: () => Promise<SeamcallPort>;
  /** Of a kernel that owns SETUP; null: the configured driver is never that. */
  readonly loads: LoadsPort | null;
  readonly links: LinkPort;
  readonly binds: BindPort;
  /** Null: this machine has no kubelet, by configuration. */
  readonly devicePlugins: ((handlers: DevicePluginHandlers) => DevicePluginPort) | null;
  /** Null: no CDI specs are written. */
  readonly cdi: CdiPort | null;
  readonly podResources: PodResourcesPort;
  readonly pods: NodePodsPort;
  readonly intent: IntentPort;
  readonly status: StatusPort;
  /** Null: resources with ledger DRA are not served. */
  readonly dra: DraPorts | null;
  /** The proof file of this node (domain/proofs.ts). */
  readonly proofs: Journal;
  /** Null: no audit log is kept. */
  readonly audit: AuditPort | null;
  /** A bug in this program: the process should end. */
  readonly onFatal: (thrown: unknown) => void;
}

/** DRA's sides: kubelet, the node's claim files, the API server. */
export interface DraPorts {
  /** Name of the node, which its pools begin with. */
  readonly node: string;
  readonly plugin: (handlers: DraHandlers) => DraPluginPort;
  readonly files: ClaimFilesPort;
  readonly slices: SlicesPort;
  readonly claims: ClaimsPort;
}

export interface AgentOptions {
  readonly agent: AgentStatus;
  readonly driver: Driver | "auto";
  /** How long everything below a unit must be free before CLEAR. */
  readonly settleMs: number;
  /** The whole tree is read at least this often; bounds what a lost wake-up costs. */
  readonly observeEveryMs: number;
  /** False: something else shows every change of the status, so the log leaves them out. */
  readonly logsChanges: boolean;
}
