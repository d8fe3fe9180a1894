// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFile } from "../../runtime/user-file.ts";

/** How to reach and convince one API server. */
export interface ApiAccess {
  /** `https://10.96.0.1:443`, without a trailing slash; may end in a path. */
  readonly server: string;
  /** Fresh for each request: tokens and certificates are rotated on disk. @throws API_REFUSED when they cannot be read */
  credentials(): Promise<Credentials>;
}

/** Null: not used. Certificates and keys are PEM. */
export interface Credentials {
  readonly authorization: string | null;
  readonly tls: TlsOptions;
}

export interface TlsOptions {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Name to verify instead of the server's host. */
  readonly serverName: string | null;
  /** True: the server's certificate is not checked. Only from a kubeconfig that says so. */
  readonly insecure: boolean;
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
