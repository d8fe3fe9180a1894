// SPDX-License-Identifier: Apache-2.0
// The driver as a DKMS package: added, built for the newest kernel, signed, as it would be on a node.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { inChroot } from "./kit/chroot.ts";
import { copyModuleSources } from "./kit/modules.ts";
import { openKernelRung } from "./rung.ts";

const rung = await openKernelRung();
const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };

describe.skipIf(rung.skipReason !== null)("the DKMS package", () => {
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-dkms-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("builds the driver, signs it, and leaves the simulator out", async () => {
    const {
      chroot,
      kernels: [kernel],
    } = await rung.kit();
    const name = `trusted-iommu/${version}`;
    const source = join(folder, "source", `trusted-iommu-${version}`);
    mkdirSync(source, { recursive: true });
    copyModuleSources(source);
    const places = "--sourcetree /build/source --dkmstree /build/tree";
    const line = `mkdir /build/tree && dkms add ${name} ${places} && dkms build ${name} ${places} -k ${kernel.release} && find /build/tree -name "*.ko*"`;
    const output = await inChroot(chroot, line, { timeoutMs: 300_000, binds: { [folder]: "/build" } });
    rung.progress(output.trim());
    expect(output).toMatch(/Signing module .*tdx_iommu\.ko/);
    const built = output.split("\n").filter((path) => path.startsWith("/build/tree") && path.includes(kernel.release));
    expect(built).toEqual([expect.stringMatching(/module\/tdx_iommu\.ko\.xz$/)]);
    expect(existsSync(join(folder, (built[0] ?? "").replace("/build/", "")))).toBe(true);
  });
});
