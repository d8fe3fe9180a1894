// SPDX-License-Identifier: Apache-2.0
/** Descriptions of simulated hosts as commands take them: a file, or the name of one that comes with the project. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { valueText } from "../api/problem.ts";
import { AppError } from "../runtime/errors.ts";

/** Where hosts/ is, seen from this file and from a bundle one folder below the root. */
const HOSTS: readonly string[] = ["../../hosts", "../hosts"].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));

/** The file that `given` names. @throws CONFIG_INVALID, with the names that there are */
export function hostFile(given: string, workingFolder: string): string {
  const places = [resolve(workingFolder, given), ...HOSTS.map((folder) => join(folder, `${given}.yaml`))];
  const found = places.find((path) => existsSync(path) && !statSync(path).isDirectory());
  if (found !== undefined) return found;
  const ours = ownHosts();
  const names = ours.length === 0 ? "" : `, or one that comes with the project: ${ours.join(", ")}`;
  throw new AppError("CONFIG_INVALID", `--host is ${valueText(given)}: name the YAML file of a host description${names}`);
}

/** Names of the descriptions that come with the project. */
export function ownHosts(): readonly string[] {
  const folder = HOSTS.find((path) => existsSync(path));
  const files = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  return files.map((name) => name.slice(0, -".yaml".length)).toSorted();
}
