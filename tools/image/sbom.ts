// SPDX-License-Identifier: Apache-2.0

/** The image's bill of materials: what `npm sbom` says of the dependencies that the program ships with, and the Debian packages of its libraries. */
import type { DebianPackage } from "./packages.ts";

/** CycloneDX 1.5, as far as it is touched here. */
export interface Bom {
  readonly components?: readonly Component[];
  readonly [field: string]: unknown;
}

interface Component {
  readonly "bom-ref"?: string;
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly [field: string]: unknown;
}

/** `npm` with one component a package more. Package URL: purl-spec, type deb. */
export function withPackages(npm: Bom, packages: readonly DebianPackage[], suite: string): Bom {
  const components = packages.map(({ name, version, architecture }): Component => {
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=${suite}`;
    return { "bom-ref": purl, type: "library", name, version, purl };
  });
  return { ...npm, components: [...(npm.components ?? []), ...components] };
}
