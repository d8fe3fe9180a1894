// SPDX-License-Identifier: Apache-2.0
import type { HostPort } from "../../host/port.ts";
import { createHostReader } from "../../host/reader.ts";
import { readingOfError, readingOfText } from "../../host/reading.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodeConfig } from "../config/node-config.ts";

/** The reader of the host's files, with what native code adds. A simulated host is plain files: its kernel has no news. */
export async function buildHost({ hostRoot, driver }: Pick<NodeConfig, "hostRoot" | "driver">, log: Log): Promise<HostPort> {
  const { loadAddon } = await import("../../native/addon.ts");
  const addon = loadAddon();
  const onProblem = (why: string): void => log.warn({ why }, "no news from the kernel about devices: the timer finds changes");
  return createHostReader({
    root: hostRoot,
    readAttribute: (path, deadlineMs) => addon.readAttribute(path, deadlineMs).then(readingOfText, readingOfError),
    scanDevices: (proc, wanted, deadlineMs) => addon.scanDevices(proc, wanted, deadlineMs),
    uevents: driver.kind === "Simulated" ? null : { open: () => addon.openUevents(), onProblem },
  });
}
