// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import type { Clock } from "../runtime/clock.ts";
import { AppError } from "../runtime/errors.ts";
import type { Log } from "../runtime/log.ts";

/** sun_path holds 108 bytes with the closing NUL (unix(7)). Node cuts a longer path silently and binds a wrong name. */
const MAX_PATH_BYTES = 107;
const OWN_NAME = /^tiommu-[0-9a-f]{6}-[0-9a-z]+-[0-9]+\.sock$/;
/** A local connect answers at once; a listener with a full backlog does not, and is alive. */
const PROBE_MS = 1000;

/** @throws SOCKET_PATH_TOO_LONG */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return;
  const message = `a socket in ${dirname(path)} has a path longer than the ${MAX_PATH_BYTES} bytes of a unix socket: name a folder with a shorter path`;
  throw new AppError("SOCKET_PATH_TOO_LONG", message, { details: { bytes } });
}

/** Names sockets so that no two server starts of any two runs share one: kubelet 1.37 wedges on a second Register on a path it knows. */
export interface SocketNames {
  next(resource: string): string;
}

export function createSocketNames(clock: Clock, random: () => number): SocketNames {
  const run = `${Math.floor(clock.wallMs()).toString(36)}${process.pid.toString(36)}${Math.floor(random() * 36 ** 4).toString(36)}`;
  let starts = 0;
  return {
    next(resource) {
      starts += 1;
      return `tiommu-${createHash("sha256").update(resource).digest("hex").slice(0, 6)}-${run}-${starts}.sock`;
    },
  };
}

/** What changes whenever a file is made anew. Not the inode alone: ext4 gives a re-created socket the same one every time. */
export function identityOf(path: string): string | null {
  const stats = lstatOrNull(path);
  return stats?.isSocket() ? `${stats.dev}:${stats.ino}:${stats.ctimeNs}` : null;
}

/** Null when it is not there or cannot be looked at. */
export function lstatOrNull(path: string): BigIntStats | null {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return null;
    throw thrown;
  }
}

export type Probe = "Listening" | "Refused" | "Absent";

/** Whether a process listens on a unix socket. What cannot be told counts as Listening. */
export function probeSocket(path: string, clock: Clock): Promise<Probe> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (probe: Probe): void => {
      timer.stop();
      socket.destroy();
      resolve(probe);
    };
    const timer = clock.after(PROBE_MS, () => end("Listening"));
    socket.on("connect", () => end("Listening"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      end(error.code === "ECONNREFUSED" ? "Refused" : error.code === "ENOENT" ? "Absent" : "Listening");
    });
  });
}

/**
 * Removes sockets that an earlier run of ours left behind (kill -9): named as only we name them, ours by owner, and without a listener. Anything else
 * in the directory is left alone. A directory that cannot be read is no error here: kubelet's start wipes it anyway.
 */
export async function removeStaleSockets(dir: string, clock: Clock, log: Log): Promise<void> {
  for (const name of listOrEmpty(dir)) {
    const path = join(dir, name);
    const stats = OWN_NAME.test(name) ? lstatOrNull(path) : null;
    if (!stats?.isSocket() || Number(stats.uid) !== process.geteuid?.()) continue;
    if ((await probeSocket(path, clock)) !== "Refused") continue;
    unlinkSync(path);
    log.info({ socket: name }, "removed a socket of an earlier run");
  }
}

function listOrEmpty(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return [];
    throw thrown;
  }
}
