// SPDX-License-Identifier: Apache-2.0

/** Reads the files of an audit log, also while an agent writes to them. Takes no lock and writes nothing. */
import { constants } from "node:fs";
import { join } from "node:path";
import type { AuditText } from "../domain/audit/record.ts";
import { AppError, errnoOf, faultOf } from "../runtime/errors.ts";
import { filesIn, MOST_BYTES, openFile } from "./folder.ts";

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** More than a writer of ours puts into one: the rest of a longer file is not read, and the record says so. */
const MOST_READ = 2 * MOST_BYTES;

/** The log's files in the order in which they were written. @throws AUDIT_ABSENT · NOT_PERMITTED */
export async function readAuditFiles(folder: string): Promise<readonly AuditText[]> {
  const texts: AuditText[] = [];
  try {
    for (const name of await filesIn(folder)) {
      const text = await readOne(join(folder, name));
      if (text !== null) texts.push({ name, text });
    }
  } catch (thrown) {
    throw refused(folder, thrown);
  }
  if (texts.length === 0) throw absent(folder);
  return texts;
}

/** Null: the writer has removed it meanwhile, as the oldest. */
async function readOne(path: string): Promise<string | null> {
  try {
    const handle = await openFile(path, FLAGS);
    try {
      const size = Math.min((await handle.stat()).size, MOST_READ);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return null;
    throw thrown;
  }
}

function absent(folder: string): AppError {
  return new AppError("AUDIT_ABSENT", `there is no audit log in ${folder}: start the agent first, or name its folder with --audit or --simulator`);
}

function refused(folder: string, thrown: unknown): AppError {
  if (errnoOf(thrown) === "ENOENT") return absent(folder);
  if (errnoOf(thrown) === "EACCES")
    return new AppError("NOT_PERMITTED", `${folder}: ${faultOf(thrown)}; run this as the agent's user, which is root in most cases`, {
      cause: thrown,
    });
  return new AppError("AUDIT_ABSENT", `the audit log in ${folder} cannot be read: ${faultOf(thrown)}`, { cause: thrown });
}
