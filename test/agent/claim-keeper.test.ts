// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { createClaimKeeper } from "../../src/agent/claim-keeper.ts";
import type { GateOn } from "../../src/agent/pass.ts";
import type { ClaimFile } from "../../src/domain/dra/claim-file.ts";
import { gateInputsOn } from "../../src/domain/gate/basis.ts";
import type { ClaimFilesPort } from "../../src/kubelet/dra/port.ts";
import { AppError } from "../../src/runtime/errors.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { aDriver, aFunction, aMemory, anIntent, aSlot, aUnit, GPU, INSTANCE } from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const NODE = "/dev/vfio/devices/vfio0";
const EPOCH = `${INSTANCE}/0x1`;
const IN_DRA = anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] });
const FILE: ClaimFile = {
  namespace: "ml",
  name: "gpu",
  uid: "c-1",
  podClaimName: null,
  bootId: "b-1",
  simulated: true,
  isVoid: false,
  devices: [{ address: DEVICE, request: "gpu", pool: "n1/pci0000-16", node: NODE, epoch: EPOCH, attributes: {} }],
};

/** The gate of one device of a host with these units and that node. */
const gateOf =
  (units = [aUnit()], vfioCdev = NODE): GateOn =>
  (address) =>
    gateInputsOn({ intent: IN_DRA, driver: aDriver(units), memory: aMemory({ isDraServed: true }) }, "List")(address, {
      fn: aFunction({ vfioCdev }),
      slot: aSlot(),
    });

function aFolder(...files: readonly ClaimFile[]) {
  const folder = new Map(files.map((file) => [file.uid, file]));
  const state = { gate: gateOf() as GateOn | null, epochs: new Set<string>(), bootId: "b-1" as string | null, isFull: false };
  const port: ClaimFilesPort = {
    read: async () => ({ files: [...folder.values()], unreadable: [] }),
    write: async (file) => {
      if (state.isFull) throw new AppError("CDI_UNWRITABLE", "no space left");
      folder.set(file.uid, file);
    },
    void: async (uid) => {
      const file = folder.get(uid);
      if (file) folder.set(uid, { ...file, isVoid: true });
    },
    remove: async (uid) => void folder.delete(uid),
  };
  const options = { gate: () => state.gate, epochs: () => state.epochs, bootId: async () => state.bootId };
  return { folder, state, keeper: createClaimKeeper(port, { log: silentLog }, options), isVoid: () => folder.get("c-1")?.isVoid };
}

describe("a claim file", () => {
  test("resolves while the gate is open in its epoch and with its node, is void else, and comes back", async () => {
    const { keeper, state, isVoid } = aFolder(FILE);
    const closed: readonly GateOn[] = [gateOf([]), gateOf([aUnit({ setupSeq: 2n })]), gateOf([aUnit()], "/dev/vfio/devices/vfio9")];
    await keeper.sync();
    for (const gate of closed) {
      state.gate = gate;
      expect(keeper.mustSync()).toBe(true);
      expect(await keeper.sync()).toEqual({ problem: "", removed: [] });
      expect([isVoid(), keeper.mustSync()]).toEqual([true, false]);
      state.gate = gateOf();
      await keeper.sync();
      expect(isVoid()).toBe(false);
    }
  });

  test("stays, before the first whole look, while the table has its epoch, and nothing that was void comes back by that", async () => {
    const { keeper, state, isVoid } = aFolder(FILE);
    state.gate = null;
    state.epochs = new Set([EPOCH]);
    await keeper.sync();
    expect(isVoid()).toBe(false);
    state.epochs = new Set();
    await keeper.sync();
    state.epochs = new Set([EPOCH]);
    await keeper.sync();
    expect(isVoid()).toBe(true);
  });

  test("of another boot is void, and one cannot be written while the boot is not known", async () => {
    const { keeper, state, isVoid } = aFolder({ ...FILE, bootId: "b-0" });
    await keeper.sync();
    expect(isVoid()).toBe(true);
    state.bootId = null;
    await expect(keeper.write(FILE)).rejects.toThrow("the boot id cannot be read");
  });

  test("that nobody will unprepare is removed; one that was prepared again meanwhile is not", async () => {
    const { keeper, folder } = aFolder({ ...FILE, bootId: "b-0" });
    const orphansOf = (files: readonly ClaimFile[]) => files.filter(({ bootId }) => bootId !== "b-1").map(({ uid }) => uid);
    const [, { removed }] = await Promise.all([keeper.write(FILE), keeper.sync(orphansOf)]);
    expect([removed, folder.get("c-1")?.bootId]).toEqual([[], "b-1"]);
    folder.set("c-1", { ...FILE, bootId: "b-0" });
    expect((await keeper.sync(orphansOf)).removed).toEqual(["c-1"]);
    expect(folder.size).toBe(0);
  });

  test("that cannot be brought back is told, and tried again by the next run", async () => {
    const { keeper, state, isVoid } = aFolder({ ...FILE, isVoid: true });
    state.isFull = true;
    expect((await keeper.sync()).problem).toBe("no space left");
    state.isFull = false;
    await keeper.sync();
    expect(isVoid()).toBe(false);
  });
});
