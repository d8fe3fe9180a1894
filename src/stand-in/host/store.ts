// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { AppError, faultOf, isAppError, messageOf } from "../../runtime/errors.ts";
import { makeFolderNow, PRIVATE } from "../../runtime/folder.ts";
import { readUserFileNow } from "../../runtime/user-file.ts";
import type { HostDescription } from "./host-description.ts";
import type { HostState } from "./host-state.ts";
import { descriptionSchema, stateSchema } from "./stored-schema.ts";

/** A simulated host's directory. Whatever is deleted or replaced below it, only a directory with our marker is touched. */
export interface Store {
  readonly directory: string;
  /** The tree: `agent --host-root`. */
  readonly hostRoot: string;
  /** The TDX module's and the driver's state. */
  readonly simulatorState: string;
  readonly scratch: string;
  /** Description and state of the host. */
  readonly ownFiles: readonly string[];
}

const MARKER = "simulated-host.json";
const STATE = "state.json";
const KIND = "trusted-iommu simulated host";
const VERSION = 1;

export function storeAt(directory: string): Store {
  const [hostRoot, simulatorState, scratch] = [join(directory, "host"), join(directory, "tdx"), join(directory, "scratch")];
  return { directory, hostRoot, simulatorState, scratch, ownFiles: [join(directory, MARKER), join(directory, STATE)] };
}

/**
 * Makes the directory ours, empty of what an earlier simulated host left in it.
 * @throws SIMULATION_INVALID when it holds anything that is not a simulated host.
 */
export function claimDirectory(store: Store): void {
  claimable(store);
  // A simulated host has no secrets, but who could write to it could make the agent believe anything.
  chmodSync(store.directory, PRIVATE);
  // Marked before anything else, so that a creation that was cut short can be repeated.
  writeJson(store.directory, MARKER, { kind: KIND, version: VERSION, host: null });
  for (const path of [store.hostRoot, store.simulatorState, store.scratch]) rmSync(path, { recursive: true, force: true });
  rmSync(join(store.directory, STATE), { force: true });
  mkdirSync(store.scratch);
}

function claimable(store: Store): void {
  const { directory } = store;
  const fix = "name a folder that is not there yet, an empty one, or one that simulate create made";
  try {
    if (existsSync(directory) && readdirSync(directory).length > 0) readMarker(store, fix);
    makeFolderNow(directory, PRIVATE);
  } catch (thrown) {
    if (isAppError(thrown)) throw thrown;
    throw new AppError("SIMULATION_INVALID", `${directory} cannot be made a simulated host: ${faultOf(thrown)}; ${fix}`, { cause: thrown });
  }
}

/** The last step of a creation: from here on the directory can be opened. */
export function saveDescription(store: Store, host: HostDescription): void {
  writeJson(store.directory, MARKER, { kind: KIND, version: VERSION, host });
}

/** @throws SIMULATION_INVALID when the directory is not a simulated host, or its creation was cut short. */
export function loadDescription(store: Store): HostDescription {
  const host = readMarker(store, `make one there: trusted-iommu simulate create --host HOST --root ${store.directory}`);
  if (host === null) throw new AppError("SIMULATION_INVALID", `${store.directory}: the simulated host was not finished; create it again`);
  return host;
}

function readMarker(store: Store, fix: string): HostDescription | null {
  const marker = readJson(join(store.directory, MARKER), `${store.directory} is not a simulated host; ${fix}`);
  const parsed = markerSchema.safeParse(marker);
  if (parsed.success) return parsed.data.host;
  throw new AppError("SIMULATION_INVALID", `${store.directory} is not a simulated host of this version; name another folder`);
}

const markerSchema = z.strictObject({ kind: z.literal(KIND), version: z.literal(VERSION), host: descriptionSchema.nullable() });

export function saveState(store: Store, state: HostState): void {
  writeJson(store.directory, STATE, state);
}

export function loadState(store: Store): HostState {
  const problem = `${store.directory}: its state is unreadable; create the simulated host again`;
  const parsed = stateSchema.safeParse(readJson(join(store.directory, STATE), problem));
  if (parsed.success) return parsed.data;
  throw new AppError("SIMULATION_INVALID", problem, { details: { path: join(store.directory, STATE) } });
}

function readJson(path: string, problem: string): unknown {
  try {
    return JSON.parse(readUserFileNow(path).text);
  } catch (thrown) {
    throw new AppError("SIMULATION_INVALID", problem, { cause: thrown, details: { path, cause: messageOf(thrown) } });
  }
}

function writeJson(directory: string, name: string, value: unknown): void {
  const aside = join(directory, `${name}.new`);
  writeFileSync(aside, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  renameSync(aside, join(directory, name));
}
