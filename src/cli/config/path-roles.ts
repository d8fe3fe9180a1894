// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Problem, valueText } from "../../api/problem.ts";
import { kindOf } from "../../runtime/user-file.ts";

/** A path with what it is for. */
export interface PathRole {
  /** As the user names it: `--status`. */
  readonly name: string;
  readonly path: string;
  /** Written: the agent replaces or locks it. Read: it is only looked at. Folder: what is in it belongs to another program or comes and goes. */
  readonly use: "Written" | "Read" | "Folder";
  /** It was not named: what is named is the one to change. */
  readonly isDefault?: boolean;
}

/** Linux' own limit (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * What is wrong with paths of different roles: two that are one file by what they resolve to (links, hard links, `..`), a file of ours in a folder whose
 * files others remove or read, or something that is no file where one is to be written. A path need not exist yet.
 */
export function pathProblems(roles: readonly PathRole[]): readonly Problem[] {
  const places = roles.map(placed);
  const problems = places.filter(({ use }) => use === "Written").flatMap(oddTarget);
  for (const [index, one] of places.entries()) {
    for (const other of places.slice(index + 1)) {
      const [mine, theirs] = toMove(one, other) ? [one, other] : [other, one];
      if (isSame(one, other)) problems.push(problem(mine, `name another place: ${theirs.name} is the same (${theirs.place})`));
      else if (isMisplaced(one, other)) problems.push(misplaced(one, other));
      else if (isMisplaced(other, one)) problems.push(misplaced(other, one));
    }
  }
  return problems;
}

/** Whether `one` is the one to change: the one that was named, else the one that is written, else the later one in the list, which is `other`. */
function toMove(one: PathRole, other: PathRole): boolean {
  if (one.isDefault !== other.isDefault) return other.isDefault === true;
  return one.use === "Written" && other.use !== "Written";
}

interface Placed extends PathRole {
  /** Without links, as far as it exists. */
  readonly place: string;
  readonly found: Stats | null;
}

function placed(role: PathRole): Placed {
  return { ...role, place: placeOf(resolve(role.path), 0), found: statOrNull(role.path) };
}

/** The path without links; of what does not exist, only names are left. */
function placeOf(path: string, links: number): string {
  try {
    return realpathSync.native(path);
  } catch {
    const parent = dirname(path);
    if (parent === path || links > MOST_LINKS) return path;
    const target = targetOf(path);
    return target === null ? join(placeOf(parent, links), basename(path)) : placeOf(resolve(parent, target), links + 1);
  }
}

/** Where a link leads, also when nothing is there. */
function targetOf(path: string): string | null {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null;
  } catch {
    return null;
  }
}

/** Null also when it may not be looked at: the part that opens it says so. */
function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function isSame(one: Placed, other: Placed): boolean {
  if (one.place === other.place) return true;
  return one.found !== null && other.found !== null && one.found.dev === other.found.dev && one.found.ino === other.found.ino;
}

function isMisplaced(file: Placed, folder: Placed): boolean {
  return file.use === "Written" && folder.use === "Folder" && file.place.startsWith(`${folder.place}/`);
}

function misplaced(file: Placed, folder: Placed): Problem {
  if (file.isDefault && !folder.isDefault) return problem(folder, `name another folder: ${file.name} is in it by default (${file.place})`);
  return problem(file, `name a place outside of ${folder.name} (${folder.place}), where only its own files belong`);
}

function oddTarget(file: Placed): readonly Problem[] {
  return file.found === null || file.found.isFile() ? [] : [problem(file, `name a file: ${kindOf(file.found)} is there, and would be replaced`)];
}

function problem({ name, path }: Placed, fix: string): Problem {
  return { path: name, value: valueText(path), fix };
}
