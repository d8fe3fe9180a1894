// SPDX-License-Identifier: Apache-2.0
import { decodeStatus } from "../../domain/seamcall-status.ts";
import type { ModuleDump, SimulatedFault } from "../../stand-in/module/simulation.ts";
import { table } from "../view/table.ts";
import { type Canvas, jsonText, line, type Style, span } from "../view/text.ts";

const PHASE_STYLES: Readonly<Record<string, Style>> = { Configured: "good", Configuring: "busy", Clearing: "busy", Foreign: "bad" };

const UNIT_COLUMNS = [
  { title: "UNIT", min: 10, rank: 4 },
  { title: "PHASE", min: 8, rank: 3 },
  { title: "ID", min: 4, rank: 2 },
  { title: "PAGES", min: 5, rank: 2 },
  { title: "SETUPS", min: 6, rank: 1 },
  { title: "CLEARS", min: 6, rank: 1 },
  { title: "SECURED LINKS", min: 13, rank: 0 },
] as const;

/** The simulated TDX module's own table, which no driver sees. Pure. */
export function moduleTable(dump: ModuleDump, canvas: Canvas): readonly string[] {
  const rows = dump.units.map((unit) => [
    span(unit.regBase),
    unit.present ? span(unit.phase, PHASE_STYLES[unit.phase] ?? "plain") : span("absent", "warn"),
    span(unit.tdxIommuId === null ? "" : `0x${unit.tdxIommuId.toString(16)}`),
    span(String(unit.ownedPages.length)),
    span(String(unit.setupCalls)),
    span(String(unit.clearCalls)),
    span(unit.securedLinks.join(" ")),
  ]);
  const pages = `${dump.pagesAllocated} of ${dump.pagesTotal} pages taken`;
  return [
    line([span(`simulated TDX module, load ${dump.incarnation}, profile ${dump.profile}, environment ${dump.environment}, ${pages}`)], canvas),
    ...alarms(dump).map((text) => line([span(text, "bad")], canvas)),
    "",
    ...table(UNIT_COLUMNS, rows, canvas),
    ...(dump.faults.length === 0 ? [] : ["", ...dump.faults.map((fault) => line([span(faultText(fault), "warn")], canvas))]),
  ];
}

/** What must never happen: a driver under test broke the page protocol. */
function alarms(dump: ModuleDump): readonly string[] {
  const corrupted = dump.corruptedPage === null ? [] : [`the host wrote to a page the module owns: 0x${dump.corruptedPage.toString(16)}`];
  return [...corrupted, ...dump.freedTooEarly.map((page) => `the host freed a page the module owns: 0x${page.toString(16)}`)];
}

function faultText(fault: SimulatedFault): string {
  const where = `${fault.leaf?.replace("TDH.IOMMU.", "") ?? "SETUP and CLEAR"} of ${fault.regBase ?? "any unit"}`;
  const delay = fault.delayMs === 0 ? "" : ` after ${fault.delayMs} ms`;
  const times = fault.count === null ? "for ever" : fault.count === 1 ? "once" : `${fault.count} times`;
  const skip = fault.skip === 0 ? "" : `, from attempt ${fault.skip + 1} on`;
  return `fault: ${where} answers ${answerText(fault)}${delay}, ${times}${skip}`;
}

function answerText({ leaf, status }: SimulatedFault): string {
  if (status === null) return "as it would";
  const { name, operand } = decodeStatus(leaf ?? "TDH.IOMMU.SETUP", status);
  return operand === "" ? name : `${name} ${operand}`;
}

/** The same for programs: 64-bit values as hex strings. */
export function moduleJson(dump: ModuleDump): string {
  return jsonText(dump);
}
