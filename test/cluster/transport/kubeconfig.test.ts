// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { openAccess, serviceAccountAccess } from "../../../src/cluster/transport/api-access.ts";
import { kubeconfigAccess } from "../../../src/cluster/transport/kubeconfig.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kubeconfig-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function kubeconfig(user: object, cluster: object = {}): Promise<string> {
  const path = join(folder, "config");
  const config = {
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://api:6443/", ...cluster } }],
    users: [{ name: "u", user }],
  };
  await writeFile(path, stringify(config));
  return path;
}

describe("a kubeconfig", () => {
  const clock = createFakeClock();
  const none = { ca: null, cert: null, key: null, serverName: null, insecure: false };

  test("gives inline certificates and a token", async () => {
    const user = { token: "t", "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") };
    const path = await kubeconfig(user, { "certificate-authority-data": base64("CA"), "tls-server-name": "api.local" });
    const access = await kubeconfigAccess(path, null, clock);
    expect(access.server).toBe("https://api:6443");
    expect(await access.credentials()).toEqual({
      authorization: "Bearer t",
      tls: { ca: "CA", cert: "CERT", key: "KEY", serverName: "api.local", insecure: false },
    });
  });

  test("names files beside itself, which are read again after a minute", async () => {
    await writeFile(join(folder, "token"), "one\n");
    await writeFile(join(folder, "ca.pem"), "CA");
    const access = await kubeconfigAccess(await kubeconfig({ tokenFile: "token" }, { "certificate-authority": "ca.pem" }), null, clock);
    expect(await access.credentials()).toEqual({ authorization: "Bearer one", tls: { ...none, ca: "CA" } });
    await writeFile(join(folder, "token"), "two");
    expect((await access.credentials()).authorization).toBe("Bearer one");
    await clock.advance(60_000);
    expect((await access.credentials()).authorization).toBe("Bearer two");
    await rm(join(folder, "token"));
    await clock.advance(60_000);
    await expect(access.credentials()).rejects.toMatchObject({ code: "API_REFUSED" });
  });

  test("may name a user and password, or skip verification", async () => {
    const path = await kubeconfig({ username: "a", password: "b" }, { "insecure-skip-tls-verify": true });
    const access = await kubeconfigAccess(path, "x", clock);
    expect(await access.credentials()).toEqual({ authorization: `Basic ${base64("a:b")}`, tls: { ...none, insecure: true } });
  });

  test("with an exec plugin is left to the generated client", async () => {
    const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status: { token: "from-plugin" } };
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "/bin/echo",
      args: [JSON.stringify(credential)],
      interactiveMode: "Never",
    };
    const access = await kubeconfigAccess(await kubeconfig({ exec }), null, clock);
    expect((await access.credentials()).authorization).toBe("Bearer from-plugin");
  });

  const notServed: [string, string, object, object?][] = [
    ["users[u].user.as", "impersonation is not served", { token: "t", as: "admin" }],
    ["users[u].user.as-groups", "impersonation is not served", { token: "t", "as-groups": ["system:masters"] }],
    ["users[u].user.token", "put it in quotes", { token: 12345 }],
    ["users[u].user.password", "put it in quotes", { username: "a", password: 123 }],
    ["users[u].user.tokenfile", "write tokenFile, or remove it", { tokenfile: "t" }],
    ["users[u].user.client-key-data", "base64", { "client-certificate-data": base64("C"), "client-key-data": "-----BEGIN" }],
    ["users[u].user", "client-certificate and client-key", { "client-certificate-data": base64("CERT") }],
    ["users[u].user", "all but one of token, tokenFile", { token: "t", tokenFile: "f" }],
    ["users[u].user", "all but one of token, exec", { token: "t", exec: { command: "/bin/false" } }],
    ["users[u].user.password", "write a username", { password: "p" }],
    ["users[u].user.exec.provideClusterInfo", "remove it", { exec: { command: "/bin/false", provideClusterInfo: true } }],
    ["users[u].user.exec.interactiveMode", "no terminal", { exec: { command: "/bin/false", interactiveMode: "Always" } }],
    ["users[u].user.auth-provider.name", "oidc, azure, gcp", { "auth-provider": { name: "openstack" } }],
    ["clusters[c].cluster.proxy-url", "proxies are not served", {}, { "proxy-url": "http://proxy:3128" }],
    ["clusters[c].cluster.insecure-skip-tls-verify", "write true or false", {}, { "insecure-skip-tls-verify": "true" }],
    ["clusters[c].cluster", "contradict", {}, { "insecure-skip-tls-verify": true, "certificate-authority": "ca.pem" }],
    ["clusters[c].cluster.server", "write the API server's address", {}, { server: "api:6443" }],
    ["clusters[c].cluster.server", "without user", {}, { server: "https://me:secret@api:6443" }],
  ];
  test.each(notServed)("with %s is refused by name: %s", async (place, fix, user, cluster = {}) => {
    const refused = await kubeconfigAccess(await kubeconfig(user, cluster), null, clock).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(`${place}: `) });
    expect(refused).toMatchObject({ message: expect.stringContaining(fix) });
    expect(String(refused)).not.toMatch(/secret|12345/);
  });

  test("is served with what has no effect on access, and with empty fields as kubectl writes them", async () => {
    const user = { token: "t", as: "", "as-groups": [], tokenFile: "", extensions: [{ name: "x" }] };
    const path = await kubeconfig(user, { "proxy-url": "", "disable-compression": true, "insecure-skip-tls-verify": false });
    expect(await (await kubeconfigAccess(path, null, clock)).credentials()).toMatchObject({ authorization: "Bearer t" });
  });

  test("with two entries of one name is refused, because only one would have an effect", async () => {
    const path = await kubeconfig({ token: "t" });
    await writeFile(path, (await readFile(path, "utf8")).replace("users:\n", "users:\n  - name: u\n    user: {token: other}\n"));
    await expect(kubeconfigAccess(path, null, clock)).rejects.toMatchObject({ message: expect.stringContaining("users[u]: remove all but one") });
  });

  test("that is not readable is refused by place, without the line, which may hold a secret", async () => {
    const path = await kubeconfig({ token: "t" });
    await writeFile(path, `${await readFile(path, "utf8")}\nusers: [ { token: "secret" }`);
    const refused = await kubeconfigAccess(path, null, clock).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/line \d+, column \d+: /) });
    expect(String(refused)).not.toContain("secret");
  });

  test("that is missing, broken or incomplete is an error of configuration", async () => {
    await expect(kubeconfigAccess(join(folder, "none"), null, clock)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const path = await kubeconfig({});
    await expect(kubeconfigAccess(path, "y", clock)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("named y") });
    await writeFile(path, "{");
    await expect(kubeconfigAccess(path, null, clock)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await writeFile(path, "{}");
    await expect(kubeconfigAccess(path, null, clock)).rejects.toMatchObject({ message: expect.stringContaining("current-context") });
  });
});

describe("a pod's service account", () => {
  const clock = createFakeClock();

  test("gives token and CA, and brackets an IPv6 host", async () => {
    await writeFile(join(folder, "token"), "sa");
    await writeFile(join(folder, "ca.crt"), "CA");
    const access = serviceAccountAccess({ host: "fd00::1", port: "443" }, folder, clock);
    expect(access.server).toBe("https://[fd00::1]:443");
    expect(await access.credentials()).toMatchObject({ authorization: "Bearer sa", tls: { ca: "CA" } });
  });

  test("is used when no kubeconfig is given, and nothing else is guessed", async () => {
    const options = { kubeconfig: null, context: null, clock };
    expect((await openAccess({ ...options, service: { host: "10.96.0.1", port: "443" } })).server).toBe("https://10.96.0.1:443");
    await expect(openAccess({ ...options, service: null })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
