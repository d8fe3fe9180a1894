// SPDX-License-Identifier: Apache-2.0
// What an agent may do: tried with the token of the agent on n1, by everything that RBAC and the admission policies should refuse.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { API_VERSION, TRUSTED_IOMMU } from "../../../src/api/names.ts";
import type { CommandResult } from "../../cluster/command.ts";
import { untilAgent } from "../pods.ts";
import type { Stage } from "../stage.ts";

export type AsAgent = (args: readonly string[], input?: object) => Promise<CommandResult>;

export function tellOfRights(onStage: () => Stage): void {
  describe("the agent of n1", () => {
    let asAgent: AsAgent;

    beforeAll(async () => {
      asAgent = await agentsKubectl(onStage());
    });

    test("may write the status of n1, and not that of n2", async () => {
      const own = await asAgent(apply("--subresource=status", "--dry-run=server"), object("n1", { status: { summary: "mine" } }));
      const other = await asAgent(apply("--subresource=status"), object("n2", { status: { summary: "not mine" } }));
      onStage().tell(`the agent of n1 writes the status of n2: ${other.stderr.trim()}`);
      expect(own).toMatchObject({ code: 0, stderr: "" });
      expect(other.code).not.toBe(0);
      expect(other.stderr).toContain("the agent of node n1 may not write the status of n2");
    });

    test("may write no spec, and neither make nor delete a TrustedIommu", async () => {
      const spec = { spec: { state: "Cleared", units: { all: true } } };
      const attempts = [
        await asAgent(apply(), object("n1", spec)),
        // A spec that rides on a write of status is not looked at.
        await asAgent(["patch", "tiommu", "n1", "--type=merge", "-p", JSON.stringify(spec)]),
        await asAgent(["create", "-f", "-"], object("n3", spec)),
        await asAgent(["delete", "tiommu", "n1"]),
      ];
      for (const attempt of attempts) expect(attempt.stderr).toContain("Forbidden");
    });

    test("may report events about n1, and about nothing else", async () => {
      const own = await asAgent(["create", "--dry-run=server", "-f", "-"], event("n1"));
      const other = await asAgent(["create", "-f", "-"], event("n2"));
      expect(own).toMatchObject({ code: 0, stderr: "" });
      expect(other.stderr).toContain("an agent reports events about the TrustedIommu of its own node only");
    });

    test("may read no secret, and nothing that it does not need", async () => {
      const secrets = await asAgent(["get", "secrets", "--all-namespaces"]);
      const list = ["auth", "can-i", "--list", "--namespace=default", "--no-headers"];
      const everybodys = await onStage().cluster.kubectl([...list, "--as=system:serviceaccount:default:default", ...GROUPS]);
      const own = await asAgent(list);
      const rights = rightsIn(own.stdout).filter((right) => !rightsIn(everybodys.stdout).includes(right));
      onStage().tell(`the agent's rights: ${rights.join(", ")}`);
      expect(secrets.stderr).toContain("Forbidden");
      expect(rights.sort()).toEqual([
        "events.events.k8s.io [create patch]",
        "pods [list]",
        "trustediommus.teeio.dev [get list watch]",
        "trustediommus.teeio.dev/status [patch]",
      ]);
    });
  });
}

/** kubectl with nothing but the token that the agent's pod on n1 has. */
export async function agentsKubectl(stage: Stage): Promise<AsAgent> {
  const { cluster } = stage;
  const agent = await untilAgent(stage, "n1");
  const token = `/var/lib/kubelet/pods/${agent.metadata.uid}/volumes/kubernetes.io~projected/token/token`;
  const config = JSON.parse(readFileSync(join(cluster.folder, "admin.kubeconfig"), "utf8")) as Record<string, unknown>;
  const file = join(cluster.folder, "agent-n1.kubeconfig");
  const users = [{ name: "e2e", user: { token: (await cluster.node("n1").exec(["cat", token])).stdout.trim() } }];
  writeFileSync(file, JSON.stringify({ ...config, users }), { mode: 0o600 });
  return (args, input) => cluster.tryKubectl(["--kubeconfig", file, ...args], input === undefined ? {} : { input: JSON.stringify(input) });
}

const apply = (...flags: readonly string[]): string[] => [
  "apply",
  "--server-side",
  "--field-manager=story",
  "--force-conflicts",
  ...flags,
  "-f",
  "-",
];

function object(node: string, content: object): object {
  return { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name: node }, ...content };
}

function event(node: string): object {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: `story-${node}`, namespace: "default" },
    eventTime: "2026-01-01T00:00:00.000000Z",
    type: "Normal",
    reason: "Story",
    action: "Story",
    note: "told",
    reportingController: "teeio.dev/story",
    reportingInstance: "story",
    regarding: { apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, name: node },
  };
}

/** Impersonation adds no groups: these are the ones of every service account. */
const GROUPS = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"].map((group) => `--as-group=${group}`);

/** What `kubectl auth can-i --list` prints, as `resource [verbs]`; paths that are no resources are left out. */
function rightsIn(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, resource, verbs] = /^([a-z]\S*)\s.*\[([^\]]*)\]$/.exec(line) ?? [];
    return resource === undefined ? [] : [`${resource} [${verbs}]`];
  });
}
