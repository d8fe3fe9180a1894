// SPDX-License-Identifier: Apache-2.0
// The kernel's own judges of style, over everything that becomes a module: checkpatch, sparse, kernel-doc. And two rules of a kernel's
// namespace and of ours, over the object files: each global name has its module's prefix, and no file is called by one that it calls.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { circlesIn } from "../../tools/circles.ts";
import { inChroot } from "./kit/chroot.ts";
import { copyModuleSources, MORE_UNITS } from "./kit/modules.ts";
import { symbolsIn, usesBetween } from "./kit/symbols.ts";
import { type Kit, openKernelRung } from "./rung.ts";

const rung = await openKernelRung();
/** No file above it. */
const LONGEST_FILE = 500;
/** Of the global names of each folder. */
const PREFIXES: Readonly<Record<string, RegExp>> = {
  table: /^tdx_/,
  module: /^tdx_/,
  simulator: /^sim_/,
  "connect-sim": /^connect_sim(_|$)/,
};
/** Names that the kernel gives to each module. */
const OF_KERNEL = /^(init_module|cleanup_module|__this_module)$/;

describe.skipIf(rung.skipReason !== null)("the modules' source", () => {
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-style-"));
  let kit: Kit;
  let files: readonly string[];
  /** Runs a line in the chroot where the source is the current folder. */
  const judge = (line: string): Promise<string> =>
    inChroot(kit.chroot, `cd /build && ${line}`, { timeoutMs: 300_000, binds: { [folder]: "/build" } });

  const make = (at: string, option = ""): string => `make -C /lib/modules/$(ls /lib/modules)/build M=${at} TDX_TESTING=1 ${option} modules 2>&1`;

  beforeAll(async () => {
    kit = await rung.kit();
    copyModuleSources(folder);
    copyModuleSources(join(folder, "units"), MORE_UNITS);
    files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => /\.[ch]$/.test(name));
  }, 3_600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("has nothing that checkpatch --strict complains of", async () => {
    // Built for two kernels, so tests of the version are allowed, in compat.h.
    const options = "--no-tree --strict --show-types --max-line-length=100 --ignore LINUX_VERSION_CODE";
    // It ends with 1 when it has found something.
    const output = await judge(`perl /usr/src/scripts/checkpatch.pl ${options} --file ${files.join(" ")} 2>&1 || true`);
    const clean = [...output.matchAll(/^(\S+) has no obvious style problems/gm)].map(([, name]) => name);
    rung.progress(`checkpatch --strict: ${clean.length} of ${files.length} files without a complaint`);
    expect(clean, output).toEqual(files);
  });

  it("has nothing that sparse complains of", async () => {
    const output = await judge(`${make("/build", "C=2")} && ${make("/build/units", "C=2")}`);
    const checked = output.match(/^ +CHECK +\S+\.c$/gm) ?? [];
    rung.progress(`sparse: ${checked.length} files`);
    const sources = files.filter((name) => name.endsWith(".c"));
    expect(checked).toHaveLength(sources.length);
    expect(output.split("\n").filter((line) => /warning|error/i.test(line))).toEqual([]);
  });

  it("defines no global name without its module's prefix, and has no file that is called by one that it calls", async () => {
    const folders = Object.keys(PREFIXES);
    const objects = folders.map((name) => `${name}/*.o`).join(" ");
    await judge(make("/build"));
    const symbols = symbolsIn(await judge(`nm --print-file-name --extern-only --portability ${objects}`));
    const names = [...symbols.defined].flatMap(([file, defined]) => defined.map((name) => ({ file, name })));
    const strays = names.filter(({ file, name }) => !OF_KERNEL.test(name) && PREFIXES[dirname(file)]?.test(name) !== true);
    rung.progress(`global names: ${names.length} in ${symbols.defined.size} object files`);
    expect(folders.filter((folder) => !names.some(({ file }) => dirname(file) === folder))).toEqual([]);
    expect(strays).toEqual([]);
    expect(circlesIn(usesBetween(symbols))).toEqual([]);
  });

  it("explains every field of the contract to kernel-doc", async () => {
    const output = await judge("python3 /usr/src/tools/docs/kernel-doc -none -Wall uapi/tdx_iommu.h module/backend.h 2>&1");
    expect(output).toBe("");
    // Else a header without comments would pass.
    const text = readFileSync(join(folder, "uapi/tdx_iommu.h"), "utf8");
    const structs = [...text.matchAll(/^struct (\w+) \{$/gm)].map(([, name]) => name);
    expect(structs.filter((name) => !text.includes(`/**\n * struct ${name} - `))).toEqual([]);
  });

  it("has no file that is too long", () => {
    const long = files.filter((name) => readFileSync(join(folder, name), "utf8").split("\n").length > LONGEST_FILE);
    expect(long).toEqual([]);
  });
});
