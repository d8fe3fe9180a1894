// SPDX-License-Identifier: Apache-2.0

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly measured: string;
  /** Null: nothing is aimed at; the row is there to compare with. */
  readonly aim: Aim | null;
}

export interface Aim {
  readonly text: string;
  readonly isMet: boolean;
}

/** An upper bound. `show` writes a value with its unit. */
export function below(bound: number, value: number, show: (value: number) => string): Aim {
  return { text: `≤ ${show(bound)}`, isMet: value <= bound };
}

/** A lower bound. */
export function above(bound: number, value: number, show: (value: number) => string): Aim {
  return { text: `≥ ${show(bound)}`, isMet: value >= bound };
}

/** Several aims of one row: met when each is. */
export function both(...aims: readonly Aim[]): Aim {
  return { text: aims.map((aim) => aim.text).join(", "), isMet: aims.every((aim) => aim.isMet) };
}

/** Three significant digits, without an exponent. */
export function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}

export const ms = (value: number): string => `${number(value)} ms`;
export const microseconds = (value: number): string => `${number(value)} µs`;
export const megabytes = (bytes: number): string => `${number(bytes / 1_000_000)} MB`;
export const perSecond = (value: number): string => `${number(value)}/s`;
export const percent = (share: number): string => `${number(share * 100)} %`;
export const times = (value: number): string => `${number(value)}×`;

/** The table as lines of text; a row that misses its aim says so in words. */
export function tableOf(rows: readonly Row[]): readonly string[] {
  const cells = [["figure", "measured", "aim", ""], ...rows.map((row) => [row.what, row.measured, row.aim?.text ?? "", verdict(row)])];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => (line[column] ?? "").length)));
  return cells.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function verdict({ aim }: Row): string {
  if (aim === null) return "";
  return aim.isMet ? "met" : "MISSED";
}
