// SPDX-License-Identifier: Apache-2.0

/** The processes of a rendered tree: plain folders, whose links name what is open. */
import type { HolderScan } from "./holders.ts";
import { type FileReading, isPresent, readNames, readTarget } from "./reading.ts";
import { inSlices, type SliceOptions } from "./slices.ts";

/** `…/vfio/devices/vfio3` or `…/vfio/12`, wherever a container has it mounted. A file that was unlinked while open says so at its end. */
const VFIO_NODE = /\/vfio\/(?:devices\/)?(vfio\d+|\d+)(?: \(deleted\))?$/;

/**
 * Looks through the open files of every process for vfio nodes. A process that ends meanwhile holds nothing; one whose files may not be listed
 * makes the whole scan Unreadable, since it could hold anything.
 */
export async function scanRendered(proc: string, options: SliceOptions): Promise<HolderScan> {
  const listed = readNames(proc);
  if (listed.kind !== "Value") return { kind: "Unreadable", why: `${proc}: ${listed.kind === "Missing" ? "missing" : listed.why}` };
  const pids = listed.value.filter((name) => /^\d+$/.test(name));
  // A real /proc always has process 1: an empty one is a wrong mount, not an idle host.
  if (pids.length === 0) return { kind: "Unreadable", why: `${proc} lists no process` };
  const found: Found = { pidsByNode: new Map(), unreadable: null };
  await inSlices(openFiles(proc, pids, found), ({ pid, target }) => note(found, pid, target), options);
  return found.unreadable === null ? { kind: "Known", pidsByNode: found.pidsByNode } : { kind: "Unreadable", why: found.unreadable };
}

interface Found {
  readonly pidsByNode: Map<string, readonly number[]>;
  unreadable: string | null;
}

/** Every open file of every process, one at a time: a single process may have a hundred thousand. */
function* openFiles(proc: string, pids: readonly string[], found: Found): Generator<{ pid: string; target: FileReading<string> }> {
  for (const pid of pids) {
    const files = readNames(`${proc}/${pid}/fd`);
    // A missing fd directory belongs to a process that has ended; with its process still there it is strange, and counts as unreadable.
    if (files.kind === "Unreadable" || (files.kind === "Missing" && isPresent(`${proc}/${pid}`))) {
      found.unreadable ??= `open files of process ${pid}: ${files.kind === "Missing" ? "no fd directory" : files.why}`;
    }
    for (const file of files.kind === "Value" ? files.value : []) yield { pid, target: readTarget(`${proc}/${pid}/fd/${file}`) };
  }
}

function note(found: Found, pid: string, target: FileReading<string>): void {
  if (target.kind === "Unreadable") found.unreadable ??= `an open file of process ${pid}: ${target.why}`;
  const node = target.kind === "Value" ? VFIO_NODE.exec(target.value)?.[1] : undefined;
  if (node === undefined) return;
  const pids = found.pidsByNode.get(node) ?? [];
  if (!pids.includes(Number(pid))) found.pidsByNode.set(node, [...pids, Number(pid)]);
}
