// SPDX-License-Identifier: Apache-2.0

/** The Debian packages that files of the image are from: a list inside the image, one `name version architecture` a line. */

export const PACKAGES_FILE = "usr/share/doc/trusted-iommu/debian-packages";

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** @throws on a line of another form */
export function packagesFrom(text: string): readonly DebianPackage[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [name, version, architecture, ...rest] = line.split(" ");
    if (name === undefined || version === undefined || architecture === undefined || rest.length > 0) throw new Error(`no package: ${line}`);
    return { name, version, architecture };
  });
}
