// SPDX-License-Identifier: Apache-2.0
/** Set-up installs everything that the lock file names, whatever npm is told by the environment or an npmrc. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { installArguments, missingPackages } from "../tools/setup/npm.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trusted-iommu-setup-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A project with one dependency, one development dependency with a program and one optional dependency, all of them folders beside it. */
function project(): string {
  const root = join(folder, "project");
  for (const name of ["needed", "tool", "extra"]) {
    mkdirSync(join(root, "parts", name), { recursive: true });
    writeFileSync(join(root, "parts", name, "package.json"), JSON.stringify({ name, version: "1.0.0", bin: { [name]: "run.js" } }));
    writeFileSync(join(root, "parts", name, "run.js"), "#!/usr/bin/env node\n");
  }
  const kinds = {
    dependencies: { needed: "file:parts/needed" },
    devDependencies: { tool: "file:parts/tool" },
    optionalDependencies: { extra: "file:parts/extra" },
  };
  const packages = Object.fromEntries(
    ["needed", "tool", "extra"].flatMap((name) => [
      [`node_modules/${name}`, { resolved: `parts/${name}`, link: true }],
      [`parts/${name}`, { version: "1.0.0", bin: { [name]: "run.js" }, dev: name === "tool", optional: name === "extra" }],
    ]),
  );
  const named = { name: "project", version: "1.0.0" };
  writeFileSync(join(root, "package.json"), JSON.stringify({ ...named, ...kinds }));
  writeFileSync(
    join(root, "package-lock.json"),
    JSON.stringify({ ...named, lockfileVersion: 3, requires: true, packages: { "": { ...named, ...kinds }, ...packages } }),
  );
  return root;
}

describe("npm, as set-up calls it, installs every kind of dependency", () => {
  test.each([
    ["nothing special", {}, ""],
    ["NODE_ENV=production", { NODE_ENV: "production" }, ""],
    ["omit", { npm_config_omit: "dev optional" }, "omit[]=dev\nomit[]=optional\n"],
    ["production", { npm_config_production: "true" }, "only=production\n"],
    ["without binaries", { npm_config_bin_links: "false" }, "bin-links=false\n"],
    ["no lock", { npm_config_package_lock: "false" }, "package-lock=false\n"],
    ["a trial run", { npm_config_dry_run: "true", npm_config_package_lock_only: "true" }, ""],
    ["everything for the machine", { npm_config_global: "true", npm_config_location: "global" }, ""],
    ["another place", { npm_config_prefix: "elsewhere", npm_config_install_strategy: "linked" }, "install-strategy=nested\n"],
  ])("under %s", (_what, variables, npmrc) => {
    const root = project();
    writeFileSync(join(root, ".npmrc"), npmrc);
    const { status, stderr } = spawnSync("npm", installArguments(root), {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: folder, npm_config_offline: "true", ...variables },
      encoding: "utf8",
    });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(readdirSync(join(root, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["extra", "needed", "tool"]);
    expect(existsSync(join(root, "node_modules", ".bin", "tool"))).toBe(true);
  });
});

describe("what is missing after an install", () => {
  const platform = { os: "linux", cpu: "x64", libc: "glibc" };
  const lock = {
    packages: {
      "": { version: "1.0.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/tool": { version: "2.0.0", dev: true },
      "node_modules/tool-linux": { version: "2.0.0", optional: true, os: ["linux"], cpu: ["x64"], libc: ["glibc"] },
      "node_modules/tool-musl": { version: "2.0.0", optional: true, os: ["linux"], cpu: ["x64"], libc: ["musl"] },
      "node_modules/tool-mac": { version: "2.0.0", optional: true, os: ["darwin"], cpu: ["arm64"] },
      "node_modules/for-the-mac-only": { version: "2.0.0", optional: true },
    },
  };
  const installed = (...names: string[]) => ({
    packages: Object.fromEntries(Object.entries(lock.packages).filter(([path]) => names.includes(path.slice("node_modules/".length)))),
  });

  test("is nothing when all is there that this platform needs", () => {
    expect(missingPackages(lock, installed("a", "tool", "tool-linux"), platform)).toEqual([]);
  });

  test("names what was left out, and what is there in another version", () => {
    expect(missingPackages(lock, installed("a", "tool-linux"), platform)).toEqual(["node_modules/tool"]);
    expect(missingPackages(lock, installed("a", "tool"), platform)).toEqual(["node_modules/tool-linux"]);
    const older = { packages: { ...installed("tool", "tool-linux").packages, "node_modules/a": { version: "0.9.0" } } };
    expect(missingPackages(lock, older, platform)).toEqual(["node_modules/a"]);
    expect(missingPackages(lock, {}, platform)).toHaveLength(3);
  });
});
