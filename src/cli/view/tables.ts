// SPDX-License-Identifier: Apache-2.0
import type { ReadDevice, ReadStatus, ReadUnit } from "../../domain/status.ts";
import { header } from "./header.ts";
import { type Column, table } from "./table.ts";
import { type Canvas, line, type Span, span } from "./text.ts";
import { deviceReason, lastCallText, linkState, offered, otherUnitLines, reasonText, unitState } from "./words.ts";

/** A canvas with a height: what does not fit is counted, not shown. Null: as long as it takes. */
export interface Page extends Canvas {
  readonly height: number | null;
}

const UNIT_COLUMNS: readonly Column[] = [
  { title: "UNIT", min: 10, rank: 3 },
  { title: "LABEL", min: 5, rank: 2 },
  { title: "STATE", min: 9, rank: 4 },
  { title: "ID", min: 4, rank: 1 },
  { title: "REASON", min: 14, rank: 0 },
];

/** From this width on there is room for what the module answered last. */
const WIDE = 120;
const WIDE_UNIT_COLUMNS: readonly Column[] = [...UNIT_COLUMNS.slice(0, -1), { title: "LAST CALL", min: 20, rank: 1 }, ...UNIT_COLUMNS.slice(-1)];

const DEVICE_COLUMNS: readonly Column[] = [
  { title: "DEVICE", min: 12, rank: 3 },
  { title: "UNIT", min: 10, rank: 2 },
  { title: "RESOURCE", min: 8, rank: 1 },
  { title: "OFFER", min: 8, rank: 4 },
  { title: "LINK", min: 8, rank: 1 },
  { title: "REASON", min: 18, rank: 0 },
];

/** Two titles, a blank line after each table, and the line of counts. */
const FRAME_LINES = 5;

/** A node as two tables under a header: the live view and the final picture of `--once`. Pure. */
export function nodeTables(node: string, status: ReadStatus, page: Page): readonly string[] {
  const top = [...header(node, status, page), ""];
  const others = otherUnitLines(status, page);
  const room = page.height === null ? null : page.height - top.length - others.length - FRAME_LINES;
  const [unitRoom, deviceRoom] = share(room, status.units.length, status.devices.length);
  return [
    ...top,
    ...rowsOrNote(status.units, {
      columns: page.width < WIDE ? UNIT_COLUMNS : WIDE_UNIT_COLUMNS,
      row: page.width < WIDE ? unitRow : wideUnitRow,
      room: unitRoom,
      none: "no VT-d units",
      page,
    }),
    ...others,
    "",
    ...rowsOrNote(status.devices, { columns: DEVICE_COLUMNS, row: deviceRow, room: deviceRoom, none: "no TEE-I/O devices", page }),
    "",
    counts(status, page),
  ];
}

function unitRow(unit: ReadUnit): readonly Span[] {
  return [span(unit.regBase), span(unit.kernelName, "dim"), unitState(unit), span(unit.tdxIommuId), span(reasonText(unit))];
}

function wideUnitRow(unit: ReadUnit): readonly Span[] {
  const cells = unitRow(unit);
  return [...cells.slice(0, -1), span(lastCallText(unit), "dim"), ...cells.slice(-1)];
}

function deviceRow(device: ReadDevice): readonly Span[] {
  return [span(device.address), span(device.regBase, "dim"), span(device.resource), offered(device), linkState(device), span(deviceReason(device))];
}

interface Listing<T> {
  readonly columns: readonly Column[];
  readonly row: (item: T) => readonly Span[];
  readonly room: number | null;
  readonly none: string;
  readonly page: Page;
}

function rowsOrNote<T>(items: readonly T[], { columns, row, room, none, page }: Listing<T>): readonly string[] {
  if (items.length === 0) return [line([span(none, "dim")], page)];
  const shown = room === null || items.length <= room ? items : items.slice(0, Math.max(0, room - 1));
  const lines = table(columns, shown.map(row), page);
  const left = items.length - shown.length;
  return left === 0 ? lines : [...lines, line([span(`… and ${left} more`, "dim")], page)];
}

/** Both tables get what they need, else the shorter one does, else half each. */
function share(room: number | null, units: number, devices: number): readonly [number | null, number | null] {
  if (room === null || units + devices <= room) return [null, null];
  const half = Math.max(2, Math.floor(room / 2));
  if (units <= half) return [units, Math.max(2, room - units)];
  if (devices <= half) return [Math.max(2, room - devices), devices];
  return [half, Math.max(2, room - half)];
}

function counts(status: ReadStatus, page: Page): string {
  const { unitsTrusted, unitsSelected, devicesOffered, devicesWithheld, functions } = status.counts;
  const text = `${unitsTrusted} of ${unitsSelected} units trusted, ${devicesOffered} devices offered, ${devicesWithheld} withheld, ${functions} functions on the bus`;
  return line([span(text, "dim")], page);
}
