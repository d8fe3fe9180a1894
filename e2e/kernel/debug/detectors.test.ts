// SPDX-License-Identifier: Apache-2.0
// The detectors of the debug kernel, each met with a defect that it must find: else a clean run of the modules would say nothing.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureModules } from "../kit/modules.ts";
import { openKernelRung } from "../rung.ts";
import { startVm, type Vm } from "../vm/vm.ts";
import { ensureDebugKernel } from "./debug-kernel.ts";
import { forgetLeaks, LOAD_PLANTED, leaks, PLANTED, pagesOf, plant, reports } from "./detectors.ts";

const rung = await openKernelRung();

/** In this order: lockdep goes off with its own report, and with KASAN's. */
const FAULTS = [
  ["warning", /WARNING: .*planted\.c/],
  ["sleep_in_atomic", /BUG: sleeping function called from invalid context/],
  ["wide_shift", /UBSAN: shift-out-of-bounds in .*planted\.c/],
  ["broken_list", /WARNING: lib\/list_debug\.c/],
  ["freed_timer", /ODEBUG: free active .*timer_list/],
  ["lock_inversion", /WARNING: possible circular locking dependency detected/],
  ["use_after_free", /BUG: KASAN: slab-use-after-free in use_after_free/],
  ["out_of_bounds", /BUG: KASAN: slab-out-of-bounds in out_of_bounds/],
] as const;

describe("the debug kernel", () => {
  let vm: Vm;

  beforeAll(async () => {
    const { chroot, kernels } = await rung.kit();
    const kernel = await ensureDebugKernel({ chroot, like: kernels[0], environment: rung.environment, progress: rung.progress });
    const { contents } = await ensureModules(kernel, rung.environment, PLANTED);
    vm = await startVm({ chroot, kernel, contents });
    rung.progress(`${kernel.release} is up`);
    await vm.run(LOAD_PLANTED);
  });
  afterAll(() => vm?.stop());

  it("has nothing to report of itself", async () => {
    await forgetLeaks(vm);
    expect(await reports(vm)).toEqual([]);
  });

  it("reports memory that nobody refers to", async () => {
    // The planted leak is what ends the wait.
    expect(await leaks(vm)).toEqual([]);
    expect(await reports(vm)).toEqual([]);
  });

  it("reports pages that were not freed", async () => {
    expect(await pagesOf(vm, "lost_pages")).toEqual([]);
    await vm.run(plant("lost_pages"));
    expect(await pagesOf(vm, "lost_pages")).toEqual([expect.stringMatching(/^Page allocated via order 1,/)]);
  });

  it.each(FAULTS)("reports %s", async (fault, report) => {
    await vm.run("dmesg -c > /dev/null");
    await vm.run(plant(fault));
    const found = await reports(vm);
    rung.progress(`${fault}: ${found[0]}`);
    expect(found).toContainEqual(expect.stringMatching(report));
  });
});
