// SPDX-License-Identifier: Apache-2.0
import { AGENT_FIELD_MANAGER } from "../../api/names.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import type { SeenSlice, SliceWrite } from "../../domain/dra/slices.ts";
import { AppError } from "../../runtime/errors.ts";
import type { ApiClient, ApiRequest } from "../transport/api-client.ts";
import { statusOfError } from "../transport/api-error.ts";
import { asPlain, garbled } from "../watch/objects.ts";
import { CONFLICT, DRA_API_VERSION, isAbsence, SLICES_PATH } from "./api.ts";
import { keptSlice, ourSlice } from "./slice-object.ts";

/** Of the Node object, which slices belong to: they go when it does. */
export interface Owner {
  readonly uid: string;
}

export interface SliceRequests {
  /** The slice as it is after the write, null after a Delete; `Conflict`: it is another one than the write was made for. @throws as `ApiClient.call` */
  send(write: SliceWrite, signal: AbortSignal): Promise<SeenSlice | null | "Conflict">;
  /** Read afresh from etcd; null: there is none. @throws as `ApiClient.call`; API_REFUSED when it is somebody else's */
  get(name: string, signal: AbortSignal): Promise<SeenSlice | null>;
}

const DEADLINE_MS = 10_000;
const QUERY = { fieldManager: AGENT_FIELD_MANAGER };

export function createSliceRequests(client: ApiClient, node: string, owner: () => Promise<Owner | null>): SliceRequests {
  const oursIn = (object: unknown): SeenSlice | null => ourSlice(keptSlice(object, node));

  return {
    async send(write, signal) {
      const request = requestOf(write, node, write.kind === "Create" ? await owner() : null);
      try {
        const answer = await client.call({ ...request, deadlineMs: DEADLINE_MS, signal });
        if (write.kind === "Delete") return null;
        return oursIn(answer) ?? Promise.reject(garbled(`the answer to a write of ResourceSlice ${nameOf(write)} is not that slice`));
      } catch (thrown) {
        if (statusOfError(thrown) === CONFLICT || (write.kind !== "Create" && isAbsence(thrown))) return "Conflict";
        throw thrown;
      }
    },

    async get(name, signal) {
      try {
        const object = await client.call({ method: "GET", path: `${SLICES_PATH}/${name}`, deadlineMs: DEADLINE_MS, signal });
        return oursIn(object) ?? Promise.reject(takenName(name));
      } catch (thrown) {
        if (isAbsence(thrown)) return null;
        throw thrown;
      }
    },
  };
}

export function nameOf(write: SliceWrite): string {
  return write.kind === "Create" ? write.name : write.seen.name;
}

function requestOf(write: SliceWrite, node: string, owner: Owner | null): Pick<ApiRequest, "method" | "path" | "query" | "body" | "contentType"> {
  const path = `${SLICES_PATH}/${nameOf(write)}`;
  if (write.kind === "Create") return { method: "POST", path: SLICES_PATH, query: QUERY, body: sliceObject(write.name, write.spec, node, owner) };
  const { seen } = write;
  if (write.kind === "Update") {
    return { method: "PATCH", path, query: QUERY, contentType: "application/merge-patch+json", body: patchOf(seen, write.spec) };
  }
  const preconditions = { uid: seen.uid, resourceVersion: seen.resourceVersion };
  return { method: "DELETE", path, body: { apiVersion: "v1", kind: "DeleteOptions", preconditions } };
}

function sliceObject(name: string, spec: object, node: string, owner: Owner | null): unknown {
  const ownerReferences = owner === null ? [] : [{ apiVersion: "v1", kind: "Node", name: node, uid: owner.uid, controller: true }];
  return { apiVersion: DRA_API_VERSION, kind: "ResourceSlice", metadata: { name, ...(owner !== null && { ownerReferences }) }, spec };
}

/** A merge patch leaves other people's labels alone. What the new spec has no longer is taken away by null (RFC 7386); lists are replaced whole. */
function patchOf(seen: SeenSlice, spec: object): unknown {
  const gone = Object.keys(asPlain(seen.spec)).filter((field) => !(field in spec));
  const nulls = Object.fromEntries(gone.map((field) => [field, null]));
  return { metadata: { resourceVersion: seen.resourceVersion }, spec: { ...nulls, ...spec } };
}

function takenName(name: string): AppError {
  return new AppError("API_REFUSED", `ResourceSlice ${name} is not of driver ${DRA_DRIVER} on this node; delete it, for this name is the driver's`);
}
