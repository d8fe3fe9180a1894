// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import { stringify } from "yaml";
import { readJsonOrYaml } from "../api/document.ts";
import { API_VERSION, TRUSTED_IOMMU } from "../api/names.ts";
import { parseStatus } from "../api/parse.ts";
import type { NodeEvent, StatusPort } from "../cluster/port.ts";
import type { Intent } from "../domain/intent.ts";
import type { ReadStatus } from "../domain/status.ts";
import { writeFileAtomic } from "../runtime/atomic-file.ts";
import type { Clock } from "../runtime/clock.ts";
import { AppError, faultOf } from "../runtime/errors.ts";
import { makeFolder, PRIVATE } from "../runtime/folder.ts";
import { createSerialQueue } from "../runtime/serial.ts";
import { readUserFile } from "../runtime/user-file.ts";

export interface StatusFileOptions {
  /** YAML, or JSON when the name ends in .json; null: the status is kept nowhere. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly node: () => string;
  /** What stands as `spec` in the file; null: none. */
  readonly intent: () => Intent | null;
  readonly onEvent: (event: NodeEvent) => void;
}

/** The status as a whole TrustedIommu in a file: what `kubectl get -o yaml` would show. A reader sees the old file or the new, never a part. */
export function createStatusFile({ path, clock, node, intent, onEvent }: StatusFileOptions): StatusPort {
  const queue = createSerialQueue();
  let written = "";
  return {
    rate: null,
    readLast: async () => (path === null ? null : readStatusFile(path, clock)),
    write(status) {
      if (path === null) return Promise.resolve();
      return queue.run(async () => {
        const spec = intent();
        const object = { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name: node() }, ...(spec !== null && { spec }), status };
        const text = path.endsWith(".json")
          ? `${JSON.stringify(object, null, 2)}\n`
          : stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
        if (text === written) return;
        await replace(path, text);
        written = text;
      });
    },
    event: onEvent,
  };
}

/** There is no secret in it, and `trusted-iommu status` needs no rights where the folder lets others in. */
const FILE_MODE = 0o644;

async function replace(path: string, text: string): Promise<void> {
  try {
    await makeFolder(dirname(path), PRIVATE);
    await writeFileAtomic(path, text, FILE_MODE);
  } catch (thrown) {
    throw new AppError("STATUS_UNWRITABLE", `cannot write ${path}: ${faultOf(thrown)}`, { details: { path }, cause: thrown });
  }
}

/** The status in a file written by `createStatusFile`; null when there is no file, or nothing in it that is a status. Never rejects. */
export async function readStatusFile(path: string, clock: Clock): Promise<ReadStatus | null> {
  try {
    const read = readJsonOrYaml((await readUserFile(path, { clock })).text);
    return read.ok && typeof read.value === "object" && read.value !== null ? parseStatus(Reflect.get(read.value, "status")) : null;
  } catch {
    // Missing, unreadable or garbled all mean the same to the reader: nothing is known of an earlier run.
    return null;
  }
}
