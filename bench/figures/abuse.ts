// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { startUnary, unixClient } from "../../src/kubelet/grpc-call.ts";
import { loadDevicePluginWire } from "../../src/kubelet/wire.ts";
import type { Figure } from "../measure/context.ts";
import { residentBytes } from "../measure/processes.ts";
import { below, megabytes, times } from "../measure/row.ts";
import { seconds } from "../measure/waiting.ts";
import { setStage } from "../stage/stage.ts";

const OFFERED = 9;
const SETTLE_SECONDS = 8;
const CONNECTIONS = 100;
const GARBAGE_BYTES = 1024 * 1024;
/** Below gRPC's own default of 4 MiB. */
const MESSAGE_BYTES = 3_900_000;
const IDS = 10_000;
const AIM = 1.3;

/** What a device plugin's socket is sent by what is no kubelet, and the memory that the agent keeps of it. */
export const abuse: Figure = {
  name: "abuse",
  async measure(context) {
    const stage = await setStage(context, "tdx-connect-2s");
    const agent = stage.startAgent();
    await stage.offered(agent, OFFERED);
    await seconds(SETTLE_SECONDS);
    const before = residentBytes(agent.pid);
    await sendGarbage(stage.socket());
    await sendMessages(stage.socket());
    await seconds(SETTLE_SECONDS);
    const after = residentBytes(agent.pid);
    await agent.stop();
    await stage.close();
    return [
      {
        what: `memory kept after ${CONNECTIONS} connections of garbage`,
        measured: `${times(after / before)} ${megabytes(before)}`,
        aim: below(AIM, after / before, times),
      },
    ];
  },
};

/** Bytes that are no HTTP/2. */
async function sendGarbage(path: string): Promise<void> {
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(path);
    socket.on("error", () => socket.destroy()); // Turned away: that is the point.
    socket.write(randomBytes(GARBAGE_BYTES));
    return socket.resume();
  });
  await seconds(2);
  for (const socket of sockets) socket.destroy();
}

/** Messages that are too long for kubelet, and one that names far too many devices. All of them are refused. */
async function sendMessages(path: string): Promise<void> {
  const { Allocate } = loadDevicePluginWire().plugin;
  const raw = { ...Allocate, requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: (bytes: Buffer) => bytes };
  const refused = async (call: Promise<unknown>): Promise<void> => void (await call.catch(() => undefined));
  const clients = Array.from({ length: CONNECTIONS }, () => unixClient(path));
  await Promise.all(clients.map((client) => refused(startUnary(client, raw, Buffer.alloc(MESSAGE_BYTES)).answer)));
  const ids = Array.from({ length: IDS }, (_, index) => `0000:17:00.0-${index}`);
  const client = unixClient(path);
  await refused(startUnary(client, Allocate, { containerRequests: [{ devicesIds: ids }] }).answer);
  for (const one of [...clients, client]) one.close();
}
