// SPDX-License-Identifier: Apache-2.0

/** A certificate for localhost and 127.0.0.1, good until 2120, with its authority. For tests alone: its key is no secret. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const read = (name: string): string => readFileSync(join(import.meta.dirname, "tls", name), "utf8");

/** PEM texts. The certificate is good for serving and for calling. */
export const TLS = { ca: read("ca.pem"), cert: read("server.pem"), key: read("server.key") } as const;
