// SPDX-License-Identifier: Apache-2.0
import { AGENT_FIELD_MANAGER, API_VERSION, TRUSTED_IOMMU } from "../../api/names.ts";
import { parseStatus } from "../../api/parse.ts";
import type { NodeStatus, ReadStatus } from "../../domain/status.ts";
import { createSerialQueue } from "../../runtime/serial.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import type { Held } from "./held-object.ts";

export interface NodeStatusOptions {
  readonly client: ApiClient;
  /** Of the object itself. */
  readonly path: string;
  readonly node: string;
  /** Null: not listed yet. */
  readonly held: () => Held | null;
}

export interface NodeStatusWriter {
  readLast(): Promise<ReadStatus | null>;
  /** Server-side apply of the whole status, one at a time; nothing is sent when the object already has it or when there is no object. */
  write(status: NodeStatus): Promise<void>;
  /** Writes the last status again when the object is another one than it was written to. */
  rewrite(): Promise<void>;
}

const DEADLINE_MS = 10_000;
const NOT_FOUND = 404;

export function createNodeStatus({ client, path, node, held }: NodeStatusOptions): NodeStatusWriter {
  const queue = createSerialQueue();
  let wanted: NodeStatus | null = null;
  let written: { readonly text: string; readonly uid: string | null } | null = null;

  const apply = async (status: NodeStatus): Promise<void> => {
    const object = held();
    // Listed, and not there: status has no place, and the agent never creates its own intent.
    if (object !== null && object.uid === null) return;
    const uid = object?.uid ?? null;
    const text = JSON.stringify(status);
    if (written?.text === text && written.uid === uid) return;
    await client.call({
      method: "PATCH",
      path: `${path}/status`,
      query: { fieldManager: AGENT_FIELD_MANAGER, force: "true" },
      contentType: "application/apply-patch+yaml",
      body: { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name: node }, status },
      deadlineMs: DEADLINE_MS,
    });
    written = { text, uid };
  };

  return {
    async readLast() {
      const object = held();
      return parseStatus(object === null ? await statusOf(client, path) : object.status);
    },
    write(status) {
      wanted = status;
      return queue.run(() => apply(status));
    },
    async rewrite() {
      const status = wanted;
      if (status !== null && written !== null) await queue.run(() => apply(status));
    },
  };
}

async function statusOf(client: ApiClient, path: string): Promise<unknown> {
  try {
    const object = await client.call({ method: "GET", path, deadlineMs: DEADLINE_MS });
    return typeof object === "object" && object !== null ? Reflect.get(object, "status") : null;
  } catch (thrown) {
    if (statusOfError(thrown) === NOT_FOUND) return null;
    throw thrown;
  }
}
