// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openOutputFile } from "../../src/runtime/output-file.ts";

let folder = "";
let opened: number[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "output-file-"));
  opened = [];
});
afterEach(() => {
  for (const descriptor of opened) closeSync(descriptor);
  rmSync(folder, { recursive: true });
});

function open(path: string, flags: number): number {
  const descriptor = openSync(path, flags, 0o600);
  opened.push(descriptor);
  return descriptor;
}

const TEXT = Buffer.alloc(4096, "x");
/** More than a pipe holds. */
const MANY = 64;

function pipe(): { readonly reader: number; readonly writer: number } {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: open(path, constants.O_WRONLY) };
}

test("a pipe that nobody reads takes nothing more, at once, and goes on when it is read", () => {
  const { reader, writer } = pipe();
  const file = openOutputFile(writer);
  const taken = Array.from({ length: MANY }, () => file.write(TEXT));
  expect(taken.at(0)).toBe(TEXT.length);
  expect(taken.at(-1)).toBe(0);
  readSync(reader, Buffer.alloc(TEXT.length));
  expect(file.write(TEXT)).toBe(TEXT.length);
});

test("the descriptor that other processes share keeps blocking: the flag is set on one of our own", () => {
  const { writer } = pipe();
  openOutputFile(writer).write(TEXT);
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${writer}`, "utf8"))?.[1] ?? "";
  expect(Number.parseInt(flags, 8) & constants.O_NONBLOCK).toBe(0);
});

test("a pipe without a reader says so, every time, and serves the next reader", () => {
  const { reader, writer } = pipe();
  const file = openOutputFile(writer);
  file.write(TEXT);
  closeSync(reader);
  opened = opened.filter((one) => one !== reader);
  for (let i = 0; i < 3; i++) expect(() => file.write(TEXT)).toThrow(expect.objectContaining({ code: "EPIPE" }));
  open(join(folder, "pipe"), constants.O_RDONLY | constants.O_NONBLOCK);
  expect(file.write(TEXT)).toBe(TEXT.length);
});

test("a file is appended to as it was opened, and a full one says so", () => {
  const path = join(folder, "log");
  const first = open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND);
  openOutputFile(first).write(Buffer.from("a\n"));
  openOutputFile(open(path, constants.O_WRONLY | constants.O_APPEND)).write(Buffer.from("b\n"));
  expect(readFileSync(path, "utf8")).toBe("a\nb\n");
  expect(() => openOutputFile(open("/dev/full", constants.O_WRONLY)).write(TEXT)).toThrow(expect.objectContaining({ code: "ENOSPC" }));
});
