// SPDX-License-Identifier: Apache-2.0

/** The table of settings in docs/configuration.md. */
import type { Setting } from "../../src/cli/config/setting.ts";
import { code, plain, table } from "./markdown.ts";

/** One row a setting: flag, key of the config file, default, what it is for. */
export function settingTable(settings: Readonly<Record<string, Setting>>): string {
  const rows = Object.entries(settings).map(([key, setting]) => [code(setting.flag), code(key), defaultOf(setting), purposeOf(setting)]);
  return table(["flag", "key in the file", "default", "what it is for"], rows);
}

function defaultOf({ default: value, unit, otherwise }: Setting): string {
  const first = value === null ? "" : code(`${value}${unit === "" ? "" : ` ${unit}`}`);
  return [first, plain(otherwise)].filter((part) => part !== "").join("; ");
}

function purposeOf({ description, kind, choices, variable }: Setting): string {
  const words = choices.length === 0 ? "" : ` ${kind === "choice" ? "One of" : "Or"} ${choices.map(code).join(", ")}.`;
  return `${plain(description)}.${words}${variable === "" ? "" : ` Also read from ${code(variable)}.`}`;
}
