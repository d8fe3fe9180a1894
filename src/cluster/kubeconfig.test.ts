// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { createFakeClock } from "../testing/fake-clock.ts";
import { openAccess, serviceAccountAccess } from "./api-access.ts";
import { kubeconfigAccess } from "./kubeconfig.ts";

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
