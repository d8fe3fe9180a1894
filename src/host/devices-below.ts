// SPDX-License-Identifier: Apache-2.0

/** The device nodes that a driver has made for a function: its block and character devices, found by their `dev` files in sysfs. */
import { readdirSync } from "node:fs";
import { isPciAddress } from "../domain/address.ts";
import { baseName, readingOfError, readNames, readRareTarget, readText } from "./reading.ts";

export interface DeviceBelow {
  readonly kind: "Block" | "Character";
  readonly name: string;
  /** `259:0` */
  readonly number: string;
  /** Block devices made of it (device mapper, RAID). */
  readonly holders: readonly string[];
}

export interface DevicesBelow {
  readonly devices: readonly DeviceBelow[];
  /** What could not be read: there may be more devices. */
  readonly problems: readonly string[];
}

/** Deeper than a disk behind a controller, with its partitions. */
const MOST_DEPTH = 12;
const MOST_DIRECTORIES = 5_000;
/** Who has a vfio device open is a holder: holders.ts. */
const VFIO_FOLDER = "vfio-dev";

/** Goes into directories and not through links; functions behind a bridge are not the bridge's own. */
export function devicesBelow(directory: string): DevicesBelow {
  const devices: DeviceBelow[] = [];
  const problems: string[] = [];
  let visited = 0;
  const visit = (path: string, depth: number): void => {
    visited += 1;
    if (depth > MOST_DEPTH || visited > MOST_DIRECTORIES) {
      if (problems.length === 0) problems.push("it has more below it than is looked through");
      return;
    }
    const device = depth === 0 ? null : deviceAt(path, problems);
    if (device !== null) devices.push(device);
    for (const name of directoriesIn(path, problems)) if (!isPciAddress(name) && name !== VFIO_FOLDER) visit(`${path}/${name}`, depth + 1);
  };
  visit(directory, 0);
  return { devices, problems };
}

function directoriesIn(path: string, problems: string[]): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (thrown) {
    const reading = readingOfError(thrown);
    if (reading.kind === "Unreadable") problems.push(`${baseName(path)}: ${reading.why}`);
    return [];
  }
}

function deviceAt(path: string, problems: string[]): DeviceBelow | null {
  const name = baseName(path);
  const number = readText(`${path}/dev`);
  const subsystem = readRareTarget(`${path}/subsystem`);
  const isBlock = subsystem.kind === "Value" && baseName(subsystem.value) === "block";
  // The path of a disk with several controllers: whoever uses the disk uses it by another device, which is not below the function.
  if (isBlock && number.kind === "Missing") problems.push(`${name} is one of several paths to a disk, whose users are not looked for`);
  if (number.kind === "Unreadable") problems.push(`${name}/dev: ${number.why}`);
  if (number.kind !== "Value" || !/^\d+:\d+$/.test(number.value)) return null;
  const holders = isBlock ? readNames(`${path}/holders`) : { kind: "Missing" as const };
  if (holders.kind === "Unreadable") problems.push(`${name}/holders: ${holders.why}`);
  return { kind: isBlock ? "Block" : "Character", name, number: number.value, holders: holders.kind === "Value" ? holders.value : [] };
}
