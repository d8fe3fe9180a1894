// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCdi, specFileName } from "../../../src/kubelet/cdi/cdi.ts";
import { cdiKindProblem, cdiName, renderCdiSpec } from "../../../src/kubelet/cdi/cdi-spec.ts";
import type { CdiResource } from "../../../src/kubelet/port.ts";

const GPU: CdiResource = {
  resource: "teeio.dev/gpu",
  devices: [
    { id: "0000:17:00.0", deviceNodes: ["/dev/vfio/devices/vfio3"], env: { TEEIO_A: "0000:17:00.0" } },
    { id: "0001:17:00.0", deviceNodes: [], env: { TEEIO_B: "0001:17:00.0" } },
  ],
};

/** What a spec of `GPU` names. */
const NAMED = new Map([
  ["teeio.dev/gpu=0000:17:00.0", ["/dev/vfio/devices/vfio3"]],
  ["teeio.dev/gpu=0001:17:00.0", []],
]);

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "ti-cdi-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a CDI spec", () => {
  it("has the resource as kind, the id as device name and the lowest version that covers its fields", () => {
    expect(JSON.parse(renderCdiSpec(GPU))).toEqual({
      cdiVersion: "0.5.0",
      kind: "teeio.dev/gpu",
      devices: [
        {
          name: "0000:17:00.0",
          containerEdits: {
            env: ["TEEIO_A=0000:17:00.0"],
            deviceNodes: [{ path: "/dev/vfio/devices/vfio3", hostPath: "/dev/vfio/devices/vfio3", permissions: "rw" }],
          },
        },
        { name: "0001:17:00.0", containerEdits: { env: ["TEEIO_B=0001:17:00.0"] } },
      ],
    });
    expect(JSON.parse(renderCdiSpec({ ...GPU, resource: "teeio.dev/gpu.big" })).cdiVersion).toBe("0.6.0");
    expect(cdiName("teeio.dev/gpu", "0000:17:00.0")).toBe("teeio.dev/gpu=0000:17:00.0");
  });

  it.each(["gpu", "a/gpu", "teeio.dev/g", "9teeio/gpu", "teeio.dev/gpu-", "teeio.dev/a/b", "teeio_/gpu", `teeio.dev/${"g".repeat(64)}`])(
    "refuses %s as a kind",
    (resource) => {
      expect(cdiKindProblem(resource)).not.toBe("");
      expect(() => renderCdiSpec({ ...GPU, resource })).toThrow(resource);
    },
  );
});

describe("createCdi", () => {
  it("writes a spec per resource, creates the folder, and leaves no temporary file", async () => {
    const dir = join(root, "run", "cdi");
    await createCdi({ dir }).sync([GPU, { resource: "teeio.dev/nic", devices: [] }]);
    expect(readdirSync(dir)).toEqual(["trusted-iommu_teeio.dev_gpu.json"]);
    expect(readFileSync(join(dir, specFileName("teeio.dev/gpu")), "utf8")).toBe(renderCdiSpec(GPU));
  });

  it("never shows a reader a spec under a name that ends in .json before it is whole", async () => {
    const seen: string[] = [];
    const watcher = watch(root, (_event, name) => seen.push(name ?? ""));
    const cdi = createCdi({ dir: root });
    await cdi.sync([GPU]);
    await expect.poll(() => seen).toContain(specFileName("teeio.dev/gpu"));
    watcher.close();
    const first = seen.indexOf(specFileName("teeio.dev/gpu"));
    expect(seen.slice(0, first).length).toBeGreaterThan(0);
    expect(seen.slice(0, first).every((name) => !/\.(json|yaml)$/.test(name))).toBe(true);
  });

  it("does not write an unchanged spec again", async () => {
    const cdi = createCdi({ dir: root });
    await cdi.sync([GPU]);
    const before = statSync(join(root, specFileName("teeio.dev/gpu")), { bigint: true });
    await cdi.sync([GPU]);
    const after = statSync(join(root, specFileName("teeio.dev/gpu")), { bigint: true });
    expect([after.ino, after.ctimeNs]).toEqual([before.ino, before.ctimeNs]);
  });

  it("removes its own specs when they are no longer named, and nobody else's", async () => {
    const cdi = createCdi({ dir: root });
    writeFileSync(join(root, "nvidia.com-gpu.json"), "{}");
    await cdi.sync([GPU]);
    await cdi.sync([]);
    expect(readdirSync(root)).toEqual(["nvidia.com-gpu.json"]);
  });

  it("takes the place of the spec that an earlier version wrote under another name", async () => {
    writeFileSync(join(root, "trusted-iommu_teeio.dev-gpu.json"), renderCdiSpec(GPU));
    await createCdi({ dir: root }).sync([GPU]);
    expect(readdirSync(root)).toEqual([specFileName("teeio.dev/gpu")]);
  });

  it("gives each resource a file of its own, also two whose names differ by where the domain ends, and one with the longest name", async () => {
    const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(58)}/${"d".repeat(62)}e`;
    const resources = ["teeio.dev-hpc/gpu", "teeio.dev/hpc-gpu", "teeio.dev/hpc_gpu", long, `${long.slice(0, -1)}f`];
    expect(long).toHaveLength(244);
    const outcome = await createCdi({ dir: root }).sync(resources.map((resource) => ({ ...GPU, resource })));
    expect(outcome).toMatchObject({ problem: null, unreadable: [] });
    const kinds = readdirSync(root).map((name): string => JSON.parse(readFileSync(join(root, name), "utf8")).kind);
    expect(kinds.sort()).toEqual([...resources].sort());
  });

  it("has nothing to do in a folder that does not exist when nothing is offered", async () => {
    await expect(createCdi({ dir: join(root, "none") }).sync([])).resolves.toEqual({ problem: null, inPlace: new Map(), unreadable: [] });
  });

  it("writes the other resources when one cannot be a kind, and says which", async () => {
    const outcome = await createCdi({ dir: root }).sync([{ ...GPU, resource: "a/b" }, GPU]);
    expect(outcome).toMatchObject({ problem: { code: "MANIFEST_INVALID" }, inPlace: NAMED });
    expect(readdirSync(root)).toEqual([specFileName("teeio.dev/gpu")]);
  });

  it("says so when a spec cannot be written", async () => {
    writeFileSync(join(root, "file"), "");
    const outcome = await createCdi({ dir: join(root, "file") }).sync([GPU]);
    expect(outcome).toMatchObject({ problem: { code: "CDI_UNWRITABLE" }, inPlace: new Map(), unreadable: [] });
  });

  it("says what is in place where a file cannot be replaced or removed", async () => {
    const cdi = createCdi({ dir: root });
    expect(await cdi.sync([GPU])).toEqual({ problem: null, inPlace: NAMED, unreadable: [] });
    // Not even root can write here.
    const path = join(root, specFileName(GPU.resource));
    execFileSync("mount", ["--bind", path, path]);
    try {
      expect(await cdi.sync([])).toMatchObject({ problem: { code: "CDI_UNWRITABLE" }, inPlace: NAMED, unreadable: [] });
    } finally {
      execFileSync("umount", [path]);
    }
  });

  it.each(["", "{}", '{"kind":"teeio.dev/gpu","devices":[{}]}', '{"kind":"teeio.dev/gpu"}'])(
    "does not guess what a file with %j names that it cannot remove",
    async (content) => {
      const path = join(root, specFileName(GPU.resource));
      writeFileSync(path, content);
      execFileSync("mount", ["--bind", path, path]);
      try {
        expect(await createCdi({ dir: root }).sync([])).toMatchObject({ inPlace: new Map(), unreadable: [specFileName(GPU.resource)] });
      } finally {
        execFileSync("umount", [path]);
      }
    },
  );
});

describe("modes", () => {
  it("are those of a file that root's programs believe, whatever the umask and whatever was there", async () => {
    const dir = join(root, "cdi");
    const spec = join(dir, specFileName(GPU.resource));
    const before = process.umask(0);
    try {
      await createCdi({ dir }).sync([GPU]);
      expect([statSync(dir).mode & 0o777, statSync(spec).mode & 0o777]).toEqual([0o755, 0o644]);
      chmodSync(spec, 0o666);
      const open = statSync(spec).ino;
      await createCdi({ dir }).sync([GPU]);
      expect(statSync(spec).mode & 0o777).toBe(0o644);
      // Replaced, not only closed: a process may still have the open one.
      expect(statSync(spec).ino).not.toBe(open);
      process.umask(0o077);
      rmSync(spec);
      await createCdi({ dir }).sync([GPU]);
      expect(statSync(spec).mode & 0o777).toBe(0o644);
    } finally {
      process.umask(before);
    }
  });
});
