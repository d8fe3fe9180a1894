// SPDX-License-Identifier: Apache-2.0

/**
 * Our transport below the typed APIs of @kubernetes/client-node, by the library's public seam `createConfiguration({ httpApi })`. For programs that
 * work with many kinds: the library brings types, paths and patch strategies, the transport connections, deadlines, bounds and Retry-After.
 */
import {
  type Configuration,
  createConfiguration,
  type RequestContext,
  ResponseContext,
  SelfDecodingBody,
  ServerConfiguration,
  wrapHttpLibrary,
} from "@kubernetes/client-node";
import { AppError } from "../../runtime/errors.ts";
import type { ApiBounds, ApiClient } from "./api-client.ts";

/** The library asks for an absolute address; which API server is asked, and as whom, is the transport's to know. */
const BASE = "http://api-server";

/**
 * For `new CustomObjectsApi(configuration)` and its like. An answer with a status of 300 or above is the library's ApiException, as always; no answer
 * in time, or none wanted (Retry-After), is an AppError: API_UNREACHABLE · API_ANSWER_TOO_LONG · API_REFUSED (no credentials).
 */
export function apiConfiguration(client: ApiClient, bounds: ApiBounds): Configuration {
  const send = async (request: RequestContext): Promise<ResponseContext> => {
    const { pathname, search } = new URL(request.getUrl());
    const answer = await client.exchange({
      ...bounds,
      method: request.getHttpMethod(),
      target: `${pathname}${search}`,
      headers: request.getHeaders(),
      body: textOf(request),
      signal: request.getSignal(),
    });
    const headers = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
    return new ResponseContext(answer.status, Object.fromEntries(headers), new SelfDecodingBody(Promise.resolve(Buffer.from(answer.body))));
  };
  return createConfiguration({ baseServer: new ServerConfiguration(BASE, {}), httpApi: wrapHttpLibrary({ send }) });
}

/** Kubernetes has no forms. */
function textOf(request: RequestContext): string | null {
  const body = request.getBody();
  if (body === undefined || typeof body === "string") return body ?? null;
  throw new AppError("INVARIANT_BROKEN", `${request.getUrl()} has a body that is no text`);
}
