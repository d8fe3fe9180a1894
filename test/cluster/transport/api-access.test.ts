// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openAccess, serviceAccountAccess } from "../../../src/cluster/transport/api-access.ts";
import { createApiClient } from "../../../src/cluster/transport/api-client.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";
import { TLS } from "../../support/tls.ts";
import { startTlsServer } from "../tls-server.ts";

let scratch: Scratch;
beforeEach(() => {
  scratch = createScratch();
});
afterEach(() => scratch.remove());

describe("a pod's service account", () => {
  test("gives token and CA, which are read again, over one connection until the CA changes", async () => {
    const clock = createFakeClock();
    const server = await startTlsServer();
    scratch.file("token", "one");
    scratch.file("ca.crt", TLS.ca);
    const access = serviceAccountAccess({ host: "127.0.0.1", port: new URL(server.url).port }, scratch.path, clock);
    const client = createApiClient(access, clock);
    const ask = async (): Promise<unknown> => {
      await client.call({ method: "GET", path: "/x", deadlineMs: 1_000 });
      return server.requests.at(-1)?.headers.authorization;
    };
    expect([await ask(), await ask()]).toEqual(["Bearer one", "Bearer one"]);
    scratch.file("token", "two\n");
    await clock.advance(60_000);
    expect([await ask(), server.connections()]).toEqual(["Bearer two", 1]);
    scratch.file("ca.crt", `${TLS.ca}${TLS.ca}`);
    await clock.advance(60_000);
    expect([await ask(), server.connections()]).toEqual(["Bearer two", 2]);
    client.close();
    await server.close();
  });

  test("brackets an IPv6 host", () => {
    expect(serviceAccountAccess({ host: "fd00::1", port: "443" }, scratch.path, createFakeClock()).server).toBe("https://[fd00::1]:443");
  });

  test("is used when no kubeconfig is given, and nothing else is guessed", async () => {
    const options = { kubeconfigs: [], context: null, clock: createFakeClock() };
    expect((await openAccess({ ...options, service: { host: "10.96.0.1", port: "443" } })).server).toBe("https://10.96.0.1:443");
    await expect(openAccess({ ...options, service: null })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
