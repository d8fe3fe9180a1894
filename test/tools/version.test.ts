// SPDX-License-Identifier: Apache-2.0

/** The version is in one place, package.json; the chart repeats it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";

const read = (file: string): string => readFileSync(join(import.meta.dirname, "../..", file), "utf8");

test("the chart has the version of package.json", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  expect(parse(read("charts/trusted-iommu/Chart.yaml"))).toMatchObject({ version, appVersion: version });
});
