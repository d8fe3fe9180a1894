// SPDX-License-Identifier: Apache-2.0

/**
 * Writes src/kubelet/gen/*.ts from src/kubelet/proto/*.proto: inline descriptors, so that nothing is read at run time and a bundle holds
 * all it needs. `--check` writes nothing and exits 1 when a generated file is out of date.
 *
 *   node src/kubelet/proto/generate.ts [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

/** The part of protobufjs used here. It comes with @grpc/proto-loader and is resolved from there: what parses is what encodes. */
interface Protobufjs {
  parse(source: string): { readonly root: { toJSON(): object } };
}

const FILES = [
  { proto: "deviceplugin.proto", output: "deviceplugin.ts", constant: "DEVICE_PLUGIN_DESCRIPTOR" },
  { proto: "podresources.proto", output: "podresources.ts", constant: "POD_RESOURCES_DESCRIPTOR" },
] as const;

const here = dirname(fileURLToPath(import.meta.url));
const protobufjs = createRequire(createRequire(import.meta.url).resolve("@grpc/proto-loader"))("protobufjs") as Protobufjs;

function render(file: (typeof FILES)[number]): string {
  const descriptor = protobufjs.parse(readFileSync(join(here, file.proto), "utf8")).root.toJSON();
  return [
    `// Generated from src/kubelet/proto/${file.proto} by src/kubelet/proto/generate.ts. Do not edit.`,
    "// SPDX-License-Identifier: Apache-2.0",
    "",
    `export const ${file.constant} = ${JSON.stringify(descriptor, null, 2)};`,
    "",
  ].join("\n");
}

function current(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

const check = argv.includes("--check");
for (const file of FILES) {
  const path = join(here, "..", "gen", file.output);
  const wanted = render(file);
  if (current(path) === wanted) continue;
  if (check) {
    console.error(`src/kubelet/gen/${file.output} is out of date: run node src/kubelet/proto/generate.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, wanted);
    console.log(`wrote src/kubelet/gen/${file.output}`);
  }
}
