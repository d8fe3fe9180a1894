// SPDX-License-Identifier: Apache-2.0

/** An API server that keeps ResourceSlices: revisions, preconditions, a watch that can be held back. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const PATH = "/apis/resource.k8s.io/v1/resourceslices";

interface Slice {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: Record<string, unknown>;
}

interface Event {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Slice;
}

type Verdict = { readonly status: number; readonly body: unknown };

export interface SliceServer {
  readonly url: string;
  /** `POST name`, in order; without lists and watches; of other kinds, which it has none of, with the path. */
  readonly requests: readonly string[];
  slices(): readonly Slice[];
  /** Somebody else writes. */
  put(name: string, spec: object): void;
  remove(name: string): void;
  /** Events wait from now on, until `release`. */
  hold(): void;
  /** Lets the oldest event that waits go. */
  releaseOne(): void;
  release(): void;
  /** Ends all watches with 410. */
  expire(): void;
  /** Fields of devices that are not kept. */
  readonly drops: Set<string>;
  /** Called before the next write is carried out; `Lose` carries it out and gives no answer, a number refuses with that status. */
  next(meddle: () => "Carry out" | "Lose" | number): void;
  lists(): number;
  isWatched(): boolean;
  close(): Promise<void>;
}

export async function createSliceServer(): Promise<SliceServer> {
  const all = new Map<string, Slice>();
  const events: Event[] = [];
  const watches = new Map<ServerResponse, number>();
  const requests: string[] = [];
  const drops = new Set<string>();
  const meddlers: (() => "Carry out" | "Lose" | number)[] = [];
  let revision = 10;
  let isHeld = false;
  let lists = 0;

  const flush = (): void => {
    if (isHeld) return;
    for (const [response, from] of watches) {
      for (const event of events.slice(from)) response.write(`${JSON.stringify(event)}\n`);
      watches.set(response, events.length);
    }
  };
  const set = (type: Event["type"], name: string, uid: string, spec: Record<string, unknown>): Slice => {
    revision += 1;
    const object = { metadata: { name, uid, resourceVersion: String(revision) }, spec: keptOf(spec, drops) };
    if (type === "DELETED") all.delete(name);
    else all.set(name, object);
    events.push({ type, object });
    flush();
    return object;
  };
  const put = (name: string, spec: Record<string, unknown>): Slice => {
    const old = all.get(name);
    // A write that changes nothing makes no revision.
    if (old && JSON.stringify(old.spec) === JSON.stringify(keptOf(spec, drops))) return old;
    return set(old ? "MODIFIED" : "ADDED", name, old?.metadata.uid ?? `u${revision}`, spec);
  };
  const remove = (name: string): void => {
    const old = all.get(name);
    if (old) set("DELETED", name, old.metadata.uid, old.spec);
  };

  const write = (method: string, name: string, body: Body): Verdict => {
    const old = all.get(name);
    if (method === "POST") return old ? refused(409, "AlreadyExists") : { status: 201, body: put(name, body.spec ?? {}) };
    if (!old) return refused(404, "NotFound");
    if (method === "GET") return { status: 200, body: old };
    const { resourceVersion } = old.metadata;
    if (method === "DELETE") {
      if (body.preconditions?.uid !== old.metadata.uid || body.preconditions.resourceVersion !== resourceVersion) return refused(409, "Conflict");
      remove(name);
      return { status: 200, body: { kind: "Status", status: "Success" } };
    }
    if (body.metadata?.resourceVersion !== resourceVersion) return refused(409, "Conflict");
    const merged = Object.entries({ ...old.spec, ...body.spec }).filter(([, value]) => value !== null);
    return { status: 200, body: put(name, Object.fromEntries(merged)) };
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "" } = request;
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://server");
    response.setHeader("content-type", "application/json");
    if (pathname === PATH && query.has("watch")) {
      response.flushHeaders();
      const from = events.findIndex(({ object }) => Number(object.metadata.resourceVersion) > Number(query.get("resourceVersion")));
      watches.set(response, from < 0 ? events.length : from);
      response.on("close", () => watches.delete(response));
      return flush();
    }
    if (pathname === PATH && method === "GET") {
      lists += 1;
      const items = [...all.values()].filter(({ spec }) => query.get("fieldSelector") === `spec.nodeName=${String(spec["nodeName"])}`);
      return void response.end(JSON.stringify({ apiVersion: "resource.k8s.io/v1", metadata: { resourceVersion: String(revision) }, items }));
    }
    const body = await bodyOf(request);
    if (!pathname.startsWith(PATH)) {
      requests.push(`${method} ${pathname}`);
      return void response.writeHead(404).end("{}");
    }
    const name = method === "POST" ? (body.metadata?.name ?? "") : pathname.slice(PATH.length + 1);
    requests.push(`${method} ${name}`);
    const meddled = method === "GET" ? "Carry out" : (meddlers.shift()?.() ?? "Carry out");
    const verdict = typeof meddled === "number" ? refused(meddled, "Meddled") : write(method, name, body);
    if (meddled === "Lose") return void response.socket?.destroy();
    response.writeHead(verdict.status).end(JSON.stringify(verdict.body));
  };

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    slices: () => [...all.values()],
    put: (name, spec) => void put(name, spec as Record<string, unknown>),
    remove,
    hold() {
      isHeld = true;
    },
    releaseOne() {
      for (const [response, from] of watches) {
        const event = events[from];
        if (event) response.write(`${JSON.stringify(event)}\n`);
        watches.set(response, Math.min(from + 1, events.length));
      }
    },
    release() {
      isHeld = false;
      flush();
    },
    expire() {
      for (const response of watches.keys()) response.end(`${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410 } })}\n`);
      watches.clear();
    },
    drops,
    next: (meddle) => void meddlers.push(meddle),
    lists: () => lists,
    isWatched: () => watches.size > 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface Body {
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
  readonly spec?: Record<string, unknown>;
  readonly preconditions?: { readonly uid: string; readonly resourceVersion: string };
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  return text === "" ? {} : JSON.parse(text);
}

function refused(status: number, reason: string): Verdict {
  return { status, body: { kind: "Status", code: status, reason, message: `${reason} ${status}` } };
}

function keptOf(spec: Record<string, unknown>, drops: ReadonlySet<string>): Record<string, unknown> {
  if (!Array.isArray(spec["devices"])) return spec;
  const keep = (device: object): object => Object.fromEntries(Object.entries(device).filter(([field]) => !drops.has(field)));
  return { ...spec, devices: spec["devices"].map(keep) };
}
