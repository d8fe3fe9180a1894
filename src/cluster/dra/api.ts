// SPDX-License-Identifier: Apache-2.0

/** resource.k8s.io/v1 (Kubernetes 1.34 and later), and what it means when a list of it fails. */
import * as z from "zod";
import type { Random } from "../../runtime/backoff.ts";
import { isAppError, messageOf } from "../../runtime/errors.ts";
import type { Log } from "../../runtime/log.ts";
import { statusOfError } from "../transport/api-error.ts";
import { garbled, isGarbled } from "../watch/objects.ts";

export const DRA_API_VERSION = "resource.k8s.io/v1";
export const DRA_PATH = `/apis/${DRA_API_VERSION}`;
export const SLICES_PATH = `${DRA_PATH}/resourceslices`;
export const CLAIMS_PATH = `${DRA_PATH}/resourceclaims`;

export const NOT_FOUND = 404;
export const CONFLICT = 409;
export const INVALID = 422;

const NO_API = "the API server has no resource.k8s.io/v1: dynamic resource allocation needs Kubernetes 1.34 or later";
/** A server that is upgraded is no faster, and thousands of nodes ask. */
const ASK_AGAIN_MS = 600_000;

interface ListFailure {
  /** Why nothing can be read; null: the server only does not answer just now, and what was read before still holds. */
  readonly why: string | null;
  /** The next attempt is due after so long; null: after the usual pause. */
  readonly againMs: number | null;
}

function listFailureOf(thrown: unknown, random: Random): ListFailure {
  if (statusOfError(thrown) === NOT_FOUND) return { why: NO_API, againMs: ASK_AGAIN_MS * (1 - 0.5 * random()) };
  const isPassing = isAppError(thrown) && thrown.code === "API_UNREACHABLE" && !isGarbled(thrown);
  return { why: isPassing || statusOfError(thrown) === GONE ? null : messageOf(thrown), againMs: null };
}

const GONE = 410;

export interface ListFailureHandling {
  /** What is listed, for the log: `claims`, `slices`. */
  readonly what: string;
  readonly random: Random;
  readonly log: Log;
  /** Why nothing can be read, as far as it was shown; null: it can, or nothing is known yet. */
  readonly shown: () => string | null;
  readonly show: (why: string) => void;
}

/** For a reflector: shows and logs why a list fails when that is new. Answers how long to wait (ms; null: the usual pause). */
export function listFailureHandler({ what, random, log, shown, show }: ListFailureHandling): (thrown: unknown) => number | null {
  return (thrown) => {
    const { why, againMs } = listFailureOf(thrown, random);
    if (why === null || shown() === why) return againMs;
    log.warn({ why }, `${what} unreadable`);
    show(why);
    return againMs;
  };
}

/** Why a quorum read of `thrown` cannot be read. */
export function whyUnread(thrown: unknown): string {
  return statusOfError(thrown) === NOT_FOUND ? NO_API : messageOf(thrown);
}

/** True only for a server that knows the kind and has no such object: a proxy's 404, or that of a server without the kind, says nothing of it. */
export function isAbsence(thrown: unknown): boolean {
  return isAppError(thrown) && statusOfError(thrown) === NOT_FOUND && thrown.details["reason"] === "NotFound";
}

/** @throws API_UNREACHABLE, garbled: the API server validates what it keeps, so that this is no answer of one */
export function read<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const verdict = schema.safeParse(value);
  if (!verdict.success) throw garbled(`an object is none of ${DRA_API_VERSION}: ${z.prettifyError(verdict.error)}`, verdict.error);
  return verdict.data;
}
