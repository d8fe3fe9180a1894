// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from "node:path";
import { readDocument } from "../../api/document.ts";
import { nearest, type Problem, valueText } from "../../api/problem.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFileNow } from "../../runtime/user-file.ts";
import { flagOf, SETTING_KEYS, SETTINGS, type SettingKey, type Settings } from "./settings.ts";

/** Settings from one place, and everything that is wrong with them. */
export interface SettingsRead {
  readonly settings: Settings;
  readonly problems: readonly Problem[];
}

/** One place that settings come from. */
interface Place {
  readonly nameOf: (key: string) => string;
  /** File names are relative to this folder. */
  readonly folder: string;
}

/** Settings from flags, as commander hands them over: text, by key. Flags that are not settings are not looked at. */
export function settingsFromFlags(flags: Readonly<Record<string, unknown>>, workingFolder: string): SettingsRead {
  const known = SETTING_KEYS.filter((key) => flags[key] !== undefined).map((key): [SettingKey, unknown] => [key, numeric(key, flags[key])]);
  return read(new Map(known), { nameOf: (key) => flagOf(key as SettingKey), folder: workingFolder });
}

/** Settings from a YAML config file: a map of the keys in SETTINGS, unknown ones refused. */
export function settingsFromFile(path: string): SettingsRead {
  const name = (key: string): string => (key === "" ? path : `${path}: ${key}`);
  const document = readDocument(readText(path));
  if (!document.ok) return { settings: {}, problems: document.problems.map((problem) => ({ ...problem, path: name(problem.path) })) };
  const { value } = document.value;
  if (value === null) return { settings: {}, problems: [] };
  if (typeof value !== "object" || Array.isArray(value)) {
    const problem = { path: name(""), value: valueText(value), fix: "write a map of settings, for example settle: 10" };
    return { settings: {}, problems: [problem] };
  }
  const entries = Object.entries(value);
  const unknown = entries.filter(([key]) => !isKey(key)).map(([key, found]): Problem => unknownKey(name(key), key, found));
  const known = entries.filter((entry): entry is [SettingKey, unknown] => isKey(entry[0]));
  const { settings, problems } = read(new Map(known), { nameOf: name, folder: dirname(resolve(path)) });
  return { settings, problems: [...unknown, ...problems] };
}

function read(given: ReadonlyMap<SettingKey, unknown>, place: Place): SettingsRead {
  const settings: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const [key, value] of given) {
    const { schema, fix, kind } = SETTINGS[key];
    const parsed = schema.safeParse(value);
    if (!parsed.success) problems.push({ path: place.nameOf(key), value: valueText(value), fix });
    else settings[key] = kind === "path" ? resolved(parsed.data as string, place.folder) : parsed.data;
  }
  return { settings, problems };
}

/** `none` is a word of --cdi-dir, not a file. */
function resolved(path: string, folder: string): string {
  return path === "none" ? path : resolve(folder, path);
}

/** Flags are text: what reads as a number is one where one is wanted, everything else is left for the schema to refuse, as it was written. */
function numeric(key: SettingKey, value: unknown): unknown {
  const isDecimal = typeof value === "string" && /^\s*-?\d{1,15}(\.\d{1,15})?\s*$/.test(value);
  return SETTINGS[key].kind === "number" && isDecimal ? Number(value) : value;
}

function isKey(key: string): key is SettingKey {
  return Object.hasOwn(SETTINGS, key);
}

function unknownKey(path: string, key: string, value: unknown): Problem {
  const meant = nearest(key, SETTING_KEYS);
  return { path, value: valueText(value), fix: meant === null ? `remove it; settings are ${SETTING_KEYS.join(", ")}` : `write ${meant}` };
}

function readText(path: string): string {
  try {
    return readUserFileNow(path).text;
  } catch (thrown) {
    const message = `--config is ${valueText(path)}: name a readable file (${faultOf(thrown)})`;
    throw new AppError("CONFIG_INVALID", message, { cause: thrown, details: { path } });
  }
}
