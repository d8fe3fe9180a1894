// SPDX-License-Identifier: Apache-2.0
/**
 * Builds dist/: `cli.js`, small, and beside it the parts that it loads when they are needed (the API client, gRPC, prom-client, the simulation
 * engine each in a file of their own), minified, with source maps apart. Flat, because the native addon is found relative to each file
 * (src/seamcall/addon.ts). Everything is made anew in a folder beside it and put in place by a rename, so that a build never breaks a program that
 * is about to start. `--analyze` prints what is in which file.
 */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyzeMetafile, build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const fresh = join(root, `dist.new-${process.pid}`);
const addon = join(root, "native", "build", "release", "tdx_iommu.node");

/** CommonJS packages ask for `require` at run time, which an ES module does not have. */
const REQUIRE = 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);';

rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh);
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { cli: "src/cli/main.ts" },
  outdir: fresh,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node26",
  minify: true,
  keepNames: true,
  sourcemap: "linked",
  chunkNames: "[name]-[hash]",
  banner: { js: REQUIRE },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
writeFileSync(join(fresh, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
if (existsSync(addon)) cpSync(addon, join(fresh, "tdx_iommu.node"));

// A rename can't replace a folder that is not empty: the old one is moved away first.
const old = join(root, `dist.old-${process.pid}`);
if (existsSync(dist)) renameSync(dist, old);
renameSync(fresh, dist);
rmSync(old, { recursive: true, force: true });

if (process.argv.includes("--analyze")) process.stdout.write(await analyzeMetafile(metafile));
const bytes = statSync(join(dist, "cli.js")).size;
process.stdout.write(
  `dist/cli.js ${Math.round(bytes / 1024)} KiB, ${Object.keys(metafile.outputs).filter((name) => name.endsWith(".js")).length} files\n`,
);
