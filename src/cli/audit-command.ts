// SPDX-License-Identifier: Apache-2.0
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { type Order, orderOf } from "../domain/audit/order.ts";
import { type AuditRecord, readRecord } from "../domain/audit/record.ts";
import { type AuditIndex, indexLines } from "../domain/audit/story.ts";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { addressFrom } from "./address-argument.ts";
import { auditOf } from "./config/agent-config.ts";
import { SETTINGS } from "./config/settings.ts";
import { type Act, type Context, canvasOf, printLines } from "./context.ts";
import { exitCodesText } from "./help.ts";
import { auditJson, auditNodeJson, auditNodeText, auditText } from "./view/audit.ts";

const ABOUT = `Reads the audit log of an agent and says of a device, or of each one, whether it went the promised way: unit set up, offered, allocated, link
secured, released, unit cleared. The order of the lines decides, never a clock. Reads only, also while an agent runs.

  trusted-iommu audit                        every device, with the answer
  trusted-iommu audit 0000:17:00.0           what happened to one, line by line
  trusted-iommu audit --simulator DIR        of a simulated host

held: each step is in the log, and came after what it needs. violated: a step came without it, or before it. unproven: the log does not have all
of it (lines are missing, the beginning is gone, nobody saw a part).

${exitCodesText({ Ok: "held: of the device, or of every one", No: "violated or unproven", Unavailable: "there is no audit log" })}`;

interface AuditFlags {
  readonly audit?: string;
  readonly simulator?: string;
  readonly output: string;
}

/** Adds `audit`. */
export function addAuditCommand(program: Command, context: Context, act: Act): void {
  const command = program.command("audit").summary("show whether a device went the promised way, and by which events").description(ABOUT);
  command
    .argument("[address]", "PCI address of a device, DDDD:BB:DD.F; without one: every device")
    .addOption(new Option("--audit <dir>", `folder of the audit log (default: ${SETTINGS.audit.default})`).conflicts("simulator"))
    .option("--simulator <dir>", "folder of a simulated host: its agent's audit log")
    .addOption(new Option("--output <format>", "text or json").choices(["text", "json"]).default("text"));
  command.action((asked: string | undefined, flags: AuditFlags) =>
    act(async () => {
      const address = asked === undefined ? null : addressFrom(asked);
      const { readAuditFiles } = await import("../audit-log/read.ts");
      const record = readRecord(await readAuditFiles(folderOf(flags, context)));
      const index = indexLines(record.lines);
      return address === null ? showNode({ record, index, flags, context }) : showDevice(address, { record, index, flags, context });
    }),
  );
}

interface Shown {
  readonly record: AuditRecord;
  readonly index: AuditIndex;
  readonly flags: AuditFlags;
  readonly context: Context;
}

function showDevice(address: string, { record, index, flags, context }: Shown): number {
  const story = index.storyOf(address);
  const order = orderOf(story);
  const told = { story, order, record };
  printLines(context, flags.output === "json" ? [auditJson(told)] : auditText(told, canvasOf(context)));
  return codeOf([order]);
}

function showNode({ record, index, flags, context }: Shown): number {
  const devices = index.devices().map((address) => {
    const story = index.storyOf(address);
    return { story, order: orderOf(story) };
  });
  printLines(context, flags.output === "json" ? [auditNodeJson(devices, record)] : auditNodeText(devices, record, canvasOf(context)));
  return codeOf(devices.map(({ order }) => order));
}

/** A log that says nothing of any device proves nothing. */
function codeOf(orders: readonly Order[]): number {
  return orders.length > 0 && orders.every(({ verdict }) => verdict === "held") ? EXIT_CODES.Ok : EXIT_CODES.No;
}

function folderOf({ audit, simulator }: AuditFlags, { workingFolder }: Context): string {
  const place = auditOf({ audit, simulator: simulator === undefined ? undefined : resolve(workingFolder, simulator) });
  return resolve(workingFolder, place ?? "none");
}
