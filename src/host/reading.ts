// SPDX-License-Identifier: Apache-2.0
import { closeSync, lstatSync, openSync, read, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/**
 * What came of reading one small file, link or directory. `Missing` is an answer (the kernel shows no such thing now);
 * `Unreadable` is not one: a decision on it takes the careful side.
 */
export type FileReading<T> =
  | { readonly kind: "Value"; readonly value: T }
  | { readonly kind: "Missing" }
  | { readonly kind: "Unreadable"; readonly why: string };

const MISSING: FileReading<never> = { kind: "Missing" };

/** ENODEV is sysfs's answer for an attribute whose device is being removed, ESRCH that of /proc for a process that ended. */
const GONE = new Set(["ENOENT", "ENOTDIR", "ENODEV", "ESRCH"]);

/** Null for what is missing and for what can't be read: only where both mean the same. */
export function valueOrNull<T>(reading: FileReading<T>): T | null {
  return reading.kind === "Value" ? reading.value : null;
}

/** The reading that a thrown file-system error stands for. */
export function readingOfError(thrown: unknown): FileReading<never> {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
  return GONE.has(code) ? MISSING : { kind: "Unreadable", why: code };
}

/** The reading that an attribute's text stands for: without its line end. */
export function readingOfText(text: string): FileReading<string> {
  return { kind: "Value", value: text.trim() };
}

/** Content of an attribute without its line end. Synchronous: an attribute is at most a page, and a thread hop costs more than the read. */
export function readText(path: string): FileReading<string> {
  try {
    return { kind: "Value", value: readFileSync(path, "utf8").trim() };
  } catch (thrown) {
    return readingOfError(thrown);
  }
}

/** Target of a symbolic link, as written. */
export function readTarget(path: string): FileReading<string> {
  try {
    return { kind: "Value", value: readlinkSync(path) };
  } catch (thrown) {
    return readingOfError(thrown);
  }
}

/** Like `readTarget`, for links that are mostly absent: asking first is cheaper than a thrown error. */
export function readRareTarget(path: string): FileReading<string> {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined ? MISSING : readTarget(path);
  } catch (thrown) {
    return readingOfError(thrown);
  }
}

/** Names in a directory. */
export function readNames(path: string): FileReading<readonly string[]> {
  try {
    return { kind: "Value", value: readdirSync(path) };
  } catch (thrown) {
    return readingOfError(thrown);
  }
}

/** Tells one incarnation of a directory from the next at the same path: changes when it is created again or an entry is replaced. */
export function readStamp(path: string): FileReading<string> {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? MISSING : { kind: "Value", value: `${stat.ino}.${stat.ctimeMs}.${stat.mtimeMs}` };
  } catch (thrown) {
    return readingOfError(thrown);
  }
}

/** True when the path leads to something; an entry that may not be looked at counts as there. */
export function isPresent(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (thrown) {
    return readingOfError(thrown).kind !== "Missing";
  }
}

/** The last component of a link's target. */
export function baseName(target: string): string {
  return target.slice(target.lastIndexOf("/") + 1);
}

/** Enough for a device's name; small enough to come out of Node's pool. */
const ATTRIBUTE_BYTES = 512;

/**
 * Like `readText` for attributes whose read may block in the kernel: the read itself runs on a worker thread. Never rejects. The promise may
 * stay open for ever; a waiter needs a deadline.
 */
export function readBlockingText(path: string): Promise<FileReading<string>> {
  return new Promise((resolve) => {
    let file: number;
    try {
      file = openSync(path, "r"); // Opening takes no lock of the PCI/TSM core; only the read does.
    } catch (thrown) {
      return resolve(readingOfError(thrown));
    }
    const buffer = Buffer.allocUnsafe(ATTRIBUTE_BYTES);
    read(file, buffer, 0, ATTRIBUTE_BYTES, 0, (error, length) => {
      closeSync(file);
      resolve(error === null ? { kind: "Value", value: buffer.toString("utf8", 0, length).trim() } : readingOfError(error));
    });
  });
}
