// SPDX-License-Identifier: Apache-2.0
import type { Metafile } from "esbuild";

/** What a part of the program must not load with itself: start-up time and memory are paid for it by everybody. */
interface LoadRule {
  /** Source file whose loading is looked at, with all that it imports statically. */
  readonly part: string;
  readonly mustNotLoad: readonly string[];
}

const RULES: readonly LoadRule[] = [
  // Its signal handlers come first.
  { part: "src/cli/main.ts", mustNotLoad: ["node_modules/", "src/cli/program.ts"] },
  {
    part: "src/cli/start.ts",
    mustNotLoad: ["node_modules/zod/", "node_modules/yaml/", "node_modules/pino/", "src/agent/", "src/stand-in/"],
  },
  {
    // Standalone and without metrics or kubelet: each of these is loaded by whoever asks for it.
    part: "src/cli/agent/run-agent.ts",
    mustNotLoad: [
      "node_modules/@kubernetes/client-node/",
      "node_modules/prom-client/",
      "node_modules/@grpc/",
      "node_modules/protobufjs/",
      "src/cluster/node/cluster.ts",
      "src/stand-in/host/create.ts",
      "src/stand-in/kubelet/",
    ],
  },
  // In a pod it reads the service account by itself.
  { part: "src/cluster/transport/api-access.ts", mustNotLoad: ["node_modules/@kubernetes/client-node/", "node_modules/yaml/"] },
  { part: "src/cluster/node/cluster.ts", mustNotLoad: ["node_modules/@kubernetes/client-node/", "node_modules/@grpc/"] },
  { part: "src/kubelet/device-plugin/device-plugins.ts", mustNotLoad: ["node_modules/@kubernetes/client-node/", "node_modules/prom-client/"] },
];

/** Breaches of the rules in a build, one line each. */
export function loadBreaches(metafile: Metafile): readonly string[] {
  return RULES.flatMap(({ part, mustNotLoad }) => {
    const output = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === part)?.[0];
    if (output === undefined) return [`${part} is no part that is loaded by itself any more`];
    const loaded = [...closure(metafile, output)].flatMap((path) => Object.keys(metafile.outputs[path]?.inputs ?? {}));
    return mustNotLoad.filter((banned) => loaded.some((input) => input.startsWith(banned))).map((banned) => `${part} loads ${banned}`);
  });
}

/** An output with all that it imports by statement; what is imported by `import()` is loaded later, or never. */
function closure(metafile: Metafile, from: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: next, kind, external } of metafile.outputs[path]?.imports ?? []) if (kind === "import-statement" && !external) visit(next);
  };
  visit(from);
  return seen;
}
