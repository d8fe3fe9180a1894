// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import type { Clock } from "../runtime/clock.ts";
import { AppError, messageOf } from "../runtime/errors.ts";
import { type ApiAccess, type Credentials, rereadFile } from "./credentials.ts";

type Plain = Readonly<Record<string, unknown>>;

/**
 * Reads a kubeconfig (clientcmd v1): certificates and keys inline or as files, token or token file. Users with an exec plugin or an auth provider
 * are left to @kubernetes/client-node, which is loaded for them alone: it costs 0.3 s and 50 MB that an agent does not have.
 * @throws CONFIG_INVALID
 */
export async function kubeconfigAccess(path: string, context: string | null, clock: Clock): Promise<ApiAccess> {
  const config = await readConfig(path);
  const wanted = context ?? text(config, "current-context");
  if (wanted === null) throw invalid(path, "it has no current-context; name one");
  const chosen = entry(config, "contexts", wanted, path)["context"];
  const cluster = asPlain(entry(config, "clusters", String(asPlain(chosen)["cluster"]), path)["cluster"]);
  const user = asPlain(entry(config, "users", String(asPlain(chosen)["user"]), path)["user"]);
  const server = text(cluster, "server");
  if (server === null) throw invalid(path, `cluster of context ${wanted} has no server`);
  const credentials =
    "exec" in user || "auth-provider" in user ? await pluginCredentials(path, wanted) : ownCredentials({ cluster, user, path, clock });
  return { server: server.replace(/\/+$/, ""), credentials };
}

async function readConfig(path: string): Promise<Plain> {
  try {
    return asPlain(parse(await readFile(path, "utf8")));
  } catch (thrown) {
    throw new AppError("CONFIG_INVALID", `cannot read kubeconfig ${path}: ${messageOf(thrown)}`, { details: { path }, cause: thrown });
  }
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

function entry(config: Plain, list: string, name: string, path: string): Plain {
  const entries = config[list];
  const found = Array.isArray(entries) ? entries.map(asPlain).find((candidate) => candidate["name"] === name) : undefined;
  if (found === undefined) throw invalid(path, `${list} has no entry named ${name}`);
  return found;
}

function invalid(path: string, why: string): AppError {
  return new AppError("CONFIG_INVALID", `kubeconfig ${path}: ${why}`, { details: { path } });
}

function text(holder: Plain, name: string): string | null {
  const value = holder[name];
  return typeof value === "string" && value !== "" ? value : null;
}

function asPlain(value: unknown): Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Plain) : {};
}
