// SPDX-License-Identifier: Apache-2.0

/**
 * `npm run image`: builds the Containerfile without a registry and writes `out/image/`: the archive (`docker load`, `ctr images import`, `kind load
 * image-archive`) and its bill of materials. Needs root, Linux on amd64, and the Debian packages buildah and mmdebstrap. What is up to date is left.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { runStep } from "../setup/steps.mjs";
import { BASE_IMAGE, ensureBase, imageCache, SUITE } from "./base.ts";
import { PACKAGES_FILE, packagesFrom } from "./packages.ts";
import { type Bom, withPackages } from "./sbom.ts";

const ROOT = join(import.meta.dirname, "../..");
const OUT = join(ROOT, "out/image");
/** Put in place whole: two builds may run side by side. */
const FRESH = `${OUT}.new-${process.pid}`;
const NAME = `trusted-iommu-${manifest.version}-amd64`;
const ARCHIVE = `${NAME}.tar`;
const SBOM = `${NAME}.cdx.json`;
const MARK = "fingerprint";
/** As pods name it. */
const REFERENCE = `docker.io/library/trusted-iommu:${manifest.version}`;

const CERTIFICATES = "/etc/ssl/certs";

/** What the image is made from, and this. */
const SOURCES = ["Containerfile", ".containerignore", "package-lock.json", "bin", "LICENSES", "native", "src", "tools"];

const cache = imageCache(process.env);
const store = ["--root", join(cache, "store"), "--runroot", join(cache, "run"), "--storage-driver", "vfs"];
const buildah = (...args: readonly string[]): string => execFileSync("buildah", [...store, ...args], { encoding: "utf8" }).trim();

/** Of every file that the repository knows below SOURCES, as it is now. */
function fingerprint(): string {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...SOURCES], { cwd: ROOT, encoding: "utf8" });
  const hash = createHash("sha256").update(`${BASE_IMAGE}\n`);
  for (const file of files.trim().split("\n").sort())
    if (existsSync(join(ROOT, file))) hash.update(`${file}\n`).update(readFileSync(join(ROOT, file)));
  return hash.digest("hex");
}

async function importBase(file: string): Promise<void> {
  if (buildah("images", "--format", "{{.Name}}:{{.Tag}}").split("\n").includes(BASE_IMAGE)) return;
  const container = buildah("from", "scratch");
  await runStep({ what: "builder's image", isLong: true, command: "buildah", args: [...store, "add", "--quiet", container, file, "/"], cwd: ROOT });
  buildah("commit", "--quiet", "--rm", container, BASE_IMAGE);
}

async function buildImage(): Promise<void> {
  const args = ["bud", "--isolation", "chroot", "--pull-never", "--ignorefile", ".containerignore", "--file", "Containerfile", "--tag", REFERENCE];
  const named = ["--build-arg", `BASE=${BASE_IMAGE}`, "--build-arg", `VERSION=${manifest.version}`];
  // Behind a proxy with an authority of its own only the machine's certificates will do.
  const certificates = existsSync(CERTIFICATES) ? ["--volume", `${CERTIFICATES}:${CERTIFICATES}:ro`] : [];
  await runStep({ what: "image (buildah)", isLong: true, command: "buildah", args: [...store, ...args, ...named, ...certificates, "."], cwd: ROOT });
}

/** What is in the image says which packages its files are from. */
function writeSbom(): void {
  const container = buildah("from", "--pull-never", REFERENCE);
  try {
    const packages = packagesFrom(readFileSync(join(buildah("mount", container), PACKAGES_FILE), "utf8"));
    const npm = execFileSync("npm", ["sbom", "--omit", "dev", "--sbom-format", "cyclonedx"], {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    writeFileSync(join(FRESH, SBOM), `${JSON.stringify(withPackages(JSON.parse(npm) as Bom, packages, SUITE), null, 2)}\n`);
  } finally {
    buildah("rm", container);
  }
}

const wanted = fingerprint();
const isThere = [ARCHIVE, SBOM, MARK].every((name) => existsSync(join(OUT, name)));
if (isThere && readFileSync(join(OUT, MARK), "utf8") === wanted) process.stdout.write(`${join(OUT, ARCHIVE)} is up to date\n`);
else {
  mkdirSync(FRESH, { recursive: true });
  mkdirSync(cache, { recursive: true });
  await importBase(await ensureBase(cache));
  await buildImage();
  await runStep({
    what: "archive",
    command: "buildah",
    args: [...store, "push", "--quiet", REFERENCE, `docker-archive:${join(FRESH, ARCHIVE)}:${REFERENCE}`],
    cwd: ROOT,
  });
  writeSbom();
  writeFileSync(join(FRESH, MARK), wanted);
  rmSync(OUT, { recursive: true, force: true });
  renameSync(FRESH, OUT);
  process.stdout.write(`${join(OUT, ARCHIVE)}\n${join(OUT, SBOM)}\n`);
}
