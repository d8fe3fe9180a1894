// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { ClaimFile } from "../../../src/domain/dra/claim-file.ts";
import { isAppError } from "../../../src/runtime/errors.ts";
import { settle, Turnstile } from "../life/turnstile.ts";
import { ClaimFolder } from "./claim-files-model.ts";
import { Fact } from "./fact.ts";
import { WorldTime } from "./world-time.ts";

const ADDRESS = "0000:17:00.0";

function fileOf(uid: string): ClaimFile {
  const device = { address: ADDRESS, request: "gpu", pool: "node-1/pci0000-16", node: "/dev/vfio/devices/vfio0", epoch: "e", attributes: {} };
  return { namespace: "default", name: "c", uid, podClaimName: null, bootId: "boot-1", simulated: true, isVoid: false, devices: [device] };
}

function folderOf(isTmpfs = true) {
  const time = new WorldTime();
  const turnstile = new Turnstile(time);
  const folder = new ClaimFolder({ time, areWritable: new Fact(time, true), isTmpfs, spanOf: () => "span-1" });
  const port = folder.portOf(1, turnstile);
  /** The answer, or the code of the error. */
  const done = async <T>(asked: Promise<T>): Promise<T | string> => {
    await settle();
    turnstile.release(turnstile.size);
    return await asked.catch((thrown: unknown) => (isAppError(thrown) ? thrown.code : "?"));
  };
  return { folder, port, done, turnstile };
}

test("what was written resolves until it is void or removed", async () => {
  const { folder, port, done } = folderOf();
  await done(port.write(fileOf("b")));
  await done(port.write(fileOf("a")));
  expect(await done(port.read())).toEqual({ files: [fileOf("a"), fileOf("b")], unreadable: [] });
  expect(folder.resolve("a", [ADDRESS])).toEqual(fileOf("a").devices);
  expect([folder.resolve("a", ["0000:18:00.0"]), folder.resolve("c", [ADDRESS])]).toEqual([null, null]);
  await done(port.void("a"));
  await done(port.void("c"));
  expect([folder.resolve("a", [ADDRESS]), await done(port.read())]).toMatchObject([
    null,
    { files: [{ uid: "a", simulated: true, isVoid: true }, { uid: "b" }] },
  ]);
  await done(port.remove("a"));
  await done(port.remove("b"));
  expect(await done(port.read())).toEqual({ files: [], unreadable: [] });
});

test("an unwritable folder refuses every change; a damaged file is unreadable and resolves nothing", async () => {
  const { folder, port, done } = folderOf();
  await done(port.write(fileOf("a")));
  folder.areWritable.set(false);
  const changes = [() => port.write(fileOf("b")), () => port.void("a"), () => port.remove("a")];
  for (const change of changes) expect(await done(change())).toBe("CDI_UNWRITABLE");
  expect(folder.resolve("a", [ADDRESS])).toEqual(fileOf("a").devices);
  folder.damaged.add("a");
  expect(await done(port.read())).toMatchObject({ files: [], unreadable: [expect.stringContaining("_a.json")] });
  expect(folder.resolve("a", [ADDRESS])).toBeNull();
});

test("a crash keeps what was written, and nothing of what was not; a reboot empties a tmpfs only", async () => {
  for (const isTmpfs of [true, false]) {
    const { folder, port, done, turnstile } = folderOf(isTmpfs);
    await done(port.write(fileOf("a")));
    void port.write(fileOf("b"));
    turnstile.kill(1);
    expect([...folder.files.keys()]).toEqual(["a"]);
    folder.reboot();
    expect([...folder.files.keys()]).toEqual(isTmpfs ? [] : ["a"]);
  }
});
