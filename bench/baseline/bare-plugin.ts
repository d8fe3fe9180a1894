// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { build } from "esbuild";
import type { BenchContext } from "../measure/context.ts";
import type { Running } from "../measure/processes.ts";

/** The bare plugin, built as the product is: one minified bundle with V8's compile cache. */
export interface BarePlugin {
  start(pluginDir: string, resource: string): Running;
}

const REQUIRE = 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);';

export async function buildBarePlugin(context: BenchContext): Promise<BarePlugin> {
  const path = context.scratch("bare-plugin");
  const bundle = join(path, "plugin.mjs");
  await build({
    absWorkingDir: context.root,
    entryPoints: ["bench/baseline/plugin.ts"],
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node26",
    minify: true,
    banner: { js: REQUIRE },
    logLevel: "warning",
  });
  return {
    start: (pluginDir, resource) =>
      context.processes.start(process.execPath, [bundle, pluginDir, resource], {
        output: join(path, "plugin.log"),
        environment: { NODE_COMPILE_CACHE: join(path, "cache") },
      }),
  };
}
