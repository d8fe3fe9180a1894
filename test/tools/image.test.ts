// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packagesFrom } from "../../tools/image/packages.ts";
import { withPackages } from "../../tools/image/sbom.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

describe("the image's bill of materials", () => {
  const npm = { bomFormat: "CycloneDX", components: [{ type: "library", name: "yaml", version: "2.9.1" }] };

  test("has the dependencies of npm, and the Debian packages by their package URL", () => {
    const packages = packagesFrom("libc6 2.41-12+deb13u5 amd64\nlibgcc-s1 14.2.0-19 amd64\n");
    const purl = "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=trixie";
    expect(withPackages(npm, packages, "trixie")).toEqual({
      bomFormat: "CycloneDX",
      components: [
        npm.components[0],
        { "bom-ref": purl, type: "library", name: "libc6", version: "2.41-12+deb13u5", purl },
        expect.objectContaining({ name: "libgcc-s1" }),
      ],
    });
  });

  test("is not made from a list that reads otherwise", () => {
    expect(() => packagesFrom("libc6 2.41-12+deb13u5\n")).toThrow("no package: libc6");
  });
});

describe("the Containerfile", () => {
  test("starts the program with the flags that bin/trusted-iommu has", () => {
    const [, flags] = /^exec "\$node" (.*) "\$bundle"/m.exec(read("bin/trusted-iommu")) ?? [];
    const [, entrypoint] = /^ENTRYPOINT (\[.*\])$/m.exec(read("Containerfile")) ?? [];
    expect(JSON.parse(entrypoint ?? "[]")).toEqual(["/usr/bin/node", ...(flags ?? "").split(" "), "/app/cli.js"]);
  });

  test("installs what the builder's root file system without a registry is made with", () => {
    const [, installed] = /--no-install-recommends (.*)$/m.exec(read("Containerfile")) ?? [];
    const [, included] = /^const PACKAGES = (\[.*\]);$/m.exec(read("tools/image/base.ts")) ?? [];
    expect(JSON.parse(included ?? "[]")).toEqual((installed ?? "").split(" "));
  });
});
