// SPDX-License-Identifier: Apache-2.0

/**
 * A process to be killed: SETUPs and CLEARs every unit of a simulated host in turn, for ever. Arguments: addon, state directory. Says "ready"
 * once it holds the driver.
 */
import { loadAddon } from "../../src/native/addon.ts";
import { openSimulated } from "../../src/seamcall/drivers.ts";

const [addonPath, dir] = process.argv.slice(2);
if (addonPath === undefined || dir === undefined) throw new Error("usage: victim.ts ADDON DIR");

const port = await openSimulated(dir, { addon: loadAddon(addonPath) });
process.stdout.write("ready\n");
for (;;) {
  for (const { regBase } of (await port.list()).units) {
    const { unit } = await port.setup(regBase);
    const target = { regBase, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq };
    if (unit.tdxIommuId !== null) await port.clear(target, port.deadline(60_000));
  }
}
