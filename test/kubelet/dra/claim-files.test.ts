// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ClaimFile, PreparedDevice } from "../../../src/domain/dra/claim-file.ts";
import { createCdi, specFileName } from "../../../src/kubelet/cdi/cdi.ts";
import { createClaimFiles } from "../../../src/kubelet/dra/claim-files.ts";
import { claimCdiName, type EditsOf } from "../../../src/kubelet/dra/claim-spec.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

const UID = "3e7f6d8a-5b0c-4f7e-9a52-0d6c1f2b3a49";
const OTHER = "a6c1f7b2-0000-4000-8000-000000000001";
const A: PreparedDevice = {
  address: "0000:17:00.0",
  request: "gpu",
  pool: "node-1/pci0000-16",
  node: "/dev/vfio/devices/vfio3",
  epoch: "m:7",
  attributes: { vendor: "10de" },
};
const B: PreparedDevice = { ...A, address: "0000:18:00.0", node: "/dev/vfio/devices/vfio4" };
const FILE: ClaimFile = {
  namespace: "ns",
  name: "claim",
  uid: UID,
  podClaimName: null,
  bootId: "boot-1",
  devices: [B, A],
  simulated: false,
  isVoid: false,
};

const edits: EditsOf = ({ node }) =>
  node === null ? { deviceNodes: [], env: { TEEIO_SIMULATED: "true" } } : { deviceNodes: [node, "/dev/iommu"], env: {} };

let scratch: Scratch;
let metadata: Scratch;
beforeEach(() => {
  scratch = createScratch();
  metadata = createScratch();
});
afterEach(() => {
  scratch.remove();
  metadata.remove();
});

const files = () => createClaimFiles({ dir: scratch.path, metadataDir: metadata.path, edits });
const jsonOf = (uid: string): string => `trusted-iommu-claim_${uid}.json`;
const voidOf = (uid: string): string => `trusted-iommu-claim_${uid}.void`;
const contentOf = (name: string): string => readFileSync(join(scratch.path, name), "utf8");

/** Writes the claim's file, changes its text, and reads. */
async function readChanged(change: (text: string) => string): Promise<Awaited<ReturnType<ReturnType<typeof files>["read"]>>> {
  await files().write(FILE);
  writeFileSync(join(scratch.path, jsonOf(UID)), change(contentOf(jsonOf(UID))));
  return files().read();
}

describe("a claim file", () => {
  it("is a CDI specification with a device for each of the claim's, and the fact in its annotations", async () => {
    await files().write({ ...FILE, devices: [A, { ...B, node: null }] });
    expect(JSON.parse(contentOf(jsonOf(UID)))).toEqual({
      cdiVersion: "0.6.0",
      kind: "teeio.dev/claim",
      annotations: {
        "teeio.dev/boot-id": "boot-1",
        "teeio.dev/namespace": "ns",
        "teeio.dev/name": "claim",
        "teeio.dev/uid": UID,
        "teeio.dev/simulated": "false",
      },
      devices: [
        {
          name: `${UID}_0000-17-00-0`,
          annotations: {
            "teeio.dev/address": "0000:17:00.0",
            "teeio.dev/request": "gpu",
            "teeio.dev/pool": "node-1/pci0000-16",
            "teeio.dev/epoch": "m:7",
            "teeio.dev/attributes": '{"vendor":"10de"}',
            "teeio.dev/node": "/dev/vfio/devices/vfio3",
          },
          containerEdits: {
            deviceNodes: ["/dev/vfio/devices/vfio3", "/dev/iommu"].map((path) => ({ path, hostPath: path, permissions: "rw" })),
          },
        },
        {
          name: `${UID}_0000-18-00-0`,
          annotations: {
            "teeio.dev/address": "0000:18:00.0",
            "teeio.dev/request": "gpu",
            "teeio.dev/pool": "node-1/pci0000-16",
            "teeio.dev/epoch": "m:7",
            "teeio.dev/attributes": '{"vendor":"10de"}',
          },
          containerEdits: { env: ["TEEIO_SIMULATED=true"] },
        },
        {
          name: `${UID}_metadata_0`,
          containerEdits: {
            mounts: [
              {
                hostPath: join(metadata.path, UID, "0.json"),
                containerPath: "/var/run/kubernetes.io/dra-device-attributes/resourceclaims/claim/gpu/teeio.dev-metadata.json",
                options: ["ro", "bind"],
              },
            ],
          },
        },
      ],
    });
    expect(claimCdiName(UID, A.address)).toBe(`teeio.dev/claim=${UID}_0000-17-00-0`);
  });

  it("is read as it was written, whatever it says", async () => {
    const hex = (digits: number) => fc.integer({ min: 0, max: 16 ** digits - 1 }).map((n) => n.toString(16).padStart(digits, "0"));
    const address = fc.tuple(hex(4), hex(2), fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 7 }));
    const prepared = fc.record({
      address: address.map(([segment, bus, slot, fn]) => `${segment}:${bus}:${slot.toString(16).padStart(2, "0")}.${fn}`),
      request: fc.string({ unit: "binary" }),
      pool: fc.string(),
      node: fc.option(fc.string()),
      epoch: fc.string(),
      attributes: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(fc.string(), fc.boolean(), fc.nat())),
    });
    const claim = fc.record({
      namespace: fc.string({ unit: "binary" }),
      name: fc.string(),
      uid: fc.oneof(fc.uuid(), fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?$/)),
      podClaimName: fc.option(fc.string()),
      bootId: fc.string(),
      devices: fc.uniqueArray(prepared, { selector: (device) => device.address, minLength: 1, maxLength: 4 }),
      simulated: fc.boolean(),
      isVoid: fc.boolean(),
    });
    const claims = fc.uniqueArray(claim, { selector: (one) => one.uid, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(claims, async (written) => {
        for (const file of written) await files().write(file);
        const byUid = [...written].sort((a, b) => (a.uid < b.uid ? -1 : 1));
        expect(await files().read()).toEqual({ files: byUid, unreadable: [] });
        for (const file of written) await files().remove(file.uid);
        expect([readdirSync(scratch.path), readdirSync(metadata.path)]).toEqual([[], []]);
      }),
      { numRuns: 60 },
    );
  });

  it("is whole when a runtime first sees its name", async () => {
    const seen: string[] = [];
    const watcher = watch(scratch.path, (_event, name) => seen.push(name ?? ""));
    await files().write(FILE);
    await expect.poll(() => seen).toContain(jsonOf(UID));
    watcher.close();
    const first = seen.indexOf(jsonOf(UID));
    expect(first).toBeGreaterThan(0);
    expect(seen.slice(0, first).every((name) => !/\.(json|yaml)$/.test(name))).toBe(true);
  });

  it("does not exist when the run that wrote it ended before the rename", async () => {
    await files().write(FILE);
    const half = contentOf(jsonOf(UID)).slice(0, 100);
    scratch.file(`.${jsonOf(OTHER)}.1b4e28ba.tmp`, half);
    expect(await files().read()).toEqual({ files: [FILE], unreadable: [] });
  });

  it("is replaced by what the claim is given anew", async () => {
    await files().write(FILE);
    const anew = { ...FILE, bootId: "boot-2", devices: [A] };
    await files().write(anew);
    expect(await files().read()).toEqual({ files: [anew], unreadable: [] });
  });
});

describe("a claim file that is void", () => {
  it("resolves nothing, and keeps the fact across runs", async () => {
    await files().write(FILE);
    await files().void(UID);
    expect(readdirSync(scratch.path)).toEqual([voidOf(UID)]);
    expect(await files().read()).toEqual({ files: [{ ...FILE, isVoid: true }], unreadable: [] });
    await files().void(UID);
    expect(readdirSync(scratch.path)).toEqual([voidOf(UID)]);
  });

  it("ends when the claim is prepared again, and counts for nothing where a run ended before that", async () => {
    await files().write(FILE);
    await files().void(UID);
    const old = contentOf(voidOf(UID));
    const anew = { ...FILE, bootId: "boot-2" };
    await files().write(anew);
    expect(readdirSync(scratch.path)).toEqual([jsonOf(UID)]);
    scratch.file(voidOf(UID), old);
    chmodSync(join(scratch.path, voidOf(UID)), 0o644);
    expect(await files().read()).toEqual({ files: [anew], unreadable: [] });
    await files().void(UID);
    expect(await files().read()).toEqual({ files: [{ ...anew, isVoid: true }], unreadable: [] });
  });

  it("is removed like another, and what is not there is removed already", async () => {
    await files().write(FILE);
    await files().void(UID);
    await files().remove(UID);
    await files().remove(UID);
    await files().void(UID);
    expect(readdirSync(scratch.path)).toEqual([]);
  });
});

describe("a file of the prefix that this program would not write", () => {
  it.each<[string, (text: string) => string]>([
    ["garbage", () => "{ not json"],
    ["nothing", () => ""],
    ["half of it", (text) => text.slice(0, text.length / 2)],
    ["another kind", (text) => text.replace("teeio.dev/claim", "teeio.dev/other")],
    ["another version", (text) => text.replace("0.6.0", "0.7.0")],
    ["another claim's UID", (text) => text.replaceAll(UID, OTHER)],
    ["a claim's UID in its annotation only", (text) => text.replace(`"teeio.dev/uid": "${UID}"`, `"teeio.dev/uid": "${OTHER}"`)],
    ["one more field", (text) => text.replace("{", '{ "more": 1,')],
    ["another device node", (text) => text.replaceAll('"/dev/vfio/devices/vfio3",\n', '"/dev/vfio/devices/vfio9",\n')],
    ["an address for another name", (text) => text.replace('"teeio.dev/address": "0000:17:00.0"', '"teeio.dev/address": "0000:19:00.0"')],
    ["no address", (text) => text.replaceAll("0000:17:00.0", "17")],
    ["a device twice", (text) => text.replaceAll("0000:18:00.0", "0000:17:00.0").replaceAll("0000-18-00-0", "0000-17-00-0")],
    ["no device", (text) => text.replace(/"devices": .*/s, '"devices": []\n}\n')],
    ["other white space", (text) => `${text} `],
  ])("is unreadable, with its path: %s", async (_what, change) => {
    const { files: read, unreadable } = await readChanged(change);
    expect({ read, unreadable }).toEqual({ read: [], unreadable: [expect.stringContaining(`${join(scratch.path, jsonOf(UID))}: `)] });
  });

  it("is unreadable under a name, or as a file, that is none of ours", async () => {
    await files().write(FILE);
    const text = contentOf(jsonOf(UID));
    scratch.file("trusted-iommu-claim_../x.json".replace("/", "-"), text);
    scratch.file(`trusted-iommu-claim_${UID}.yaml`, text);
    scratch.file(jsonOf(OTHER), text.replaceAll(UID, OTHER));
    chmodSync(join(scratch.path, jsonOf(OTHER)), 0o666);
    mkdirSync(join(scratch.path, jsonOf("folder")));
    symlinkSync(jsonOf(UID), join(scratch.path, jsonOf("link")));
    scratch.file(jsonOf("long"), " ".repeat(1024 * 1024 + 1));
    const { files: read, unreadable } = await files().read();
    expect(read).toEqual([FILE]);
    expect(unreadable.map((one) => one.slice(scratch.path.length + 1).split(": ")[0])).toEqual(
      [jsonOf("..-x"), `trusted-iommu-claim_${UID}.yaml`, jsonOf(OTHER), jsonOf("folder"), jsonOf("link"), jsonOf("long")].sort(),
    );
  });

  it("is left alone by the changes of others, and removed with its claim", async () => {
    await readChanged(() => "garbage");
    await files().write({ ...FILE, uid: OTHER });
    expect((await files().read()).unreadable).toHaveLength(1);
    await files().remove(UID);
    expect((await files().read()).unreadable).toEqual([]);
  });
});

describe("createClaimFiles", () => {
  it("makes its folder, and reads one that is not there as empty", async () => {
    const dir = join(scratch.path, "run", "cdi");
    const inFolder = createClaimFiles({ dir, metadataDir: metadata.path, edits });
    expect(await inFolder.read()).toEqual({ files: [], unreadable: [] });
    await inFolder.write(FILE);
    expect(readdirSync(dir)).toEqual([jsonOf(UID)]);
  });

  it("says why a file cannot be written, and names a folder that cannot be listed", async () => {
    scratch.file("in-the-way", "");
    const dir = join(scratch.path, "in-the-way", "cdi");
    await expect(createClaimFiles({ dir, metadataDir: metadata.path, edits }).write(FILE)).rejects.toMatchObject({
      code: "CDI_UNWRITABLE",
      message: expect.stringContaining(`the file of claim ${UID} cannot be written`),
    });
    const loop = join(scratch.path, "loop");
    symlinkSync("loop", loop);
    expect((await createClaimFiles({ dir: loop, metadataDir: metadata.path, edits }).read()).unreadable).toEqual([
      expect.stringContaining(`${loop}: ELOOP`),
    ]);
  });

  it.each(["", "../x", "a/b", ".", "-a", "a b", "a\n", "a".repeat(64)])("makes no file of the UID %j", async (uid) => {
    for (const work of [files().write({ ...FILE, uid }), files().void(uid), files().remove(uid)])
      await expect(work).rejects.toMatchObject({ code: "INVARIANT_BROKEN" });
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it("writes no file that gives nothing, or another node than it says", async () => {
    const nothing = createClaimFiles({ dir: scratch.path, metadataDir: metadata.path, edits: () => ({ deviceNodes: [], env: {} }) });
    const wrong = createClaimFiles({
      dir: scratch.path,
      metadataDir: metadata.path,
      edits: () => ({ deviceNodes: ["/dev/vfio/devices/vfio9"], env: {} }),
    });
    for (const work of [nothing.write(FILE), wrong.write(FILE), files().write({ ...FILE, devices: [] }), files().write({ ...FILE, devices: [A, A] })])
      await expect(work).rejects.toMatchObject({ code: "INVARIANT_BROKEN" });
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it("keeps the order of its calls, and reads between them", async () => {
    const port = files();
    const seen: boolean[][] = [];
    const look = async (): Promise<void> => void seen.push((await port.read()).files.map(({ isVoid }) => isVoid));
    await Promise.all([port.write(FILE), look(), port.void(UID), look(), port.write(FILE), look(), port.remove(UID), look()]);
    expect(seen).toEqual([[false], [true], [false], []]);
  });

  it("shares its folder with the specs of the device plugins, and neither touches the other's", async () => {
    const cdi = createCdi({ dir: scratch.path });
    const gpu = { resource: "teeio.dev/gpu", devices: [{ id: A.address, deviceNodes: ["/dev/vfio/devices/vfio3"], env: {} }] };
    await files().write(FILE);
    await files().write({ ...FILE, uid: OTHER });
    await files().void(OTHER);
    expect(await cdi.sync([gpu])).toEqual({
      problem: null,
      inPlace: new Map([["teeio.dev/gpu=0000:17:00.0", ["/dev/vfio/devices/vfio3"]]]),
      unreadable: [],
    });
    expect(readdirSync(scratch.path).sort()).toEqual([jsonOf(UID), voidOf(OTHER), specFileName("teeio.dev/gpu")].sort());
    expect(await cdi.sync([])).toEqual({ problem: null, inPlace: new Map(), unreadable: [] });
    expect((await files().read()).files.map(({ uid }) => uid)).toEqual([UID, OTHER].sort());
    await cdi.sync([gpu]);
    await files().remove(UID);
    await files().remove(OTHER);
    expect(readdirSync(scratch.path)).toEqual([specFileName("teeio.dev/gpu")]);
    expect((await files().read()).unreadable).toEqual([]);
  });
});

describe("the metadata of a claim", () => {
  const contentAt = (...path: readonly string[]): string => readFileSync(join(metadata.path, ...path), "utf8");

  it("is there for each request before the claim's file is, and stays while that is void", async () => {
    const nic: PreparedDevice = { ...B, request: "nic/fast" };
    await files().write({ ...FILE, podClaimName: "mine", devices: [A, nic] });
    expect(readdirSync(join(metadata.path, UID))).toEqual(["0.json", "1.json"]);
    const [newest, older] = contentAt(UID, "1.json")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(newest).toEqual({
      kind: "DeviceMetadata",
      apiVersion: "metadata.resource.k8s.io/v1beta1",
      metadata: { name: "claim", namespace: "ns", uid: UID, generation: 1 },
      podClaimName: "mine",
      requests: [
        {
          name: "nic/fast",
          devices: [{ driver: "teeio.dev", pool: "node-1/pci0000-16", name: "0000-18-00-0", attributes: { vendor: { string: "10de" } } }],
        },
      ],
    });
    expect(older).toEqual({ ...newest, apiVersion: "metadata.resource.k8s.io/v1alpha1" });
    expect(contentOf(jsonOf(UID))).toContain("/dra-device-attributes/resourceclaimtemplates/mine/nic/teeio.dev-metadata.json");
    await files().void(UID);
    expect(readdirSync(metadata.path)).toEqual([UID]);
  });

  it("is removed with its claim, and with it what a run has left that wrote no file of the claim", async () => {
    await files().write(FILE);
    await files().write({ ...FILE, uid: OTHER });
    mkdirSync(join(metadata.path, "left"));
    await files().remove(UID);
    expect(readdirSync(metadata.path)).toEqual([OTHER]);
  });

  it("that cannot be written leaves the claim without a file", async () => {
    metadata.file(UID, "in the way");
    await expect(files().write(FILE)).rejects.toMatchObject({ code: "CDI_UNWRITABLE", message: expect.stringContaining(UID) });
    expect(readdirSync(scratch.path)).toEqual([]);
  });
});
