// SPDX-License-Identifier: Apache-2.0

/** UUIDs, as the API server makes them; any text of the same letters serves. */
const CLAIM_UID = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Whether a claim's UID can become part of a file name and of a CDI name as it is. */
export function isClaimUid(uid: string): boolean {
  return CLAIM_UID.test(uid);
}
