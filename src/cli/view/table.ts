// SPDX-License-Identifier: Apache-2.0
import { type Canvas, columns, line, oneLine, padTo, type Span, span } from "./text.ts";

export interface Column {
  readonly title: string;
  /** Never narrower than this, unless the whole table can't be. */
  readonly min: number;
  /** Columns are narrowed in this order, lowest first; the one with the highest rank is given what is left. */
  readonly rank: number;
}

const GAP = 2;

/**
 * A table without rules: titles, then one line per row, columns two blanks apart. Columns take what their content needs; when that is wider than
 * the canvas, they are narrowed (with …) down to their minimum in order of rank. Nothing wraps.
 */
export function table(columnList: readonly Column[], rows: readonly (readonly Span[])[], canvas: Canvas): readonly string[] {
  const clean = rows.map((row) => row.map(({ text, style }) => span(oneLine(text), style)));
  const natural = columnList.map((column, index) => Math.max(columns(column.title), ...clean.map((row) => columns(row[index]?.text ?? ""))));
  const widths = narrowed(columnList, natural, canvas.width - GAP * (columnList.length - 1));
  const draw = (cells: readonly Span[]): string => line(spread(cells, widths), canvas);
  return [draw(columnList.map(({ title }) => span(title, "dim"))), ...clean.map(draw)];
}

function spread(cells: readonly Span[], widths: readonly number[]): readonly Span[] {
  const last = widths.length - 1;
  return widths.flatMap((width, index) => {
    const cell = cells[index] ?? span("");
    const shown = { ...cell, text: padTo(cell.text, width) };
    return index === last ? [shown] : [shown, span(" ".repeat(GAP))];
  });
}

function narrowed(columnList: readonly Column[], natural: readonly number[], room: number): readonly number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  const order = columnList.map((column, index) => ({ ...column, index })).toSorted((a, b) => a.rank - b.rank);
  const narrow = (index: number, min: number): void => {
    const width = widths[index] ?? 0;
    const taken = Math.max(0, Math.min(excess, width - min));
    widths[index] = width - taken;
    excess -= taken;
  };
  for (const { index, min } of order) narrow(index, min);
  for (const { index } of order) narrow(index, 0);
  return widths;
}
