// SPDX-License-Identifier: Apache-2.0

/**
 * What must hold in the chosen entries of a kubeconfig (clientcmd v1) before @kubernetes/client-node has them: it passes over every field that it does
 * not know and every value of another type, and nothing in a file about security may be passed over. Values are never shown, they may be secrets.
 */
import * as z from "zod";
import type { Plain } from "./kubeconfig-problems.ts";

const text = z
  .string({ error: ({ input }) => (typeof input === "object" ? "write text" : "put it in quotes: YAML takes it for a number or a truth value") })
  .optional();
const IN_BASE64 = "write the PEM text in base64";
/** Line ends in it mean nothing, as in Go. */
const base64 = z
  .string(IN_BASE64)
  .refine((value) => z.base64().safeParse(value.replace(/\s/g, "")).success, IN_BASE64)
  .optional();
const flag = z.boolean("write true or false, without quotes").optional();
const list = z.array(z.unknown(), "write a list").optional();
/** Without effect on access. */
const harmless = z.unknown().optional();
const notServed = (fix: string) => z.never(fix).optional();
const impersonation = notServed("remove it, or name a user who has the rights: of impersonation only `as` is served");

type Add = (name: string, fix: string) => void;

/** `rule` adds a problem for a field of the holder, or for the holder itself (""). */
function checked<Shape extends z.ZodRawShape>(shape: Shape, rule: (holder: Plain, add: Add) => void) {
  return z.strictObject(shape, "write a map").superRefine((holder, context) => {
    rule(holder, (name, message) => context.addIssue({ code: "custom", message, path: name === "" ? [] : [name] }));
  });
}

/** Of several that exclude one another only one would have an effect. */
function oneOf(holder: Plain, add: Add, names: readonly string[]): void {
  const given = names.filter((name) => holder[name] !== undefined);
  if (given.length > 1) add("", `remove all but one of ${given.join(", ")}: only one would have an effect`);
}

function urlOf(value: unknown): URL | null {
  return typeof value === "string" && URL.canParse(value) ? new URL(value) : null;
}

export const CONFIG = z.strictObject(
  {
    apiVersion: z.literal("v1", "write v1").optional(),
    kind: z.literal("Config", "write Config").optional(),
    preferences: harmless,
    clusters: list,
    users: list,
    contexts: list,
    "current-context": text,
    extensions: harmless,
  },
  "write a kubeconfig: a map with clusters, users and contexts",
);

/** An entry of one of the lists. */
export const entryOf = (kind: string) => z.strictObject({ name: text, [kind]: z.record(z.string(), z.unknown(), "write a map").optional() });

export const CONTEXT = checked({ cluster: text, user: text, namespace: harmless, extensions: harmless }, (context, add) => {
  for (const name of ["cluster", "user"]) if (context[name] === undefined) add(name, `write the name of an entry of ${name}s`);
});

const PROXIES = /^(?:https?|socks[45][ah]?|socks):$/;

export const CLUSTER = checked(
  {
    server: text,
    "tls-server-name": text,
    "insecure-skip-tls-verify": flag,
    "certificate-authority": text,
    "certificate-authority-data": base64,
    "proxy-url": text,
    "disable-compression": harmless,
    extensions: harmless,
  },
  (cluster, add) => {
    const authorities = ["certificate-authority", "certificate-authority-data"];
    oneOf(cluster, add, authorities);
    const skips = cluster["insecure-skip-tls-verify"] === true;
    if (skips && authorities.some((name) => cluster[name] !== undefined))
      add(
        "",
        `remove insecure-skip-tls-verify or ${authorities.filter((name) => cluster[name] !== undefined).join(" and ")}: they contradict each other`,
      );
    const server = urlOf(cluster["server"]);
    if (server === null || !/^https?:$/.test(server.protocol)) add("server", "write the API server's address, for example https://10.96.0.1:6443");
    else if (server.username + server.password + server.search + server.hash !== "") add("server", "write the address alone, without user, ? and #");
    else if (server.protocol === "http:" && !skips) add("server", "write https://, or insecure-skip-tls-verify: true beside it");
    const proxy = urlOf(cluster["proxy-url"]);
    if (cluster["proxy-url"] !== undefined && (proxy === null || !PROXIES.test(proxy.protocol)))
      add("proxy-url", "write the proxy's address, for example http://proxy:3128 or socks5://proxy:1080");
  },
);

const EXEC = checked(
  {
    apiVersion: text,
    command: text,
    args: list,
    env: list,
    installHint: harmless,
    interactiveMode: z.enum(["Never", "IfAvailable"], "write Never or IfAvailable: an agent has no terminal").optional(),
    provideClusterInfo: z
      .literal(false, "remove it, and tell the plugin of the cluster in its args or env: it is not given cluster information")
      .optional(),
  },
  (exec, add) => {
    if (exec["command"] === undefined) add("command", "write the plugin's program");
  },
).optional();

const PROVIDERS = ["oidc", "azure", "gcp"] as const;

const PROVIDER = checked(
  {
    name: z.enum(PROVIDERS, `write one of ${PROVIDERS.join(", ")}, or use an exec plugin: no other provider is served`),
    config: z.record(z.string(), z.unknown(), "write a map").optional(),
  },
  ({ name, config }, add) => {
    const issuer = (config as Plain | undefined)?.["idp-issuer-url"];
    if (name === "oidc" && issuer !== undefined && (typeof issuer !== "string" || URL.parse(issuer)?.protocol !== "https:"))
      add("config", "write idp-issuer-url as https://, or remove it");
    if (name === "oidc" && (config as Plain | undefined)?.["id-token"] === undefined) add("config", "write id-token: without one no token is sent");
  },
).optional();

export const USER = checked(
  {
    "client-certificate": text,
    "client-certificate-data": base64,
    "client-key": text,
    "client-key-data": base64,
    token: text,
    tokenFile: text,
    as: text,
    "as-uid": impersonation,
    "as-groups": impersonation,
    "as-user-extra": impersonation,
    username: text,
    password: text,
    exec: EXEC,
    "auth-provider": PROVIDER,
    extensions: harmless,
  },
  (user, add) => {
    oneOf(user, add, ["client-certificate", "client-certificate-data"]);
    oneOf(user, add, ["client-key", "client-key-data"]);
    oneOf(user, add, ["token", "tokenFile", "username", "exec", "auth-provider"]);
    const [hasCertificate, hasKey] = ["client-certificate", "client-key"].map((name) => (user[name] ?? user[`${name}-data`]) !== undefined);
    if (hasCertificate !== hasKey) add("", "write client-certificate and client-key (or their -data), or neither");
    if (user["password"] !== undefined && user["username"] === undefined) add("password", "write a username beside it, or remove it");
  },
);
