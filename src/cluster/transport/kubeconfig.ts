// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from "node:path";
import { readDocument } from "../../api/document.ts";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, faultOf } from "../../runtime/errors.ts";
import { readUserFile } from "../../runtime/user-file.ts";
import { type ApiAccess, type Credentials, rereadFile } from "./credentials.ts";
import { CONFIG_FIELDS, CONTEXT_FIELDS, fieldProblems, isPlain, type Plain } from "./kubeconfig-fields.ts";
import { clusterProblems, userProblems } from "./kubeconfig-rules.ts";

/**
 * Reads a kubeconfig (clientcmd v1): certificates and keys inline or as files, token or token file. Users with an exec plugin or an auth provider
 * are left to @kubernetes/client-node, which is loaded for them alone: it costs 0.3 s and 50 MB that an agent does not have. What is not served is
 * refused by name (kubeconfig-fields.ts).
 * @throws CONFIG_INVALID with every problem of the context's entries
 */
export async function kubeconfigAccess(path: string, context: string | null, clock: Clock): Promise<ApiAccess> {
  const config = await readConfig(path, clock);
  refuse(path, [...fieldProblems(config, CONFIG_FIELDS, ""), ...headProblems(config)]);
  const wanted = context ?? text(config, "current-context");
  if (wanted === null) throw invalid(path, ["current-context: write the name of an entry of contexts"]);
  const chosen = entry(config, { list: "contexts", member: "context", name: wanted, path });
  refuse(path, [...fieldProblems(chosen.value, CONTEXT_FIELDS, chosen.place), ...missing(chosen, ["cluster", "user"])]);
  const cluster = entry(config, { list: "clusters", member: "cluster", name: text(chosen.value, "cluster") ?? "", path });
  const user = entry(config, { list: "users", member: "user", name: text(chosen.value, "user") ?? "", path });
  refuse(path, [...clusterProblems(cluster.value, cluster.place), ...userProblems(user.value, user.place)]);
  const isPlugin = isPlain(user.value["exec"]) || isPlain(user.value["auth-provider"]);
  const credentials = isPlugin ? await pluginCredentials(path, wanted) : ownCredentials({ cluster: cluster.value, user: user.value, path, clock });
  return { server: (text(cluster.value, "server") ?? "").replace(/\/+$/, ""), credentials };
}

async function readConfig(path: string, clock: Clock): Promise<Plain> {
  let content: string;
  try {
    content = (await readUserFile(path, { clock })).text;
  } catch (thrown) {
    throw new AppError("CONFIG_INVALID", `cannot read kubeconfig ${path}: ${faultOf(thrown)}`, { details: { path }, cause: thrown });
  }
  const read = readDocument(content);
  // Places and fixes only: the lines themselves may hold secrets.
  if (!read.ok)
    throw invalid(
      path,
      read.problems.map((problem) => `${problem.path === "" ? "it is not readable" : problem.path}: ${problem.fix}`),
    );
  const { value } = read.value;
  if (!isPlain(value)) throw invalid(path, ["write a kubeconfig: a map with clusters, users and contexts"]);
  return value;
}

/** What kubectl writes, or nothing. */
function headProblems(config: Plain): readonly string[] {
  const expected = { apiVersion: "v1", kind: "Config" };
  return Object.entries(expected).flatMap(([name, word]) => (text(config, name) === null || config[name] === word ? [] : [`${name}: write ${word}`]));
}

function refuse(path: string, problems: readonly string[]): void {
  if (problems.length > 0) throw invalid(path, problems);
}

interface Source {
  readonly cluster: Plain;
  readonly user: Plain;
  readonly path: string;
  readonly clock: Clock;
}

function ownCredentials({ cluster, user, path, clock }: Source): () => Promise<Credentials> {
  const pem = (holder: Plain, name: string): (() => Promise<string | null>) => {
    const inline = text(holder, `${name}-data`);
    if (inline !== null) return async () => Buffer.from(inline, "base64").toString("utf8");
    const file = text(holder, name);
    return file === null ? async () => null : rereadFile(resolve(dirname(path), file), clock);
  };
  const [ca, cert, key] = [pem(cluster, "certificate-authority"), pem(user, "client-certificate"), pem(user, "client-key")];
  const tokenFile = text(user, "tokenFile");
  const readToken = tokenFile === null ? async () => text(user, "token") : rereadFile(resolve(dirname(path), tokenFile), clock);
  const basic = text(user, "username");
  return async () => {
    const token = (await readToken())?.trim() ?? null;
    const password = basic === null ? null : `Basic ${Buffer.from(`${basic}:${text(user, "password") ?? ""}`).toString("base64")}`;
    const serverName = text(cluster, "tls-server-name");
    const insecure = cluster["insecure-skip-tls-verify"] === true;
    return {
      authorization: token === null ? password : `Bearer ${token}`,
      tls: { ca: await ca(), cert: await cert(), key: await key(), serverName, insecure },
    };
  };
}

async function pluginCredentials(path: string, context: string): Promise<() => Promise<Credentials>> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(path);
  config.setCurrentContext(context);
  return async () => {
    const options: Record<string, unknown> & { headers: Record<string, unknown> } = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const authorization = options.headers["Authorization"] ?? options.headers["authorization"];
    return {
      authorization: typeof authorization === "string" ? authorization : null,
      tls: {
        ca: pemText(options["ca"]),
        cert: pemText(options["cert"]),
        key: pemText(options["key"]),
        serverName: typeof options["servername"] === "string" ? options["servername"] : null,
        insecure: options["rejectUnauthorized"] === false,
      },
    };
  };
}

function pemText(value: unknown): string | null {
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  return typeof value === "string" ? value : null;
}

interface Wanted {
  readonly list: "contexts" | "clusters" | "users";
  readonly member: "context" | "cluster" | "user";
  readonly name: string;
  readonly path: string;
}

/** A named entry's content, and where it stands. */
interface Entry {
  readonly value: Plain;
  readonly place: string;
}

function entry(config: Plain, { list, member, name, path }: Wanted): Entry {
  const entries = config[list];
  const found = (Array.isArray(entries) ? entries : []).filter((candidate) => isPlain(candidate) && candidate["name"] === name);
  const [first, second] = found;
  const place = `${list}[${name}]`;
  if (!isPlain(first)) throw invalid(path, [`${list} has no entry named ${name}`]);
  if (second !== undefined) throw invalid(path, [`${place}: remove all but one entry of this name: only one would have an effect`]);
  refuse(path, fieldProblems(first, { name: { kind: "Text" }, [member]: { kind: "Map" } }, place));
  const value = first[member];
  return { value: isPlain(value) ? value : {}, place: `${place}.${member}` };
}

function missing({ value, place }: Entry, names: readonly string[]): readonly string[] {
  return names.filter((name) => text(value, name) === null).map((name) => `${place}.${name}: write the name of an entry of ${name}s`);
}

function invalid(path: string, problems: readonly string[]): AppError {
  return new AppError("CONFIG_INVALID", `kubeconfig ${path}: ${problems.join("\n")}`, { details: { path, problems: problems.length } });
}

/** Null: absent or empty, which is the same in Go. */
function text(holder: Plain, name: string): string | null {
  const value = holder[name];
  return typeof value === "string" && value !== "" ? value : null;
}
