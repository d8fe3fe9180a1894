// SPDX-License-Identifier: Apache-2.0
import { isAppError } from "../../runtime/errors.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { asPlain } from "../watch/objects.ts";
import type { Owner } from "./slice-requests.ts";

const DEADLINE_MS = 10_000;

/**
 * The Node object, read afresh: a Node that was made again has another UID, and the garbage collector would delete at once what names the old one. Null
 * where this account may not read it, or it is not there. @throws API_UNREACHABLE
 */
export async function nodeOwner(client: ApiClient, node: string): Promise<Owner | null> {
  try {
    const object = await client.call({ method: "GET", path: `/api/v1/nodes/${node}`, deadlineMs: DEADLINE_MS });
    const { uid } = asPlain(asPlain(object)["metadata"]);
    return typeof uid === "string" && uid !== "" ? { uid } : null;
  } catch (thrown) {
    if (isAppError(thrown) && thrown.code === "API_REFUSED") return null;
    throw thrown;
  }
}
