// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { preflight, unmet } from "../../../src/cli/preflight/preflight.ts";
import type { PreflightReadings } from "../../../src/cli/preflight/readings.ts";
import type { RequirementState } from "../../../src/cli/preflight/requirement.ts";
import { preflightJson, preflightText } from "../../../src/cli/view/preflight.ts";
import { columns } from "../../../src/cli/view/text.ts";
import { type DriverInfo, ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { aFunction, aHostUnit, anInfo, aSlot } from "../../support/builders.ts";

const REAL_INFO = anInfo({ simulated: false, realSetup: true });

const value = <T>(it: T) => ({ kind: "Value" as const, value: it });
const MISSING = { kind: "Missing" } as const;
const UNREADABLE = { kind: "Unreadable", why: "EACCES" } as const;

const unit = (ecap: bigint | null) => ({ ...aHostUnit(), ecap });
const host = (
  change: Partial<{ units: ReturnType<typeof unit>[]; functions: ReturnType<typeof aFunction>[]; slots: ReturnType<typeof aSlot>[] }> = {},
) => value({ units: [unit(ECAP_TDX_CONNECT)], functions: [aFunction()], slots: [aSlot()], unreadableUnits: [], ...change });

/** A node that has everything. */
const READY: PreflightReadings = {
  simulated: false,
  architecture: "x64",
  cpu: value({ vendor: "GenuineIntel", flags: new Set(["vmx", "tdx_host_platform"]) }),
  kernelRelease: "7.2.13-amd64",
  iommufd: value("CharacterDevice"),
  host: host(),
  driver: value({ name: "tdx_iommu", info: REAL_INFO }),
  loadedModule: value("2.0.18"),
  kubelet: {
    socket: { path: "/var/lib/kubelet/device-plugins/kubelet.sock", found: value("Socket") },
    podResources: { path: "/var/lib/kubelet/pod-resources/kubelet.sock", found: value("Socket") },
  },
  cdi: { path: "/var/run/cdi", access: "Writable" },
  capabilities: value((1n << 41n) - 1n),
};

const states = (readings: PreflightReadings): Record<string, RequirementState> =>
  Object.fromEntries(preflight(readings).requirements.map(({ name, state }) => [name, state]));

test("a node that has everything meets every requirement", () => {
  expect(unmet(preflight(READY))).toEqual([]);
  expect(new Set(Object.values(states(READY)))).toEqual(new Set(["Found"]));
});

test("no node needs a link TSM, and with several the agent chooses none", () => {
  const tsmOf = (tsms: readonly string[]) => {
    const report = preflight({ ...READY, host: host({ slots: [aSlot({ tsms })] }) });
    expect(unmet(report)).toEqual([]);
    return report.requirements.find(({ name }) => name === "tsm");
  };
  expect(tsmOf(["tsm0"])).toMatchObject({ state: "Found", found: "tsm0: the agent can secure links (spec.link.enable OnPrepare)" });
  expect(tsmOf([])).toMatchObject({ state: "NotNeeded", found: expect.stringContaining("Never") });
  expect(tsmOf(["tsm0", "tsm1"])).toMatchObject({ state: "NotNeeded", found: expect.stringContaining("tsm0, tsm1: with several") });
});

const info = (change: Partial<DriverInfo>) => ({ driver: value({ name: "tdx_iommu", info: { ...REAL_INFO, ...change } }) });
const intel = (...flags: string[]) => value({ vendor: "GenuineIntel", flags: new Set(flags) });

describe("what is not met is named alone, with what was read and what to do", () => {
  test.each<[string, RequirementState, Partial<PreflightReadings>, RegExp, RegExp]>([
    ["cpu", "Missing", { architecture: "arm64" }, /arm64/, /Intel/],
    ["cpu", "Missing", { cpu: value({ vendor: "AuthenticAMD", flags: new Set<string>() }) }, /AuthenticAMD/, /Intel/],
    ["cpu", "Missing", { cpu: intel("vmx") }, /no flag tdx_host_platform/, /firmware/],
    ["cpu", "Unknown", { cpu: intel("vmx"), kernelRelease: "6.8.0" }, /no flag/, /6\.9/],
    ["cpu", "Unknown", { cpu: MISSING }, /cpuinfo/, /--host-root/],
    ["kernel", "Missing", { kernelRelease: "6.1.0-56-amd64" }, /6\.1\.0/, /6\.6/],
    ["iommufd", "Missing", { iommufd: MISSING }, /no \/dev\/iommu/, /modprobe iommufd/],
    ["iommufd", "Unknown", { iommufd: UNREADABLE }, /EACCES/, /root/],
    ["units", "Missing", { host: host({ units: [] }) }, /no VT-d unit/, /intel_iommu=on/],
    ["units", "Missing", { host: host({ units: [unit(0n), unit(0n)] }) }, /0 of 2/, /firmware/],
    ["units", "Unknown", { host: host({ units: [unit(null)] }) }, /cannot be read/, /ecap/],
    ["driver", "Missing", info({ realSetup: false }), /real_setup=1/, /modprobe/],
    ["module", "Missing", info({ environment: "VmFailInvalid" }), /no TDX module is loaded/, /dmesg/],
    ["module", "Missing", info({ features0: 0n }), /without TDX Connect/, /firmware/],
    ["module", "Unknown", info({ features0: null }), /features cannot be read/, /dmesg/],
    ["rights", "Missing", { capabilities: value(1n << 1n) }, /CAP_SYS_ADMIN, CAP_SYS_PTRACE/, /root.*privileged/],
    ["devices", "Unknown", { host: host({ functions: [aFunction({ teeIo: "Unknown" })] }) }, /1 cannot be told/, /root/],
    ["devices", "Missing", { host: host({ functions: [aFunction({ teeIo: "No" })] }) }, /none of 1/, /TEE-I\/O/],
    ["vfio", "Missing", { host: host({ functions: [aFunction({ vfioCdev: null, driver: "nvidia" })] }) }, /0 of 1.*nvidia/, /driver_override/],
    ["kubelet", "Missing", { kubelet: READY.kubelet && { ...READY.kubelet, socket: { path: "/k", found: MISSING } } }, /no \/k/, /--kubelet-dir/],
    [
      "podresources",
      "Missing",
      { kubelet: READY.kubelet && { ...READY.kubelet, podResources: { path: "/p", found: value("File") } } },
      /no socket/,
      /--podresources/,
    ],
    ["cdi", "Missing", { cdi: { path: "/c", access: "Denied" } }, /\/c/, /--cdi-dir/],
  ])("%s is %s: %o", (name, state, change, read, fix) => {
    const open = unmet(preflight({ ...READY, ...change }));
    expect(open).toMatchObject([{ name, state, found: expect.stringMatching(read), fix: expect.stringMatching(fix) }]);
  });

  test("without a driver nothing is known of the TDX module, but that it is loaded where the kernel says so", () => {
    for (const driver of [MISSING, UNREADABLE]) {
      expect(unmet(preflight({ ...READY, driver })).map(({ name }) => name)).toEqual(["driver", "module"]);
      expect(preflight({ ...READY, driver }).requirements.find(({ name }) => name === "module")?.found).toMatch(/2\.0\.18, not known/);
    }
  });

  test("a tree that cannot be read is known of in all that is read from it", () => {
    expect(unmet(preflight({ ...READY, host: UNREADABLE })).map(({ name }) => name)).toEqual(["units", "devices"]);
  });
});

describe("what is not needed", () => {
  test("on a simulated host are its hardware and rights; the rest must be there all the same", () => {
    const bare: PreflightReadings = { ...READY, simulated: true, cpu: MISSING, kernelRelease: "5.4.0", capabilities: value(0n) };
    expect(states(bare)).toMatchObject({ cpu: "NotNeeded", kernel: "NotNeeded", rights: "NotNeeded", units: "Found", kubelet: "Found" });
    expect(unmet(preflight({ ...bare, host: host({ units: [] }) }))).toHaveLength(1);
  });

  test("on a machine without kubelet is everything of kubelet", () => {
    expect(states({ ...READY, kubelet: null, cdi: { path: "/c", access: "Denied" } })).toMatchObject({
      kubelet: "NotNeeded",
      podresources: "NotNeeded",
      cdi: "NotNeeded",
    });
    expect(states({ ...READY, cdi: null })).toMatchObject({ cdi: "NotNeeded" });
  });
});

describe("the answer", () => {
  const result = preflight({ ...READY, iommufd: MISSING });

  test.each([40, 80, 120])("fits %i columns and loses no word", (width) => {
    const lines = preflightText(result, { width, colour: false });
    for (const line of lines) expect(columns(line)).toBeLessThanOrEqual(width);
    const words = lines.join(" ").replaceAll(/\s+/g, "");
    for (const { found, fix } of result.requirements) expect(words).toContain(`${found}${fix === "" ? "" : `→${fix}`}`.replaceAll(" ", ""));
    expect(lines).toContain("✗ IOMMUFD          no /dev/iommu");
    expect(words).toContain("1of13requirementsarenotmet:iommufd");
  });

  test("as JSON says whether the node is ready, and why not", () => {
    expect(JSON.parse(preflightJson(result))).toMatchObject({ ready: false, simulated: false, requirements: expect.any(Array) });
    expect(JSON.parse(preflightJson(preflight(READY)))).toMatchObject({ ready: true });
    expect(preflightText(preflight(READY), { width: 80, colour: false }).at(-1)).toBe("all 13 requirements are met");
  });
});
