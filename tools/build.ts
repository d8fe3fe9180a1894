// SPDX-License-Identifier: Apache-2.0
/**
 * Builds dist/: `cli.js`, small, and beside it the parts that it loads when they are needed (the API client, gRPC, prom-client, the simulation
 * engine each in a file of their own), minified, with source maps apart. Flat, because the native addon is found relative to each file
 * (src/native/addon.ts). Made in a folder beside it and put in place by a rename, so that a build never breaks a program that is about to start.
 * Fails when a part loads what it must not (load-rules.ts). `--analyze` prints what is in which file.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyzeMetafile, build } from "esbuild";
import { loadBreaches } from "./load-rules.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const fresh = join(root, `dist.new-${process.pid}`);
/** File in dist/ that says what it was built from. */
const MARK = "fingerprint";
/** What `make` left in native/: it lies beside the bundle. */
const NATIVE = ["tdx_iommu.node", "link-writer", "driver-writer"].map((name) => join(root, "native", "build", "release", name));

/** CommonJS packages ask for `require` at run time, which an ES module does not have. */
const REQUIRE = 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);';

const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { cli: "src/cli/main.ts" },
  outdir: dist,
  write: false,
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
if (process.argv.includes("--analyze")) process.stdout.write(await analyzeMetafile(metafile));

const breaches = loadBreaches(metafile);
if (breaches.length > 0) {
  process.stderr.write(`${breaches.join("\n")}\n`);
  process.exit(1);
}

const scripts = outputFiles.filter((file) => file.path.endsWith(".js"));
const kibibytes = Math.round((scripts.find((file) => basename(file.path) === "cli.js")?.contents.length ?? 0) / 1024);
const summary = `dist/cli.js ${kibibytes} KiB, ${scripts.length} files`;
const mark = fingerprint();
if (readIfThere(join(dist, MARK)) === mark) process.stdout.write(`${summary}, up to date\n`);
else {
  write();
  process.stdout.write(`${summary}\n`);
}

/** What dist/ holds, in one word: when it is the same, dist/ is left alone, and with it what V8 has compiled. */
function fingerprint(): string {
  const hash = createHash("sha256");
  for (const file of outputFiles) hash.update(`${basename(file.path)} ${file.hash}\n`);
  for (const file of NATIVE) if (existsSync(file)) hash.update(readFileSync(file));
  return hash.digest("hex");
}

function write(): void {
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  for (const file of outputFiles) writeFileSync(join(fresh, basename(file.path)), file.contents);
  writeFileSync(join(fresh, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
  for (const file of NATIVE) if (existsSync(file)) cpSync(file, join(fresh, basename(file)));
  writeFileSync(join(fresh, MARK), mark);
  // A rename can't replace a folder that is not empty: the old one is moved away first.
  const old = join(root, `dist.old-${process.pid}`);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
  rmSync(old, { recursive: true, force: true });
}

function readIfThere(path: string): string | null {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}
