// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { agentConfig } from "../../../src/cli/config/agent-config.ts";
import { helpText, type Setting } from "../../../src/cli/config/setting.ts";
import { flagOf, SETTING_KEYS, SETTINGS } from "../../../src/cli/config/settings.ts";

const all: readonly (readonly [string, Setting])[] = SETTING_KEYS.map((key) => [key, SETTINGS[key]]);

describe("every setting", () => {
  test.each(all)("%s has a default of its own kind, and says it in its help", (key, setting) => {
    const { schema, default: value, choices, kind, unit } = setting;
    if (value !== null) {
      expect(schema.safeParse(value).success).toBe(true);
      expect(helpText(setting)).toContain(`(default: ${value}`);
    }
    expect(kind === "number").toBe(unit !== "");
    if (kind === "choice") expect(choices).not.toEqual([]);
    for (const choice of choices) expect(schema.safeParse(choice).success).toBe(true);
    // The flag is the key of the config file in the other spelling.
    expect(flagOf(key as keyof typeof SETTINGS)).toBe(`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  });

  test("has the default that help tells when nothing but the source is given", () => {
    const config = agentConfig({ manifest: "/node.yaml" }, { workingFolder: "/", configFile: null });
    expect(config).toMatchObject({
      source: { status: SETTINGS.status.default },
      hostRoot: SETTINGS.hostRoot.default,
      driver: { driver: SETTINGS.driver.default },
      kubelet: { deviceDir: SETTINGS.kubeletDir.default, podResources: SETTINGS.podresources.default, dra: null },
      settleMs: SETTINGS.settle.default * 1000,
      output: SETTINGS.output.default,
      cdiDir: SETTINGS.cdiDir.default,
      lock: SETTINGS.lock.default,
      audit: SETTINGS.audit.default,
    });
  });
});

interface ChartValues {
  readonly agent: { readonly logLevel: string; readonly settleSeconds: number; readonly driver: string; readonly metricsPort: number };
  readonly kubelet: { readonly devicePluginDir: string; readonly podResourcesDir: string; readonly rootDir: string };
  readonly cdi: { readonly dir: string };
  readonly audit: { readonly dir: string };
}

test("the chart's values are the defaults of the settings that they are passed to", () => {
  const path = fileURLToPath(new URL("../../../charts/trusted-iommu/values.yaml", import.meta.url));
  const { agent, kubelet, cdi, audit } = parse(readFileSync(path, "utf8")) as ChartValues;
  expect({
    logLevel: agent.logLevel,
    settle: agent.settleSeconds,
    driver: agent.driver,
    kubeletDir: kubelet.devicePluginDir,
    podresources: `${kubelet.podResourcesDir}/kubelet.sock`,
    kubeletRoot: kubelet.rootDir,
    cdiDir: cdi.dir,
    audit: audit.dir,
  }).toEqual({
    logLevel: SETTINGS.logLevel.default,
    settle: SETTINGS.settle.default,
    driver: SETTINGS.driver.default,
    kubeletDir: SETTINGS.kubeletDir.default,
    podresources: SETTINGS.podresources.default,
    kubeletRoot: SETTINGS.kubeletRoot.default,
    cdiDir: SETTINGS.cdiDir.default,
    audit: SETTINGS.audit.default,
  });
  expect(SETTINGS.metrics.schema.safeParse(`:${agent.metricsPort}`).success).toBe(true);
});

/** Values that a fix gives literally: `write present or none`, `for example 127.0.0.1:9100`, `seconds from 0 to 3600`. */
function valuesIn(fix: string): readonly (string | number)[] {
  const numbers = /from (\d+) to (\d+)/.exec(fix);
  if (numbers) return [Number(numbers[1]), Number(numbers[2])];
  const example = /for example (\S+)$/.exec(fix)?.[1];
  if (example !== undefined) return [example];
  const words = /^write (?:one of )?([\w, ]+?)(?:;|$)/.exec(fix)?.[1];
  return words?.split(/, | or /) ?? [];
}

test("what a refused setting is told to be is accepted", () => {
  const told = all.map(([key, { schema, fix }]) => ({ key, values: valuesIn(fix).map((value) => [value, schema.safeParse(value).success]) }));
  expect(told.filter(({ values }) => values.some(([, isAccepted]) => !isAccepted))).toEqual([]);
  expect(told.filter(({ values }) => values.length > 0).map(({ key }) => key)).toEqual([
    "node",
    "driver",
    "kubelet",
    "dra",
    "settle",
    "metrics",
    "logLevel",
    "output",
  ]);
});

test("a number is taken as people write it, and shown as it was written when it is refused", () => {
  const refusal = (settle: string): string => {
    try {
      agentConfig({ manifest: "/node.yaml", settle }, { workingFolder: "/", configFile: null });
    } catch (thrown) {
      return (thrown as Error).message;
    }
    return "";
  };
  expect(["0", "10", " 0.5 ", "3600"].map(refusal)).toEqual(["", "", "", ""]);
  for (const text of ["Infinity", "NaN", "1e3", "0x10", "ten"]) expect(refusal(text)).toBe(`--settle is "${text}": write seconds from 0 to 3600`);
});
