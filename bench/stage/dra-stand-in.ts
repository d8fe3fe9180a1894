// SPDX-License-Identifier: Apache-2.0

/** ResourceSlices that can be written, and ResourceClaims that a scheduler has allocated, as far as an agent asks for them. */
import type { ServerResponse } from "node:http";
import { CLAIMS_PATH, DRA_API_VERSION, DRA_PATH, SLICES_PATH } from "../../src/cluster/dra/api.ts";
import { DRA_DRIVER, LINK_FAILED, LINK_SECURED } from "../../src/domain/dra/names.ts";
import { answer, list } from "./answers.ts";

interface KubeObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec?: unknown;
  readonly status?: unknown;
}

interface Request {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}

/** What is listed of our driver, by the device's name. */
interface ListedSlice {
  readonly pool: { readonly name: string };
  readonly devices?: readonly { readonly name: string }[];
}

export interface DraStandIn {
  /** False: it is about something else. */
  serve(request: Request, response: ServerResponse): boolean;
  /** Pools by the devices that are listed in them. */
  listed(): ReadonlyMap<string, string>;
  /** Allocates a device to a claim for a pod, as a scheduler does. */
  allocate(name: string, device: string): void;
  /** Of the claim's status: the types of the conditions that are true. */
  conditions(name: string): readonly string[];
  /** Claims of other drivers, for other nodes. */
  addForeign(count: number): void;
  /** Called after each write. */
  onWrite(listener: () => void): () => void;
}

const NAMESPACE = "bench";

export function createDraStandIn(): DraStandIn {
  const slices = new Kind("ResourceSlice");
  const claims = new Kind("ResourceClaim");
  const listeners = new Set<() => void>();
  const written = (response: ServerResponse, object: KubeObject): void => {
    answer(response, object);
    for (const listener of [...listeners]) listener();
  };
  const listed = (): ReadonlyMap<string, string> =>
    new Map(
      slices.all().flatMap(({ spec }) => {
        const { devices = [], pool } = spec as ListedSlice;
        return devices.map((device): [string, string] => [device.name, pool.name]);
      }),
    );

  return {
    serve({ method, url, body }, response) {
      if (!url.pathname.startsWith(`${DRA_PATH}/`)) return false;
      const kind = url.pathname.startsWith(SLICES_PATH) ? slices : claims;
      const isCollection = url.pathname === SLICES_PATH || url.pathname === CLAIMS_PATH;
      const name =
        url.pathname
          .replace(/\/status$/, "")
          .split("/")
          .at(-1) ?? "";
      if (isCollection && method === "GET") kind.list(url, response);
      else if (method === "POST") written(response, kind.put({ ...(body as KubeObject) }));
      else if (method === "PATCH") written(response, kind.put(patched(kind.get(name), body as Partial<KubeObject>)));
      else if (method === "DELETE") written(response, kind.remove(name));
      else answer(response, kind.get(name));
      return true;
    },
    listed,
    allocate(name, device) {
      claims.put(claimOf(name, { device, pool: listed().get(device) ?? "" }));
    },
    conditions(name) {
      const { devices = [] } = claims.get(name).status as { devices?: { conditions: { type: string; status: string }[] }[] };
      return devices.flatMap(({ conditions }) => conditions.flatMap(({ type, status }) => (status === "True" ? type : [])));
    },
    addForeign(count) {
      for (let i = 0; i < count; i += 1) claims.put(claimOf(`other-${i}`, { driver: "gpu.example.com", device: `gpu-${i % 8}`, pool: `node-${i}` }));
    },
    onWrite(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Merge patches of slices replace the spec's fields, applies of claims the devices of the status. */
function patched(old: KubeObject, body: Partial<KubeObject>): KubeObject {
  return { ...old, spec: { ...Object(old.spec), ...Object(body.spec) }, status: { ...Object(old.status), ...Object(body.status) } };
}

function claimOf(
  name: string,
  { driver = DRA_DRIVER, ...given }: { readonly driver?: string; readonly device: string; readonly pool: string },
): KubeObject {
  const conditions = { bindingConditions: [LINK_SECURED], bindingFailureConditions: [LINK_FAILED] };
  const results = [{ request: "gpu", driver, ...given, ...(driver === DRA_DRIVER ? conditions : {}) }];
  return {
    metadata: { name, namespace: NAMESPACE, uid: `uid-${name}`, resourceVersion: "" },
    spec: { devices: { requests: [{ name: "gpu", exactly: { deviceClassName: driver } }] } },
    status: { allocation: { devices: { results } }, reservedFor: [{ resource: "pods", name, uid: `pod-${name}` }] },
  };
}

/** Objects of one kind, with their watches. */
class Kind {
  readonly #kind: string;
  readonly #objects = new Map<string, KubeObject>();
  readonly #watches = new Set<ServerResponse>();
  #revision = 1;

  constructor(kind: string) {
    this.#kind = kind;
  }

  all(): readonly KubeObject[] {
    return [...this.#objects.values()];
  }

  /** @throws when there is none */
  get(name: string): KubeObject {
    const object = this.#objects.get(name);
    if (object === undefined) throw new Error(`no ${this.#kind} ${name}`);
    return object;
  }

  put(object: KubeObject): KubeObject {
    const { name } = object.metadata;
    const isNew = !this.#objects.has(name);
    // A slice that is made has no UID yet, a claim and a slice that is written again have.
    const uid = this.#objects.get(name)?.metadata.uid ?? `uid-${name}`;
    this.#revision += 1;
    const metadata = { ...object.metadata, uid, resourceVersion: String(this.#revision) };
    const next = { apiVersion: DRA_API_VERSION, kind: this.#kind, ...object, metadata };
    this.#objects.set(name, next);
    this.#tell(isNew ? "ADDED" : "MODIFIED", next);
    return next;
  }

  remove(name: string): KubeObject {
    const old = this.get(name);
    this.#objects.delete(name);
    this.#tell("DELETED", old);
    return old;
  }

  list(url: URL, response: ServerResponse): void {
    if (url.searchParams.get("watch") !== "true") {
      answer(response, list(DRA_API_VERSION, `${this.#kind}List`, this.all()));
      return;
    }
    response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
  }

  #tell(type: string, object: KubeObject): void {
    for (const response of this.#watches) response.write(`${JSON.stringify({ type, object })}\n`);
  }
}
