// SPDX-License-Identifier: Apache-2.0
// What a call of the driver costs on the machine it runs on: the device node, read-only, through the addon. `node driver-figures.js COUNT` writes
// one line of JSON: microseconds of each call, by what was called.
import { timeEach } from "../../../bench/measure/samples.ts";
import { createHostReader } from "../../../src/host/reader.ts";
import { loadAddon } from "../../../src/native/addon.ts";
import { openTdxIommu } from "../../../src/seamcall/drivers.ts";

const DEVICE = "/dev/tdx_iommu";
const AT_ONCE = 64;
const count = Number(process.argv[2] ?? 4000);

async function timed(times: number, call: () => Promise<unknown>): Promise<readonly number[]> {
  await timeEach(Math.ceil(times / 4), call); // Until the code is compiled.
  return (await timeEach(times, call)).map((ms) => ms * 1000);
}

/** What is left of a call when its way to a thread and back is shared with others. */
async function timedTogether(call: () => Promise<unknown>): Promise<readonly number[]> {
  const crowds = await timeEach(Math.ceil(count / AT_ONCE), () => Promise.all(Array.from({ length: AT_ONCE }, call)));
  return crowds.map((ms) => (ms * 1000) / AT_ONCE);
}

const handle = loadAddon().open(DEVICE, false);
const rawList = await timed(count, () => handle.list());
const together = await timedTogether(() => handle.list());
await handle.close();
const port = await openTdxIommu(DEVICE, { writable: false });
const list = await timed(count, () => port.list());
const info = await timed(count, () => port.info());
await port.close();
const addon = loadAddon();
const host = createHostReader({ root: "/", scanDevices: (proc, wanted, deadlineMs) => addon.scanDevices(proc, wanted, deadlineMs) });
const observe = await timed(40, () => host.observe());
process.stdout.write(`${JSON.stringify({ rawList, together, list, info, observe })}\n`);
process.exit(0);
