// SPDX-License-Identifier: Apache-2.0
import { Agent } from "node:http";
import { type ApiAccess, createAgentPool } from "../../src/cluster/transport/credentials.ts";

/** Reaches an API server over HTTP, without credentials. */
export function plainAccess(server: string): ApiAccess {
  const pool = createAgentPool(async () => new Agent({ keepAlive: true }));
  return { server, credentials: async () => ({ headers: {}, agent: await pool.agent(null) }), refused: () => undefined, close: () => pool.close() };
}
