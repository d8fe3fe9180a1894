// SPDX-License-Identifier: Apache-2.0

/** What must hold between fields of a kubeconfig: of two that exclude one another only one would have an effect. */
import { CLUSTER_FIELDS, EXEC_FIELDS, fieldProblems, isPlain, type Plain, USER_FIELDS } from "./kubeconfig-fields.ts";

const isSet = (holder: Plain, name: string): boolean => holder[name] !== undefined && holder[name] !== null && holder[name] !== "";

/** Everything wrong with the chosen cluster, which stands at `path`. */
export function clusterProblems(cluster: Plain, path: string): readonly string[] {
  const verified = ["certificate-authority", "certificate-authority-data"].filter((name) => isSet(cluster, name));
  const insecure = cluster["insecure-skip-tls-verify"] === true;
  return [
    ...fieldProblems(cluster, CLUSTER_FIELDS, path),
    ...oneOf(cluster, ["certificate-authority", "certificate-authority-data"], path),
    ...(insecure && verified.length > 0 ? [`${path}: remove insecure-skip-tls-verify or ${verified.join(" and ")}: they contradict each other`] : []),
    ...serverProblems(cluster["server"], `${path}.server`),
  ];
}

function serverProblems(server: unknown, path: string): readonly string[] {
  const fix = `${path}: write the API server's address, for example https://10.96.0.1:6443`;
  if (typeof server !== "string") return server === undefined || server === null ? [fix] : [];
  if (!URL.canParse(server)) return [fix];
  const { protocol, username, password, search, hash } = new URL(server);
  if (protocol !== "https:" && protocol !== "http:") return [fix];
  return username + password + search + hash === "" ? [] : [`${path}: write the address alone, without user, ? and #`];
}

/** Everything wrong with the chosen user, who stands at `path`. */
export function userProblems(user: Plain, path: string): readonly string[] {
  const { exec } = user;
  return [
    ...fieldProblems(user, USER_FIELDS, path),
    ...oneOf(user, ["client-certificate", "client-certificate-data"], path),
    ...oneOf(user, ["client-key", "client-key-data"], path),
    ...oneOf(user, ["token", "tokenFile", "username", "exec", "auth-provider"], path),
    ...bothOrNone(user, path),
    ...(isSet(user, "password") && !isSet(user, "username") ? [`${path}.password: write a username beside it, or remove it`] : []),
    ...(isPlain(exec) ? execProblems(exec, `${path}.exec`) : []),
    ...(isPlain(user["auth-provider"]) ? providerProblems(user["auth-provider"], `${path}.auth-provider`) : []),
  ];
}

function execProblems(exec: Plain, path: string): readonly string[] {
  const asks = exec["interactiveMode"] === "Always" ? [`${path}.interactiveMode: write Never or IfAvailable: an agent has no terminal`] : [];
  const command = isSet(exec, "command") ? [] : [`${path}.command: write the plugin's program`];
  return [...fieldProblems(exec, EXEC_FIELDS, path), ...command, ...asks];
}

/** Those that @kubernetes/client-node has; it leaves out any other without a word. */
const PROVIDERS = ["oidc", "azure", "gcp"];

function providerProblems(provider: Plain, path: string): readonly string[] {
  if (typeof provider["name"] === "string" && PROVIDERS.includes(provider["name"])) return [];
  return [`${path}.name: write one of ${PROVIDERS.join(", ")}, or use an exec plugin: no other provider is served`];
}

function oneOf(holder: Plain, names: readonly string[], path: string): readonly string[] {
  const given = names.filter((name) => isSet(holder, name));
  return given.length < 2 ? [] : [`${path}: remove all but one of ${given.join(", ")}: only one would have an effect`];
}

function bothOrNone(user: Plain, path: string): readonly string[] {
  const [cert, key] = ["client-certificate", "client-key"].map((name) => isSet(user, name) || isSet(user, `${name}-data`));
  return cert === key ? [] : [`${path}: write client-certificate and client-key (or their -data), or neither`];
}
