// SPDX-License-Identifier: Apache-2.0
import { isAppError } from "../../runtime/errors.ts";
import type { ApiClient } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { asPlain, garbled } from "./objects.ts";

export interface ListRequest {
  /** `/api/v1/pods` */
  readonly path: string;
  /** Selectors. No resourceVersion: each list is a quorum read. */
  readonly query: Readonly<Record<string, string>>;
  /** Of each page. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

export interface Page {
  /** Of the list; undefined in what is no answer of an API server. */
  readonly apiVersion: unknown;
  readonly items: readonly unknown[];
  /** The list with its metadata; the resourceVersion is the same on each page. */
  readonly list: unknown;
}

/** Objects of one page. A page that is longer than `PAGE_BYTES` is asked for again in smaller ones: an object has at most 1.5 MiB (etcd). */
const PAGE = 50;
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * The pages of a list, each asked for when the one before was dealt with, so that a long list is never in memory at once. All pages show the same
 * moment; after a 410 (the token of the next page grew old) the list has to begin anew.
 * @throws as `ApiClient.call`, and API_UNREACHABLE when an answer is no list
 */
export async function* pagesOf(client: ApiClient, { path, query, deadlineMs, signal }: ListRequest): AsyncGenerator<Page> {
  let limit = PAGE;
  for (let token: string | null = ""; token !== null; ) {
    signal.throwIfAborted();
    const whole = { ...query, limit: String(limit), ...(token !== "" && { continue: token }) };
    const bound = limit > 1 ? { maxBytes: PAGE_BYTES } : {};
    try {
      const list = await client.call({ method: "GET", path, query: whole, deadlineMs, signal, ...bound });
      const { items, apiVersion, metadata } = asPlain(list);
      if (!Array.isArray(items)) throw garbled("the answer to a list is no list");
      yield { apiVersion, items, list };
      const next = asPlain(metadata)["continue"];
      token = typeof next === "string" && next !== "" ? next : null;
    } catch (thrown) {
      if (!isAppError(thrown) || thrown.code !== "API_ANSWER_TOO_LONG" || limit === 1) throw thrown;
      limit = Math.ceil(limit / 4);
    }
  }
}

/** A token that grew old (410) is no fault: the list begins anew, so often. */
const LISTS = 4;
const GONE = 410;

/** A part is not the whole, and a token that grew old gives no more: the list begins anew. @throws what `list` throws */
export async function againWhenGone<T>(list: () => Promise<T>): Promise<T> {
  for (let left = LISTS - 1; ; left -= 1) {
    try {
      return await list();
    } catch (thrown) {
      if (left === 0 || statusOfError(thrown) !== GONE) throw thrown;
    }
  }
}
