// SPDX-License-Identifier: Apache-2.0

/** The version is in one place, package.json; what repeats it is held to it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";

const read = (file: string): string => readFileSync(join(import.meta.dirname, "../..", file), "utf8");

const { version } = JSON.parse(read("package.json")) as { version: string };

test("the chart has the version of package.json", () => {
  expect(parse(read("charts/trusted-iommu/Chart.yaml"))).toMatchObject({ version, appVersion: version });
});

test("DKMS has it, and the commands that documents show", () => {
  expect(/^PACKAGE_VERSION="(.*)"$/m.exec(read("native/dkms.conf"))?.[1]).toBe(version);
  const places = ["README.md", "Containerfile", "docs/install.md", "native/README.md"];
  const shown = places.flatMap((file) => [...read(file).matchAll(/trusted-iommu[:/-](\d+\.\d+\.\d+)/g)].map(([, found]) => ({ file, found })));
  expect(shown.length).toBeGreaterThan(3);
  expect(shown.filter(({ found }) => found !== version)).toEqual([]);
});
