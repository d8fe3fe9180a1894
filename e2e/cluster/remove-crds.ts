// SPDX-License-Identifier: Apache-2.0
import { GROUP } from "../../src/api/names.ts";
import type { Kubectl } from "./kubectl.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

/** Deletes our CRDs with their objects; there may be none. Each is listed first: the API server deletes a CRD's objects before the CRD, and when it
 *  cannot list them yet ("storage is (re)initializing", for a moment after the CRD was made or changed) it tries again only minutes later. */
export async function removeCrds(on: Kubectl, plurals: readonly string[]): Promise<void> {
  const names = plurals.map((plural) => `${plural}.${GROUP}`);
  for (const name of names) {
    const look = async () => {
      if ((await on.kubectl(["get", "crd", name, "--ignore-not-found", "-o", "name"])).stdout === "") return met(true);
      const { code, stderr } = await on.tryKubectl(["get", name]);
      return code === 0 ? met(true) : notYet<boolean>(stderr);
    };
    await waitUntil(`a list of ${name}`, look, { deadlineMs: 60_000 });
  }
  await on.kubectl(["delete", "crd", ...names, "--ignore-not-found"]);
}
