// SPDX-License-Identifier: Apache-2.0
/** Reads what `preflight` judges. Looks only: nothing is opened for writing, loaded or made. */
import { accessSync, constants, statSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { createDriverClient } from "../../agent/driver-client.ts";
import { readText } from "../../host/reading.ts";
import { isAppError, messageOf } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { buildDriver } from "../agent/build-driver.ts";
import { buildHost } from "../agent/build-host.ts";
import type { NodeConfig } from "../config/node-config.ts";
import type { FileAtPath, FileKind, FolderAccess, Found, PreflightReadings } from "./readings.ts";

export async function readNode(config: NodeConfig, log: Log): Promise<PreflightReadings> {
  const { hostRoot, kubelet, cdiDir, driver } = config;
  return {
    simulated: driver.kind === "Simulated",
    architecture: process.arch,
    cpu: readCpu(join(hostRoot, "proc/cpuinfo")),
    kernelRelease: release(),
    iommufd: fileKind(join(hostRoot, "dev/iommu")),
    host: await readHost(config, log),
    driver: await readDriver(config),
    loadedModule: readText(join(hostRoot, "sys/devices/faux/tdx_host/version")),
    kubelet: kubelet && { socket: fileReading(join(kubelet.deviceDir, "kubelet.sock")), podResources: fileReading(kubelet.podResources) },
    cdi: cdiDir === null ? null : { path: cdiDir, access: accessOf(cdiDir) },
    capabilities: readCapabilities(),
  };
}

function readCpu(path: string): PreflightReadings["cpu"] {
  const text = readText(path);
  if (text.kind !== "Value") return text;
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(text.value)?.[1] ?? "";
  return { kind: "Value", value: { vendor: field("vendor_id"), flags: new Set(field("flags").split(" ")) } };
}

/** No open files are searched: what holds a device is no requirement. */
async function readHost(config: NodeConfig, log: Log): Promise<PreflightReadings["host"]> {
  try {
    const host = await buildHost(config, log);
    return { kind: "Value", value: await host.observe({ wantsHolders: () => false, wantsBinding: () => false, age: "Recent" }) };
  } catch (thrown) {
    return { kind: "Unreadable", why: messageOf(thrown) };
  }
}

async function readDriver(config: NodeConfig): Promise<PreflightReadings["driver"]> {
  try {
    const { open } = await buildDriver(config, true);
    const driver = createDriverClient({ open, onChange: () => undefined });
    try {
      const read = await driver.observe();
      if (read.kind === "Read") return { kind: "Value", value: { name: read.value.name, info: read.value.info } };
      return read.isMissing ? { kind: "Missing" } : { kind: "Unreadable", why: read.why };
    } finally {
      await driver.close();
    }
  } catch (thrown) {
    // A simulated host that is not there is a wrong flag, not a missing requirement.
    if (isAppError(thrown) && thrown.code === "CONFIG_INVALID") throw thrown;
    return { kind: "Unreadable", why: messageOf(thrown) };
  }
}

function fileReading(path: string): FileAtPath {
  return { path, found: fileKind(path) };
}

function fileKind(path: string): Found<FileKind> {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return { kind: "Missing" };
    if (found.isSocket()) return { kind: "Value", value: "Socket" };
    if (found.isDirectory()) return { kind: "Value", value: "Folder" };
    return { kind: "Value", value: found.isCharacterDevice() ? "CharacterDevice" : "File" };
  } catch (thrown) {
    return { kind: "Unreadable", why: messageOf(thrown) };
  }
}

function accessOf(folder: string): FolderAccess {
  const kind = fileKind(folder);
  if (kind.kind === "Missing") return folder !== "/" && accessOf(dirname(folder)) !== "Denied" ? "CanBeMade" : "Denied";
  if (kind.kind !== "Value" || kind.value !== "Folder") return "Denied";
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return "Writable";
  } catch {
    return "Denied";
  }
}

function readCapabilities(): Found<bigint> {
  const status = readText("/proc/self/status");
  if (status.kind !== "Value") return status;
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(status.value)?.[1];
  return hex === undefined ? { kind: "Missing" } : { kind: "Value", value: BigInt(`0x${hex}`) };
}
