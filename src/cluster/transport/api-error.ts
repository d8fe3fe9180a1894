// SPDX-License-Identifier: Apache-2.0
import { AppError, isAppError } from "../../runtime/errors.ts";

/** meta/v1 Status codes that mean "not now"; everything else at 400 and above is an answer that trying again will not change by itself. */
const NOT_NOW = [408, 425, 429];

export interface Refusal {
  readonly status: number;
  readonly body: string;
  /** How long the server asked to be left alone; null when it did not. */
  readonly retryAfterMs: number | null;
}

/** What a not-2xx answer means. API_UNREACHABLE: try again. API_REFUSED: details.status and details.reason say why. */
export function refusal(what: string, { status, body, retryAfterMs }: Refusal): AppError {
  const { message, reason } = statusOf(body);
  const code = isNotNow(status) ? "API_UNREACHABLE" : "API_REFUSED";
  return new AppError(code, `${what}: ${status} ${message}`, { details: { status, reason, ...(retryAfterMs !== null && { retryAfterMs }) } });
}

/** True: the same request may be answered otherwise later. */
export function isNotNow(status: number): boolean {
  return status >= 500 || NOT_NOW.includes(status);
}

/** A server that asks for more is not believed: nothing would be heard of the intent for as long. */
const LONGEST_WAIT_MS = 60_000;

/** `Retry-After` (RFC 9110 10.2.3): seconds, or a date. Null without one or when it is neither. */
export function retryAfterMs(header: string | undefined, wallMs: number): number | null {
  const text = header?.trim() ?? "";
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
}

/** The HTTP status of an error made by `refusal`; null for any other. */
export function statusOfError(thrown: unknown): number | null {
  const status = isAppError(thrown) ? thrown.details["status"] : null;
  return typeof status === "number" ? status : null;
}

const SHOWN_CHARACTERS = 500;

function statusOf(body: string): { message: string; reason: string } {
  const parsed = tryParse(body);
  if (typeof parsed !== "object" || parsed === null) return { message: body.slice(0, SHOWN_CHARACTERS), reason: "" };
  const { message, reason } = parsed as { message?: unknown; reason?: unknown }; // Checked member by member below.
  return { message: String(message ?? "").slice(0, SHOWN_CHARACTERS), reason: String(reason ?? "") };
}

/** A proxy on the way answers in HTML. */
function tryParse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}
