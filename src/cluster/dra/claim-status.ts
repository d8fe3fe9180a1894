// SPDX-License-Identifier: Apache-2.0
import { AGENT_FIELD_MANAGER } from "../../api/names.ts";
import type { ClaimRef, NodeClaim } from "../../domain/dra/claim.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import type { Log } from "../../runtime/log.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { CONFLICT, DRA_API_VERSION, DRA_PATH, INVALID, NOT_FOUND } from "./api.ts";
import type { ApplyOutcome, ClaimsPort, DeviceConditions } from "./port.ts";

const DEADLINE_MS = 10_000;
const OVER = [NOT_FOUND, CONFLICT, INVALID];

export function claimPath({ namespace, name }: Pick<ClaimRef, "namespace" | "name">): string {
  return `${DRA_PATH}/namespaces/${namespace}/resourceclaims/${name}`;
}

/** Server-side apply of everything that this driver says in a claim's status: what is left out is removed there. */
export function createClaimStatus(client: ApiClient, log: Log): ClaimsPort["apply"] {
  let lastInvalid = "";

  const outcomeOf = (thrown: unknown, claim: NodeClaim): ApplyOutcome => {
    const status = statusOfError(thrown);
    if (status === null || !OVER.includes(status)) throw thrown;
    const about = `${claim.uid} ${String(thrown)}`;
    // Missing rights (resourceclaims/driver) are answered with 422, too, and not with 403: a person is to see it, once.
    if (status === INVALID && about !== lastInvalid) {
      lastInvalid = about;
      log.warn({ err: thrown, claim: claim.name, namespace: claim.namespace }, "conditions refused");
    }
    return "Over";
  };

  return async (claim, devices) => {
    const request = {
      method: "PATCH",
      path: `${claimPath(claim)}/status`,
      query: { fieldManager: AGENT_FIELD_MANAGER, force: "true" },
      contentType: "application/apply-patch+yaml",
      body: statusObject(claim, devices),
      deadlineMs: DEADLINE_MS,
    } as const;
    return client.call(request).then(
      () => "Applied",
      (thrown: unknown) => outcomeOf(thrown, claim),
    );
  };
}

/** By UID and resource version, or a late write would land on the next allocation of the same device. */
function statusObject({ namespace, name, uid, resourceVersion }: NodeClaim, devices: readonly DeviceConditions[]): unknown {
  const entries = devices.map(({ pool, device, conditions }) => ({ driver: DRA_DRIVER, pool, device, conditions }));
  return {
    apiVersion: DRA_API_VERSION,
    kind: "ResourceClaim",
    metadata: { namespace, name, uid, resourceVersion },
    status: { devices: entries },
  };
}
