// SPDX-License-Identifier: Apache-2.0
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MOST_BYTES, nameOf, seqOfName } from "../../src/audit-log/folder.ts";
import { type AuditLogOptions, createAuditLog } from "../../src/audit-log/log.ts";
import type { AuditPort } from "../../src/audit-log/port.ts";
import { readAuditFiles } from "../../src/audit-log/read.ts";
import { auditEvent } from "../../src/domain/audit/event.ts";
import { lineText } from "../../src/domain/audit/line.ts";
import { readRecord } from "../../src/domain/audit/record.ts";
import { makePrivateFolder } from "../../src/runtime/private-folder.ts";
import { createScratch } from "../support/scratch.ts";

let base = "";
let remove = (): void => undefined;
beforeEach(() => {
  const scratch = createScratch();
  base = scratch.path;
  remove = scratch.remove;
});
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
  remove();
});

const prepareFolder = async (folder: string): Promise<void> => void (await makePrivateFolder(folder));
const logs: AuditPort[] = [];
const aLog = (folder: string, more: Partial<AuditLogOptions> = {}): AuditPort => {
  const log = createAuditLog({ folder, agent: "1/1", sinceBootMs: () => 0, prepareFolder, ...more });
  logs.push(log);
  return log;
};
const lineOf = (seq: number): string => {
  const stamp = { boot: "b", instance: "", agent: "1/1", upMs: 0, time: "" };
  return lineText({ ...stamp, ...auditEvent("AgentStarted", "agent"), seq });
};
const written = async (folder: string) => readRecord(await readAuditFiles(folder));
const seqs = async (folder: string): Promise<readonly number[]> => (await written(folder)).lines.map(({ seq }) => seq);

describe("an audit log", () => {
  test("begins with line 1 in a folder of its own, and goes on where it ended", async () => {
    const folder = join(base, "new", "audit");
    const first = aLog(folder);
    expect(await first.open()).toBe(1);
    await first.append([lineOf(1), lineOf(2)], 1);
    await first.sync();
    await first.close();
    const second = aLog(folder);
    expect(await second.open()).toBe(3);
    await second.append([lineOf(3)], 3);
    await second.close();
    expect(await seqs(folder)).toEqual([1, 2, 3]);
    const [file = ""] = readdirSync(folder);
    expect([statSync(folder).mode & 0o777, statSync(join(folder, file)).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test("goes on behind a line that was cut, in a line of its own", async () => {
    const folder = join(base, "audit");
    const log = aLog(folder);
    await log.open();
    await log.append([lineOf(1), lineOf(2)], 1);
    await log.close();
    const path = join(folder, nameOf(1));
    truncateSync(path, statSync(path).size - 7);
    expect(await log.open()).toBe(2);
    await log.append([lineOf(2)], 2);
    await log.close();
    expect(await written(folder)).toMatchObject({ unreadable: 1, lines: [{ seq: 1 }, { event: "Gap" }, { seq: 2 }] });
  });

  test("goes on behind anything that is in its last file", async () => {
    const folder = join(base, "audit");
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, nameOf(40)), "\u0000garbage".repeat(20_000));
    writeFileSync(join(folder, "notes.txt"), "somebody's own");
    expect(await aLog(folder).open()).toBe(40);
  });

  test("begins a new file when one is full, and removes the oldest", async () => {
    const folder = join(base, "audit");
    const log = aLog(folder, { mostBytes: 500, mostFiles: 3 });
    await log.open();
    for (let seq = 1; seq <= 30; seq += 1) await log.append([lineOf(seq)], seq);
    const names = readdirSync(folder).sort();
    expect(names.length).toBe(3);
    const first = seqOfName(names[0] ?? "") ?? 0;
    expect(await seqs(folder)).toEqual(Array.from({ length: 31 - first }, (_, at) => first + at));
    await log.close();
    expect(await aLog(folder, { mostBytes: 500, mostFiles: 3 }).open()).toBe(31);
    expect(MOST_BYTES).toBe(16 * 1024 * 1024);
  });
});

describe("an audit log that cannot be written", () => {
  test("says so, and is written again when it can be", async () => {
    const folder = join(base, "audit");
    writeFileSync(folder, "a file");
    const log = aLog(folder);
    await expect(log.open()).rejects.toMatchObject({ code: "AUDIT_UNWRITABLE", message: expect.stringContaining(folder) as string });
    await expect(log.append([lineOf(1)], 1)).rejects.toMatchObject({ code: "AUDIT_UNWRITABLE" });
    renameSync(folder, `${folder}.old`);
    expect(await log.open()).toBe(1);
    await log.append([lineOf(1)], 1);
    expect(await seqs(folder)).toEqual([1]);
  });

  test("does not write to a folder that others can write to, nor through a link", async () => {
    const open = join(base, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    await expect(aLog(open).open()).rejects.toMatchObject({ code: "AUDIT_UNWRITABLE" });
    const linked = join(base, "linked");
    mkdirSync(linked, { mode: 0o700 });
    symlinkSync(join(base, "target"), join(linked, nameOf(1)));
    await expect(aLog(linked).open()).rejects.toMatchObject({ code: "AUDIT_UNWRITABLE" });
    expect(existsSync(join(base, "target"))).toBe(false);
  });

  test("notices that its file was taken away", async () => {
    const folder = join(base, "audit");
    let nowMs = 0;
    const log = aLog(folder, { sinceBootMs: () => nowMs });
    await log.open();
    await log.append([lineOf(1)], 1);
    nowMs = 1_000;
    renameSync(join(folder, nameOf(1)), join(folder, "away"));
    await expect(log.append([lineOf(2)], 2)).rejects.toMatchObject({
      code: "AUDIT_UNWRITABLE",
      message: expect.stringContaining("removed") as string,
    });
    expect(await log.open()).toBe(1);
  });
});

describe("whoever reads it", () => {
  test("is told that there is none", async () => {
    await expect(readAuditFiles(join(base, "none"))).rejects.toMatchObject({ code: "AUDIT_ABSENT" });
    await expect(readAuditFiles(base)).rejects.toMatchObject({ code: "AUDIT_ABSENT" });
  });

  test("reads while it is written, and changes nothing", async () => {
    const folder = join(base, "audit");
    const log = aLog(folder);
    await log.open();
    await log.append([lineOf(1)], 1);
    appendFileSync(join(folder, nameOf(1)), lineOf(2).slice(0, 20));
    const before = readFileSync(join(folder, nameOf(1)), "utf8");
    expect(await written(folder)).toMatchObject({ lines: [{ seq: 1 }], unreadable: 1 });
    expect(readFileSync(join(folder, nameOf(1)), "utf8")).toBe(before);
    await log.close();
  });
});
