// SPDX-License-Identifier: Apache-2.0

/**
 * Every field of a kubeconfig (clientcmd v1, k8s.io/client-go/tools/clientcmd/api/v1) and what becomes of it. Nothing in a file about security is
 * ignored: what is neither served nor without effect is refused by name. Values are never shown, they may be secrets.
 */
import { unknownFieldFix } from "../../api/problems-of.ts";

export type Plain = Readonly<Record<string, unknown>>;

/** Text, Flag, List, Map: of this type. Base64: text of that form. Harmless: no effect on access. NotServed: refused when it says anything. */
type FieldRule = { readonly kind: "Text" | "Base64" | "Flag" | "List" | "Map" | "Harmless" } | { readonly kind: "NotServed"; readonly fix: string };

type Fields = Readonly<Record<string, FieldRule>>;

const TEXT: FieldRule = { kind: "Text" };
const BASE64: FieldRule = { kind: "Base64" };
const LIST: FieldRule = { kind: "List" };
const MAP: FieldRule = { kind: "Map" };
const HARMLESS: FieldRule = { kind: "Harmless" };
const notServed = (fix: string): FieldRule => ({ kind: "NotServed", fix });
const IMPERSONATION = notServed("remove it, and name a user who has the rights: impersonation is not served");

export const CONFIG_FIELDS: Fields = {
  apiVersion: TEXT,
  kind: TEXT,
  preferences: HARMLESS,
  clusters: LIST,
  users: LIST,
  contexts: LIST,
  "current-context": TEXT,
  extensions: HARMLESS,
};

export const CONTEXT_FIELDS: Fields = { cluster: TEXT, user: TEXT, namespace: HARMLESS, extensions: HARMLESS };

export const CLUSTER_FIELDS: Fields = {
  server: TEXT,
  "tls-server-name": TEXT,
  "insecure-skip-tls-verify": { kind: "Flag" },
  "certificate-authority": TEXT,
  "certificate-authority-data": BASE64,
  "proxy-url": notServed("remove it, and reach the API server without a proxy: proxies are not served"),
  "disable-compression": HARMLESS,
  extensions: HARMLESS,
};

export const USER_FIELDS: Fields = {
  "client-certificate": TEXT,
  "client-certificate-data": BASE64,
  "client-key": TEXT,
  "client-key-data": BASE64,
  token: TEXT,
  tokenFile: TEXT,
  as: IMPERSONATION,
  "as-uid": IMPERSONATION,
  "as-groups": IMPERSONATION,
  "as-user-extra": IMPERSONATION,
  username: TEXT,
  password: TEXT,
  "auth-provider": MAP,
  exec: MAP,
  extensions: HARMLESS,
};

export const EXEC_FIELDS: Fields = {
  apiVersion: TEXT,
  command: TEXT,
  args: LIST,
  env: LIST,
  installHint: HARMLESS,
  interactiveMode: TEXT,
  provideClusterInfo: notServed("remove it, and tell the plugin of the cluster in its args or env: it is not given cluster information"),
};

/** Everything wrong with `holder`, which stands at `path` in the file: `users[admin].user.as: remove it, …`. */
export function fieldProblems(holder: Plain, fields: Fields, path: string): readonly string[] {
  return Object.entries(holder).flatMap(([name, value]) => {
    const rule = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const fix = rule === undefined ? unknownFieldFix(name, Object.keys(fields)) : fixOf(rule, value);
    return fix === "" ? [] : [`${path}${path === "" ? "" : "."}${name}: ${fix}`];
  });
}

/** As Go reads it, where an absent field and an empty one are the same. */
function saysNothing(value: unknown): boolean {
  if (value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function fixOf(rule: FieldRule, value: unknown): string {
  if (rule.kind === "NotServed") return saysNothing(value) ? "" : rule.fix;
  return value === null ? "" : CHECKS[rule.kind](value);
}

/** What is wrong with a value; empty when nothing is. */
const CHECKS: Readonly<Record<Exclude<FieldRule["kind"], "NotServed">, (value: unknown) => string>> = {
  Harmless: () => "",
  Text: (value) => (typeof value === "string" ? "" : textFix(value)),
  Base64: (value) => (typeof value === "string" && isBase64(value) ? "" : "write the PEM text in base64"),
  Flag: (value) => (typeof value === "boolean" ? "" : "write true or false, without quotes"),
  List: (value) => (Array.isArray(value) ? "" : "write a list"),
  Map: (value) => (isPlain(value) ? "" : "write a map"),
};

function textFix(value: unknown): string {
  return typeof value === "object" ? "write text" : "put it in quotes: YAML takes it for a number or a truth value";
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text.replace(/\s/g, "")) && text.replace(/\s/g, "").length % 4 === 0;
}

export function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
