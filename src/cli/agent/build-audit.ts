// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { createAuditLog } from "../../audit-log/log.ts";
import type { AuditPort } from "../../audit-log/port.ts";
import type { Clock } from "../../runtime/clock.ts";
import { makePrivateFolder } from "../../runtime/private-folder.ts";
import type { AgentTools } from "./agent-tools.ts";

/** The audit log, in a folder of the agent's own. Null: none by configuration, or by a command that only looks. */
export function buildAudit({ config, context, readOnly = false }: AgentTools): AuditPort | null {
  if (config.audit === null || readOnly) return null;
  const prepareFolder = async (folder: string): Promise<void> => void (await makePrivateFolder(folder));
  return createAuditLog({ folder: config.audit, agent: identity(), sinceBootMs: sinceBoot(context.clock), prepareFolder });
}

/** The 22nd value of proc_pid_stat(5), in clock ticks since the boot; the second is a name in brackets that may hold anything. */
function identity(): string {
  const values = readFileSync("/proc/self/stat", "utf8");
  const start = values.slice(values.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
  return `${process.pid}/${start}`;
}

/** By the kernel once, and by our own clock from then on. */
function sinceBoot(clock: Clock): () => number {
  const bootMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000 - clock.nowMs();
  return () => bootMs + clock.nowMs();
}
