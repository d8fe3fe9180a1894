// SPDX-License-Identifier: Apache-2.0

/**
 * Who uses a function through a driver that is not vfio, and what else decides whether its driver can be changed. The users looked for are a closed list:
 * mounts, swap, device mapper and RAID above its block devices; network interfaces that are up; open character devices. Others (a target that exports
 * a disk, a kernel thread) the kernel shows nowhere.
 */
import type { Binding } from "../domain/device.ts";
import { type DeviceBelow, devicesBelow } from "./devices-below.ts";
import type { FunctionFacts } from "./functions.ts";
import type { HostPaths } from "./paths.ts";
import type { DeviceNumber, DeviceScan, ScanDevices } from "./processes.ts";
import { type FileReading, isPresent, readNames, readText } from "./reading.ts";

export interface BindingSearch {
  readonly paths: HostPaths;
  /** Null: a rendered tree, whose processes have no character devices of drivers open. */
  readonly scanDevices: ScanDevices | null;
  readonly deadlineMs: number;
}

/** Never rejects. What cannot be read is a problem: nothing is unbound that may be in use. */
export async function readBinding(search: BindingSearch, { address }: Pick<FunctionFacts, "address">): Promise<Binding> {
  const directory = `${search.paths.functions}/${address}`;
  const problems: string[] = [];
  const value = (name: string, reading: FileReading<string>): string => {
    if (reading.kind === "Unreadable") problems.push(`${name}: ${reading.why}`);
    return reading.kind === "Value" ? reading.value : "";
  };
  const override = value("driver_override", readText(`${directory}/driver_override`));
  const virtualFunctions = Number(value("sriov_numvfs", readText(`${directory}/sriov_numvfs`)));
  const below = devicesBelow(directory);
  problems.push(...below.problems);
  const blocks = below.devices.filter(({ kind }) => kind === "Block");
  const users = [
    ...networksUp(directory, problems),
    ...holdersAbove(blocks),
    ...(blocks.length === 0 ? [] : onMountsAndSwap(search.paths, blocks, problems)),
  ];
  const characters = below.devices.filter(({ kind }) => kind === "Character");
  if (characters.length > 0) users.push(...(await openCharacters(search, characters, problems)));
  // The kernel shows no override as (null).
  return { override: override === "(null)" ? "" : override, virtualFunctions, users, problem: problems.slice(0, 3).join("; ") };
}

/** IFF_UP (linux/if.h). */
const IFF_UP = 1;

function networksUp(directory: string, problems: string[]): readonly string[] {
  const names = readNames(`${directory}/net`);
  if (names.kind === "Unreadable") problems.push(`net: ${names.why}`);
  if (names.kind !== "Value") return [];
  return names.value.flatMap((name) => {
    const flags = readText(`${directory}/net/${name}/flags`);
    if (flags.kind === "Unreadable") problems.push(`net/${name}/flags: ${flags.why}`);
    return flags.kind === "Value" && (Number(flags.value) & IFF_UP) !== 0 ? [`network interface ${name} is up`] : [];
  });
}

/** Device mapper and RAID devices made of them. */
function holdersAbove(blocks: readonly DeviceBelow[]): readonly string[] {
  return blocks.flatMap(({ name, holders }) => (holders.length === 0 ? [] : [`${name} is part of ${holders.slice(0, 3).join(", ")}`]));
}

/** Of the host's first process: a container's mounts are its own. */
function onMountsAndSwap({ proc }: HostPaths, blocks: readonly DeviceBelow[], problems: string[]): readonly string[] {
  const users: string[] = [];
  const mounts = readText(`${proc}/1/mountinfo`);
  if (mounts.kind === "Value") users.push(...mountsOf(mounts.value, blocks));
  else problems.push(`${proc}/1/mountinfo: ${mounts.kind === "Missing" ? "missing" : mounts.why}`);
  const swaps = readText(`${proc}/swaps`);
  if (swaps.kind === "Value") users.push(...swapsOf(swaps.value, blocks));
  // A kernel without swap has no such file.
  else if (swaps.kind === "Unreadable") problems.push(`${proc}/swaps: ${swaps.why}`);
  return users;
}

/** `36 35 98:0 /root /mnt rw - ext4 /dev/sda1 rw`: by number, and by name for file systems of several devices, which have a number of their own. */
export function mountsOf(mountinfo: string, blocks: readonly DeviceBelow[]): readonly string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const [number = "", , at = ""] = fields.slice(2);
    const source = fields[fields.indexOf("-") + 2] ?? "";
    const block = blocks.find((one) => one.number === number || `/dev/${one.name}` === source);
    return block === undefined ? [] : [`${block.name} is mounted at ${at}`];
  });
}

export function swapsOf(swaps: string, blocks: readonly DeviceBelow[]): readonly string[] {
  const names = swaps
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s/)[0] ?? "");
  return blocks.flatMap(({ name }) => (names.includes(`/dev/${name}`) ? [`${name} is swap`] : []));
}

async function openCharacters(
  { paths, scanDevices, deadlineMs }: BindingSearch,
  characters: readonly DeviceBelow[],
  problems: string[],
): Promise<readonly string[]> {
  if (scanDevices === null || !isPresent(paths.proc)) return [];
  const scan = await scanDevices(paths.proc, characters.map(numberOf), deadlineMs).catch(
    (thrown: unknown): DeviceScan => ({ complete: false, why: String(thrown), found: [], files: 0, cpuMs: 0 }),
  );
  if (!scan.complete) problems.push(`open files: ${scan.why}`);
  // What was registered with an io_uring shows no number: its name must do.
  return characters.flatMap((one) => {
    const user = scan.found.find((found) =>
      found.kind === "Node" ? `${found.major}:${found.minor}` === one.number : found.text.endsWith(`/${one.name}`),
    );
    return user === undefined ? [] : [`/dev/${one.name} is open in pid ${user.pid}`];
  });
}

function numberOf({ number }: DeviceBelow): DeviceNumber {
  const [major = 0, minor = 0] = number.split(":").map(Number);
  return { major, minor };
}
