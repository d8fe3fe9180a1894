// SPDX-License-Identifier: Apache-2.0

/**
 * An API server as kubeconfigs name it. What a kubeconfig means (certificates, tokens, exec plugins, OIDC, proxies, impersonation) is
 * @kubernetes/client-node's to know. Here files are read within bounds, the context's entries are chosen as kubectl does, and what the library would
 * pass over is refused (kubeconfig-check.ts). Loading the library costs memory and time: an agent in a pod has no kubeconfig and never does.
 */
import type { Agent, RequestOptions } from "node:https";
import { dirname, resolve } from "node:path";
import { type Cluster, KubeConfig, type User } from "@kubernetes/client-node";
import type { Clock } from "../../runtime/clock.ts";
import { AppError, messageOf } from "../../runtime/errors.ts";
import { type ApiAccess, createAgentPool, rereadFile } from "./credentials.ts";
import { type ChosenEntries, chooseEntries } from "./kubeconfig-entries.ts";

export interface KubeconfigOptions {
  /** At least one: what several name is taken together, as kubectl does with $KUBECONFIG. */
  readonly files: readonly string[];
  /** Null: the current context. */
  readonly context: string | null;
  readonly clock: Clock;
}

/** @throws CONFIG_INVALID with every problem of the context's entries */
export async function kubeconfigAccess({ files, context, clock }: KubeconfigOptions): Promise<ApiAccess> {
  const chosen = await chooseEntries(files, context, clock);
  const read = entryReader(chosen, clock);
  // One for many requests: it keeps what an exec plugin or an identity provider gave.
  let config = new KubeConfig();
  const pool = createAgentPool((tls: Tls) => agentFor(chosen, tls));
  return {
    server: String(chosen.cluster.value["server"]).replace(/\/+$/, ""),
    async credentials() {
      const { cluster, user } = await read();
      config.loadFromClusterAndUser(cluster, user);
      const before = idTokenOf(user);
      const { headers, auth, ...options } = await optionsOf(config, chosen.user.place);
      // The library keeps for how long a new token is valid as the time at which it ends, and would ask for another with each request.
      if (idTokenOf(user) !== before) config = new KubeConfig();
      const basic = typeof auth === "string" ? { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {};
      return { headers: { ...(headers as Record<string, string>), ...basic }, agent: await pool.agent(tlsOf(options)) };
    },
    refused() {
      config = new KubeConfig();
    },
    close: () => pool.close(),
  };
}

/** What decides over which connections a request goes; certificates and keys are PEM. */
interface Tls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

function tlsOf({ ca, cert, key }: RequestOptions): Tls {
  const pem = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
  return { ca: pem(ca), cert: pem(cert), key: pem(key) };
}

/**
 * A connection pool as the library makes it, through the cluster's proxy where it has one. The library keeps one agent for each cluster and user,
 * also when their certificates change, and no connection: so it is asked anew, and connections are kept.
 */
async function agentFor(chosen: ChosenEntries, { ca, cert, key }: Tls): Promise<Agent> {
  const { cluster } = parsed(chosen);
  const { caFile: _, ...rest } = cluster;
  const config = new KubeConfig();
  const data = (pem: string): string => Buffer.from(pem).toString("base64");
  config.loadFromClusterAndUser({ ...rest, caData: data(ca) }, { name: "certificates alone", certData: data(cert), keyData: data(key) });
  const { agent } = await optionsOf(config, chosen.user.place);
  return Object.assign(agent as Agent, { keepAlive: true });
}

async function optionsOf(config: KubeConfig, place: string): Promise<RequestOptions> {
  const options: RequestOptions = { headers: {} };
  try {
    await config.applyToHTTPSOptions(options);
    return options;
  } catch (thrown) {
    throw new AppError("API_REFUSED", `${place}: no credentials: ${whyNone(config, thrown)}`, { cause: thrown });
  }
}

/** What an identity provider gave last: the library writes it into the entry. */
function idTokenOf({ authProvider }: User): string | null {
  const config: Readonly<Record<string, string>> | undefined = authProvider?.config;
  return config?.["id-token"] ?? null;
}

function whyNone(config: KubeConfig, thrown: unknown): string {
  const provider: Readonly<Record<string, string>> = config.getCurrentUser()?.authProvider?.config ?? {};
  const authority = Object.keys(provider).find((name) => name.startsWith("idp-certificate-authority"));
  // The library's own transport for it answers with what openid-client does not take.
  if (authority !== undefined) return `the id token has expired, and ${authority} is not served: log in again, or use an exec plugin`;
  return messageOf(thrown).trim();
}

/** The entries as the library reads them. */
function parsed({ context, cluster, user }: ChosenEntries): { cluster: Cluster; user: User } {
  const config = new KubeConfig();
  const named = (name: string, entry: { readonly name: string; readonly value: unknown }): object[] => [{ name: entry.name, [name]: entry.value }];
  const lists = { contexts: named("context", context), clusters: named("cluster", cluster), users: named("user", user) };
  config.loadFromString(JSON.stringify({ ...lists, "current-context": context.name }));
  const found = { cluster: config.getCurrentCluster(), user: config.getCurrentUser() };
  const provider: Record<string, unknown> | undefined = found.user?.authProvider?.config;
  // The library gives the issuer to openid-client as text, which takes a URL alone.
  if (typeof provider?.["idp-issuer-url"] === "string") provider["idp-issuer-url"] = new URL(provider["idp-issuer-url"]);
  if (found.cluster === null || found.user === null) throw new AppError("INVARIANT_BROKEN", `${context.place} names no cluster or no user`);
  return { cluster: found.cluster, user: found.user };
}

/** Reads the entries with the content of the files that they name: the library would read those for each request, and wait for a pipe for ever. */
function entryReader(chosen: ChosenEntries, clock: Clock): () => Promise<{ cluster: Cluster; user: User }> {
  const entries = parsed(chosen);
  const { caFile, ...cluster } = entries.cluster;
  const { certFile, keyFile, exec, password, ...user } = entries.user;
  const { tokenFile } = chosen.user.value;
  const beside = (entry: { readonly path: string }, file: unknown): string => resolve(dirname(entry.path), String(file));
  const reader = (entry: { readonly path: string }, file: unknown) => (file ? rereadFile(beside(entry, file), clock) : null);
  const [ca, cert, key] = [reader(chosen.cluster, caFile), reader(chosen.user, certFile), reader(chosen.user, keyFile)];
  const token = reader(chosen.user, tokenFile);
  const data = async (read: () => Promise<string>): Promise<string> => Buffer.from(await read()).toString("base64");
  const plugin = exec ? { exec: asKubectl(exec, (command) => beside(chosen.user, command)) } : {};
  return async () => ({
    cluster: { ...cluster, ...(ca !== null && { caData: await data(ca) }) },
    user: {
      ...user,
      // The library would send "null".
      ...(user.username && { password: password ?? "" }),
      ...plugin,
      ...(cert !== null && { certData: await data(cert) }),
      ...(key !== null && { keyData: await data(key) }),
      ...(token !== null && { token: (await token()).trim() }),
    },
  });
}

interface ExecPlugin {
  readonly apiVersion?: string;
  readonly command: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/**
 * An exec plugin as kubectl starts it: a command with a slash is beside the kubeconfig, another one in $PATH, and KUBERNETES_EXEC_INFO says which
 * version of the answer is wanted. The library does neither.
 */
function asKubectl(exec: ExecPlugin, beside: (command: string) => string): ExecPlugin {
  const wanted = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  const env = [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(wanted) }];
  return { ...exec, command: exec.command.includes("/") ? beside(exec.command) : exec.command, env };
}
