// SPDX-License-Identifier: Apache-2.0
// QEMU's own control socket.
import { connect } from "node:net";

/** One exchange: capabilities, the command, its answer. */
export function callQmp(path: string, command: string, args: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let said = "";
    const end = (cause?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (cause) reject(cause);
      else resolve();
    };
    const timer = setTimeout(() => end(new Error(`QEMU did not answer ${command}: ${said}`)), 10_000);
    socket.setEncoding("utf8");
    socket.on("error", end);
    socket.on("data", (chunk: string) => {
      said += chunk;
      if (said.includes('"error"')) end(new Error(`QEMU refused ${command}: ${said}`));
      else if (said.split('"return"').length > 2) end();
    });
    socket.write(`${JSON.stringify({ execute: "qmp_capabilities" })}\n${JSON.stringify({ execute: command, arguments: args })}\n`);
  });
}
