// SPDX-License-Identifier: Apache-2.0

/** Kubeconfigs as @kubernetes/client-node reads them, seen from the API server; and what is refused because the library would pass over it. */
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { type ApiClient, createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { kubeconfigAccess } from "../../../src/cluster/transport/kubeconfig.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";
import { TLS } from "../../support/tls.ts";
import { createScenarioServer, json } from "../scenario-server.ts";
import { startProxy, startSocksProxy, startTlsServer, type TlsServer } from "../tls-server.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const CA = { "certificate-authority-data": base64(TLS.ca) };
const CERTIFICATE = { "client-certificate-data": base64(TLS.cert), "client-key-data": base64(TLS.key) };

let scratch: Scratch;
let clock: FakeClock;
let server: TlsServer;
let client: ApiClient | null;

beforeEach(async () => {
  scratch = createScratch();
  clock = createFakeClock();
  server = await startTlsServer();
  client = null;
});

afterEach(async () => {
  client?.close();
  await server.close();
  scratch.remove();
  expect(clock.pending()).toBe(0);
});

interface Parts {
  readonly user?: object;
  readonly cluster?: object;
  readonly more?: object;
}

/** Writes a kubeconfig of one context, `x`, and gives its path. */
function kubeconfig({ user = {}, cluster = CA, more = {} }: Parts, name = "config"): string {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: `${server.url}/`, ...cluster } }],
    users: [{ name: "u", user }],
    ...more,
  };
  scratch.file(name, stringify(config));
  return join(scratch.path, name);
}

const open = (files: readonly string[], context: string | null = null) => kubeconfigAccess({ files, context, clock });

async function connect(...files: readonly string[]): Promise<void> {
  client = createApiClient(await open(files), clock);
}

/** What the server saw of a request; the clock stands still meanwhile. */
async function ask() {
  await client?.call({ method: "GET", path: "/x", deadlineMs: 1_000 });
  return server.requests.at(-1);
}

describe("a user", () => {
  test("with a token or a certificate in the file is known by it, over one connection", async () => {
    await connect(kubeconfig({ user: { token: "t", ...CERTIFICATE } }));
    for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ headers: { authorization: "Bearer t" }, certificate: "localhost" });
    expect(server.connections()).toBe(1);
  });

  test("with files of its own is read from beside the kubeconfig, and again after a minute", async () => {
    await mkdir(join(scratch.path, "pki"));
    const write = (name: string, text: string): Promise<void> => writeFile(join(scratch.path, "pki", name), text);
    await Promise.all([write("ca.pem", TLS.ca), write("cert.pem", TLS.cert), write("key.pem", TLS.key), write("token", "one\n")]);
    const user = { tokenFile: "pki/token", "client-certificate": "pki/cert.pem", "client-key": "pki/key.pem" };
    await connect(kubeconfig({ user, cluster: { "certificate-authority": "pki/ca.pem" } }));
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer one" }, certificate: "localhost" });
    await write("token", "two");
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer one" } });
    await clock.advance(60_000);
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer two" } });
    // A token is sent with each request, a certificate once for each connection.
    expect(server.connections()).toBe(1);
    await write("ca.pem", `${TLS.ca}${TLS.ca}`);
    await clock.advance(60_000);
    await ask();
    expect(server.connections()).toBe(2);
  });

  test("whose file cannot be read for a while is refused so long, and a pipe keeps nothing waiting", async () => {
    await writeFile(join(scratch.path, "token"), "one");
    await connect(kubeconfig({ user: { tokenFile: "token" } }));
    await ask();
    await rm(join(scratch.path, "token"));
    await symlink("/dev/zero", join(scratch.path, "token"));
    await clock.advance(60_000);
    await expect(ask()).rejects.toMatchObject({ code: "API_REFUSED", message: expect.stringContaining("token") });
    await rm(join(scratch.path, "token"));
    await writeFile(join(scratch.path, "token"), "two");
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer two" } });
  });

  test("with name and password, and one who acts for another", async () => {
    await connect(kubeconfig({ user: { username: "a", password: "b", as: "admin" } }));
    expect(await ask()).toMatchObject({ headers: { authorization: `Basic ${base64("a:b")}`, "impersonate-user": "admin" } });
  });

  test("with an exec plugin beside the kubeconfig, which is started once", async () => {
    const status = { token: "from-plugin", clientCertificateData: TLS.cert, clientKeyData: TLS.key };
    const answer = JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status });
    scratch.file("answer", answer);
    scratch.file(
      "plugin",
      `#!/bin/sh
echo "$WORD" >> '${scratch.path}/started'
cat '${scratch.path}/answer'
`,
    );
    await chmod(join(scratch.path, "plugin"), 0o755);
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./plugin",
      env: [{ name: "WORD", value: "ours" }],
      interactiveMode: "Never",
    };
    await connect(kubeconfig({ user: { exec } }));
    for (let i = 0; i < 2; i++) expect(await ask()).toMatchObject({ headers: { authorization: "Bearer from-plugin" }, certificate: "localhost" });
    expect(await readFile(join(scratch.path, "started"), "utf8")).toBe("ours\n");
    expect(server.connections()).toBe(1);
  });

  test("with a name alone has no password, and none called null", async () => {
    await connect(kubeconfig({ user: { username: "a" } }));
    expect(await ask()).toMatchObject({ headers: { authorization: `Basic ${base64("a:")}` } });
  });

  test("with an exec plugin is told which answer is wanted, and asks again when the server does not know its token", async () => {
    await server.close();
    server = await startTlsServer((response, { headers }) => void response.writeHead(headers.authorization === "Bearer old" ? 401 : 200).end("{}"));
    const answer = `{"status":{"token":"'$(cat '${scratch.path}/token')'"}}`;
    scratch.file("plugin", `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" > '${scratch.path}/info'\nprintf '%s' '${answer}'\n`);
    await chmod(join(scratch.path, "plugin"), 0o755);
    scratch.file("token", "old");
    const apiVersion = "client.authentication.k8s.io/v1";
    await connect(kubeconfig({ user: { exec: { apiVersion, command: "./plugin" } } }));
    await expect(ask()).rejects.toMatchObject({ code: "API_REFUSED", details: { status: 401 } });
    scratch.file("token", "new");
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer new" } });
    const info: unknown = JSON.parse(await readFile(join(scratch.path, "info"), "utf8"));
    expect(info).toEqual({ apiVersion, kind: "ExecCredential", spec: { interactive: false } });
  });

  test("whose exec plugin fails is refused with its words", async () => {
    await connect(kubeconfig({ user: { exec: { command: "/bin/sh", args: ["-c", "echo no such role >&2; exit 1"] } } }));
    await expect(ask()).rejects.toMatchObject({ code: "API_REFUSED", message: "users[u].user: no credentials: no such role" });
  });

  /** Valid for so many seconds from now. */
  const idTokenOf = (seconds: number): string => {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: server.url, aud: "kubectl", sub: "u", iat: now - 60, exp: now + seconds };
    return ['{"alg":"RS256"}', JSON.stringify(payload), "s"].map((part) => Buffer.from(part).toString("base64url")).join(".");
  };

  test("with OIDC sends its id token", async () => {
    const idToken = idTokenOf(3600);
    await connect(kubeconfig({ user: { "auth-provider": { name: "oidc", config: { "id-token": idToken } } } }));
    expect(await ask()).toMatchObject({ headers: { authorization: `Bearer ${idToken}` } });
  });

  /** The server is the identity provider, too. */
  const startProvider = async (): Promise<object> => {
    await server.close();
    server = await startTlsServer((response, { target }) => {
      response.setHeader("content-type", "application/json");
      const token = { access_token: "a", token_type: "bearer", expires_in: 3600, refresh_token: "second", id_token: idTokenOf(3600) };
      if (target === "/token") response.end(JSON.stringify(token));
      else response.end(JSON.stringify(target.startsWith("/.well-known") ? { issuer: server.url, token_endpoint: `${server.url}/token` } : {}));
    });
    const client = { "client-id": "kubectl", "client-secret": "s", "refresh-token": "first" };
    return { "id-token": idTokenOf(-30), ...client, "idp-issuer-url": server.url };
  };
  const withOidc = (config: object): string => kubeconfig({ user: { "auth-provider": { name: "oidc", config } } });

  test("with OIDC asks its identity provider for a new token when the old one has expired, and then no more", async () => {
    const before = getCACertificates();
    setDefaultCACertificates([TLS.ca]);
    try {
      const config = await startProvider();
      await connect(withOidc(config));
      for (let requests = 0; requests < 3; requests += 1) expect((await ask())?.headers.authorization).toMatch(/^Bearer ey/);
      const [first] = server.requests.filter(({ target }) => target === "/x");
      expect(first?.headers.authorization).not.toContain((config as { "id-token": string })["id-token"]);
      expect(server.requests.filter(({ target }) => target === "/token")).toHaveLength(1);
    } finally {
      setDefaultCACertificates(before);
    }
  });

  test("with OIDC and an authority of its own for the identity provider is told to log in again when the token has expired", async () => {
    await connect(withOidc({ ...(await startProvider()), "idp-certificate-authority-data": base64(TLS.ca) }));
    await expect(ask()).rejects.toMatchObject({ code: "API_REFUSED", message: expect.stringMatching(/log in again, or use an exec plugin/) });
  });
});

describe("a cluster", () => {
  test("is believed by its authority alone", async () => {
    await connect(kubeconfig({ cluster: {} }));
    await expect(ask()).rejects.toMatchObject({ code: "API_UNREACHABLE", message: expect.stringMatching(/certificate/) });
    await connect(kubeconfig({ cluster: { ...CA, "tls-server-name": "elsewhere" } }));
    await expect(ask()).rejects.toMatchObject({ code: "API_UNREACHABLE", message: expect.stringMatching(/elsewhere/) });
  });

  test("may be verified by another name, or not at all", async () => {
    await connect(kubeconfig({ cluster: { ...CA, "tls-server-name": "localhost" } }));
    expect(await ask()).toMatchObject({ target: "/x" });
    await connect(kubeconfig({ cluster: { "insecure-skip-tls-verify": true } }));
    expect(await ask()).toMatchObject({ target: "/x" });
  });

  test("may stand below a path", async () => {
    await connect(kubeconfig({ cluster: { ...CA, server: `${server.url}/k8s/clusters/c-1/` } }));
    expect(await ask()).toMatchObject({ target: "/k8s/clusters/c-1/x" });
  });

  test("without TLS is reached when the kubeconfig gives up verification", async () => {
    const plain = await createScenarioServer();
    plain.expect({ method: "GET", path: "/x" }, json(200, {}));
    await connect(kubeconfig({ cluster: { server: plain.url, "insecure-skip-tls-verify": true } }));
    await ask();
    client?.close();
    await plain.close();
    expect(plain.verdict()).toEqual([]);
  });

  test.each([
    ["an HTTP proxy", startProxy],
    ["a SOCKS proxy", startSocksProxy],
  ])("behind %s is reached through one tunnel, and still believed by its authority alone", async (_kind, start) => {
    const proxy = await start();
    await connect(kubeconfig({ cluster: { ...CA, "proxy-url": proxy.url }, user: CERTIFICATE }));
    for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ certificate: "localhost" });
    expect([proxy.tunnels, server.connections()]).toEqual([[server.url.replace("https://", "")], 1]);
    client?.close();
    await connect(kubeconfig({ cluster: { "proxy-url": proxy.url } }));
    await expect(ask()).rejects.toMatchObject({ code: "API_UNREACHABLE", message: expect.stringMatching(/certificate/) });
    client?.close();
    await proxy.close();
  });
});

describe("several files", () => {
  test("are taken together: the first current context counts, and paths are beside the file that names them", async () => {
    const bare = { "current-context": "", contexts: [], clusters: [], users: [] };
    scratch.file("two/token", "beside the second");
    const first = kubeconfig(
      { more: { ...bare, "current-context": "y", contexts: [{ name: "y", context: { cluster: "c", user: "v" } }] } },
      "one/config",
    );
    const second = kubeconfig({ more: { users: [{ name: "v", user: { tokenFile: "token" } }] } }, "two/config");
    await connect(first, second);
    expect(await ask()).toMatchObject({ headers: { authorization: "Bearer beside the second" } });
  });

  test("with one name twice are refused, because only one would have an effect", async () => {
    const [first, second] = [kubeconfig({ user: { token: "t" } }, "one"), kubeconfig({ user: { token: "other" } }, "two")];
    await expect(open([first, second])).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `kubeconfig ${first}, ${second}: contexts[x]: remove all but one entry of this name: only one would have an effect`,
    });
  });
});

describe("a kubeconfig", () => {
  const refusals: [string, string, object, object?][] = [
    ["users[u].user.as-groups", "only `as` is served", { token: "t", as: "a", "as-groups": ["system:masters"] }],
    ["users[u].user.as-uid", "only `as` is served", { token: "t", as: "a", "as-uid": "1" }],
    ["users[u].user.as-user-extra", "only `as` is served", { token: "t", as: "a", "as-user-extra": { a: ["b"] } }],
    ["users[u].user.token", "put it in quotes", { token: 12345 }],
    ["users[u].user.password", "put it in quotes", { username: "a", password: 123 }],
    ["users[u].user.tokenfile", "write tokenFile, or remove it", { tokenfile: "t" }],
    ["users[u].user.token-file", "write tokenFile, or remove it", { "token-file": "t" }],
    ["users[u].user.client-key-data", "base64", { "client-certificate-data": base64("C"), "client-key-data": "-----BEGIN" }],
    ["users[u].user", "client-certificate and client-key", { "client-certificate-data": base64("CERT") }],
    ["users[u].user", "all but one of token, tokenFile", { token: "t", tokenFile: "f" }],
    ["users[u].user", "all but one of token, exec", { token: "t", exec: { command: "/bin/false" } }],
    ["users[u].user.password", "write a username", { password: "p" }],
    ["users[u].user.exec.provideClusterInfo", "remove it", { exec: { command: "/bin/false", provideClusterInfo: true } }],
    ["users[u].user.exec.interactiveMode", "no terminal", { exec: { command: "/bin/false", interactiveMode: "Always" } }],
    ["users[u].user.exec.argv", "write args, or remove it", { exec: { command: "/bin/false", argv: ["a"] } }],
    ["users[u].user.exec.command", "write the plugin's program", { exec: { args: ["a"] } }],
    ["users[u].user.auth-provider.name", "oidc, azure, gcp", { "auth-provider": { name: "openstack" } }],
    ["users[u].user.auth-provider.config", "write id-token", { "auth-provider": { name: "oidc", config: { "client-id": "secret" } } }],
    [
      "users[u].user.auth-provider.config",
      "write idp-issuer-url as https://",
      { "auth-provider": { name: "oidc", config: { "id-token": "a.b.c", "idp-issuer-url": "accounts.example.com" } } },
    ],
    ["clusters[c].cluster.proxy-url", "write the proxy's address", {}, { "proxy-url": "proxy:3128" }],
    ["clusters[c].cluster.insecure-skip-tls-verify", "write true or false", {}, { "insecure-skip-tls-verify": "true" }],
    ["clusters[c].cluster", "contradict", {}, { "insecure-skip-tls-verify": true, "certificate-authority": "ca.pem" }],
    ["clusters[c].cluster.server", "write the API server's address", {}, { server: "api:6443" }],
    ["clusters[c].cluster.server", "write the API server's address", {}, { server: "" }],
    ["clusters[c].cluster.server", "without user", {}, { server: "https://me:secret@api:6443" }],
    ["clusters[c].cluster.server", "write https://", {}, { server: "http://api:8080" }],
  ];
  test.each(refusals)("with %s is refused by name: %s", async (place, fix, user, cluster = {}) => {
    const refused = await open([kubeconfig({ user, cluster })]).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(`${place}: `) });
    expect(refused).toMatchObject({ message: expect.stringContaining(fix) });
    expect(String(refused)).not.toMatch(/secret|12345|id-token":/);
  });

  test("may have line ends in its base64", async () => {
    await connect(kubeconfig({ cluster: { "certificate-authority-data": base64(TLS.ca).replace(/.{64}/g, "$&\n") } }));
    expect(await ask()).toMatchObject({ target: "/x" });
  });

  test("is served with what has no effect on access, and with empty fields as kubectl writes them", async () => {
    const user = { token: "t", as: "", "as-groups": [], "as-user-extra": {}, tokenFile: "", exec: null, extensions: [{ name: "x" }] };
    await connect(kubeconfig({ user, cluster: { ...CA, "proxy-url": "", "disable-compression": true, "insecure-skip-tls-verify": false } }));
    const request = await ask();
    expect(request).toMatchObject({ headers: { authorization: "Bearer t" } });
    expect(request?.headers).not.toHaveProperty("impersonate-user");
  });

  test("is served whatever stands in entries of other contexts", async () => {
    const [x, c] = [
      { name: "x", context: { cluster: "c", user: "u" } },
      { name: "c", cluster: { server: server.url, ...CA } },
    ];
    const more = {
      contexts: [null, { name: "y" }, x],
      clusters: [{ name: 1 }, c],
      users: [{ name: "v", user: { "token-file": "/dev/zero" } }, { name: "u" }],
    };
    await connect(kubeconfig({ more }));
    expect(await ask()).toMatchObject({ certificate: null });
  });

  test("that is not readable is refused by place, without the line, which may hold a secret", async () => {
    scratch.file("config", '\nusers: [ { token: "secret" }');
    const refused = await open([join(scratch.path, "config")]).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/line \d+, column \d+: /) });
    expect(String(refused)).not.toContain("secret");
  });

  test("that is missing, of another kind or incomplete is an error of configuration", async () => {
    const path = kubeconfig({});
    await expect(open([`${path}-none`])).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("no such file") });
    await expect(open([path], "y")).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("named y") });
    const odd: [object, RegExp][] = [
      [{ apiVersion: "v2" }, /: apiVersion: write v1$/],
      [{ kind: "Pod" }, /: kind: write Config$/],
      [{ users: {} }, /users has no entry named u$/],
      [{ users: 7 }, /: users: write a list$/],
      [{ user: [1] }, /: user: write users, or remove it/],
      [{ "current-context": "" }, /: current-context: write the name/],
      [{ contexts: [{ name: "x", context: { cluster: "c" } }] }, /: contexts\[x\]\.context\.user: write the name of an entry of users$/],
      [{ users: [{ name: "u", usr: {} }] }, /: users\[u\]\.usr: write user, or remove it/],
    ];
    for (const [more, message] of odd)
      await expect(open([kubeconfig({ more })])).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
    scratch.file("config", "[]");
    await expect(open([path])).rejects.toMatchObject({ message: expect.stringContaining("write a kubeconfig") });
  });
});
