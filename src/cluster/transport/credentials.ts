// SPDX-License-Identifier: Apache-2.0

/** What a request to the API server needs besides itself: where to, as whom, and over which connections. */
import type { Agent } from "node:http";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFile } from "../../runtime/user-file.ts";

/** How to reach and convince one API server. */
export interface ApiAccess {
  /** `https://10.96.0.1:443`, without a trailing slash; may end in a path. */
  readonly server: string;
  /** Fresh for each request: tokens and certificates are rotated on disk. @throws API_REFUSED when there are none to be had */
  credentials(): Promise<Credentials>;
  /** The server did not know the caller (401): credentials that were kept are got anew. */
  refused(): void;
  /** Closes idle connections; those in use end with their request. */
  close(): void;
}

export interface Credentials {
  /** Authorization, and whom to impersonate. */
  readonly headers: Readonly<Record<string, string>>;
  /** Keeps connections; the same one while certificates and proxy are the same. */
  readonly agent: Agent;
}

/** The agent of the newest TLS options. */
export interface AgentPool<Tls> {
  /** The agent of before while `tls` equals that of before, else a new one: a connection that was opened with other certificates is not used again. */
  agent(tls: Tls): Promise<Agent>;
  close(): void;
}

export function createAgentPool<Tls>(make: (tls: Tls) => Promise<Agent>): AgentPool<Tls> {
  let current: { readonly key: string; readonly agent: Promise<Agent> } | null = null;
  const retire = (): void => {
    // One that could not be made has nothing to close, and its caller was told.
    current?.agent.then(closeIdle, () => undefined);
    current = null;
  };
  return {
    agent(tls) {
      const key = JSON.stringify(tls);
      if (current?.key !== key) {
        retire();
        current = { key, agent: make(tls) };
      }
      return current.agent;
    },
    close: retire,
  };
}

/** `agent.destroy()` would end requests under way, too. */
function closeIdle(agent: Agent): void {
  Object.assign(agent, { keepAlive: false });
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

/** Kubelet replaces a bound token after 80 % of its life, at least ten minutes before its end: a minute is often enough. */
const REREAD_MS = 60_000;

/** Reads a file now and again after a minute. @throws API_REFUSED when it cannot be read: without it there is no access */
export function rereadFile(path: string, clock: Clock): () => Promise<string> {
  let last: { readonly text: string; readonly atMs: number } | null = null;
  return async () => {
    if (last !== null && clock.nowMs() - last.atMs < REREAD_MS) return last.text;
    try {
      last = { text: (await readUserFile(path, { clock })).text, atMs: clock.nowMs() };
      return last.text;
    } catch (thrown) {
      throw new AppError("API_REFUSED", `cannot read ${path}: ${faultOf(thrown)}`, { details: { path }, cause: thrown });
    }
  };
}
