// SPDX-License-Identifier: Apache-2.0
import type { ClaimsPort, SlicesPort } from "../../../src/cluster/dra/port.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { DraApi } from "./dra-api.ts";
import { NodeClaims } from "./dra-claims-port.ts";
import { NodeSlices } from "./dra-slices-port.ts";

export interface DraApiPorts {
  readonly slices: SlicesPort;
  readonly claims: ClaimsPort;
}

/** What one life of the agent has of the API server. */
export function draApiPorts(api: DraApi, process: number, turnstile: Turnstile): DraApiPorts {
  const slices = new NodeSlices(api, process, turnstile);
  const claims = new NodeClaims(api, process, turnstile);
  api.watches = { slices: slices.watch, claims: claims.watch };
  return { slices, claims };
}
