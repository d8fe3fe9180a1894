// SPDX-License-Identifier: Apache-2.0

/**
 * A process to be stopped between look and call: it looks at the one unit of a simulated host, says until when that look is good, and clears the unit
 * once it reads a line. Arguments: addon, state directory, for how many ms a look is good. Says what the CLEAR gave.
 */
import { once } from "node:events";
import { loadAddon } from "../../src/native/addon.ts";
import { isAppError } from "../../src/runtime/errors.ts";
import { openSimulated } from "../../src/seamcall/drivers.ts";

const [addonPath, dir, goodForMs] = process.argv.slice(2);
if (addonPath === undefined || dir === undefined) throw new Error("usage: looker.ts ADDON DIR MS");

const port = await openSimulated(dir, { addon: loadAddon(addonPath) });
const notAfter = port.deadline(Number(goodForMs));
const [unit] = (await port.list()).units;
process.stdout.write(`${notAfter}\n`);
await once(process.stdin, "data");
if (unit === undefined) throw new Error("no unit");
const answer = await port
  .clear({ regBase: unit.regBase, tdxIommuId: unit.tdxIommuId ?? 0n, setupSeq: unit.setupSeq }, notAfter)
  .then(({ outcome }) => outcome)
  .catch((thrown: unknown) => (isAppError(thrown) ? thrown.code : "unknown"));
process.stdout.write(`${answer}\n`);
await port.close();
process.stdin.destroy();
