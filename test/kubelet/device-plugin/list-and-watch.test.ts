// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { unixClient } from "../../../src/kubelet/grpc-call.ts";
import { type Empty, type ListAndWatchResponse, loadDevicePluginWire } from "../../../src/kubelet/wire.ts";
import { device, GPU, NIC, type Scene, startScene, until } from "../scene.ts";

const { plugin } = loadDevicePluginWire();
const A = device("0000:17:00.0", 0);
const B = device("0000:65:00.0", null);

let scene: Scene | null = null;
const readers: { close(): void }[] = [];
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await scene?.close();
  scene = null;
});

interface Reader {
  readonly lists: string[][];
  readonly stream: ClientReadableStream<ListAndWatchResponse>;
  isEnded: boolean;
}

/** A second ListAndWatch on the plugin's socket, beside kubelet's. */
function read(dir: string, onList: (ids: string[]) => void = () => undefined): Reader {
  const [name = ""] = readdirSync(dir).filter((entry) => entry.startsWith("tiommu-"));
  const client = unixClient(join(dir, name));
  const method = plugin.ListAndWatch;
  const stream = client.makeServerStreamRequest<Empty, ListAndWatchResponse>(method.path, method.requestSerialize, method.responseDeserialize, {});
  const reader: Reader = { lists: [], stream, isEnded: false };
  stream.on("data", (message: ListAndWatchResponse) => {
    const ids = message.devices.map((entry) => entry.ID);
    reader.lists.push(ids);
    onList(ids);
  });
  stream.on("error", () => {
    reader.isEnded = true;
  });
  stream.on("end", () => {
    reader.isEnded = true;
  });
  readers.push({
    close: () => {
      stream.cancel();
      client.close();
    },
  });
  return reader;
}

async function startOffering(): Promise<Scene> {
  scene = await startScene();
  scene.plugins.publish([{ resource: GPU, devices: [A, B] }]);
  const s = scene;
  await until("offered", () => s.kubelet.count(GPU).allocatable === 2);
  return s;
}

describe("ListAndWatch", () => {
  it("gives each of two streams every update, whole", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    await until("both have it", () => reader.lists.length === 2 && s.kubelet.count(GPU).capacity === 1);
    s.plugins.publish([{ resource: GPU, devices: [A, { ...B, healthy: false }] }]);
    await until("both have it", () => reader.lists.length === 3 && s.kubelet.count(GPU).capacity === 2);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 2, allocatable: 1 });
    expect(reader.lists).toEqual([[A.id, B.id], [A.id], [A.id, B.id]]);
    expect(s.kubelet.devices(GPU)[1]).toEqual({ id: B.id, healthy: false, numaNodes: [] });
  });

  it("does not send an unchanged list again", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    for (let count = 0; count < 5; count++) s.plugins.publish([{ resource: GPU, devices: [{ ...A }, { ...B }] }]);
    s.plugins.publish([{ resource: GPU, devices: [B] }]);
    await until("the change", () => reader.lists.length > 1);
    expect(reader.lists).toEqual([[A.id, B.id], [B.id]]);
  });

  it("sends kubelet the list that it has once more when it is asked to, and nobody else", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    const before = s.kubelet.lists(GPU);
    s.plugins.sendAgain();
    await until("kubelet has it again", () => s.kubelet.lists(GPU) === before + 1);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 2, allocatable: 2 });
    expect(reader.lists).toHaveLength(1);
  });

  it("gives a reader that does not read the newest list, not all of them, and holds up nobody else", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    reader.stream.pause();
    const listOf = (version: number) => Array.from({ length: 500 }, (_, index) => device(`0000:${String(version).padStart(4, "0")}:${index}`));
    const versions = 120;
    for (let version = 1; version <= versions; version++) {
      s.plugins.publish([{ resource: GPU, devices: listOf(version) }]);
      const [first] = listOf(version);
      await until("kubelet has it", () => s.kubelet.devices(GPU)[0]?.id === first?.id);
    }
    reader.stream.resume();
    const last = listOf(versions)[0]?.id;
    await until("the newest list", () => reader.lists.at(-1)?.[0] === last);
    expect(reader.lists.length).toBeLessThan(versions / 2);
  });

  it("keeps its registration when another reader comes and goes, and loses it with the stream that kubelet opened", async () => {
    const s = await startOffering();
    for (let count = 0; count < 3; count++) {
      const reader = read(s.dir);
      await until("the first list", () => reader.lists.length === 1);
      reader.stream.cancel();
      await until("ended", () => reader.isEnded);
    }
    // What the plugin did about an end it has done when it has sent a later list.
    s.plugins.publish([{ resource: GPU, devices: [A] }]);
    await until("the change", () => s.kubelet.count(GPU).capacity === 1);
    expect(s.kubelet.registrations).toHaveLength(1);
    expect(s.plugins.publications()[0]).toMatchObject({ registered: true, ids: [A.id] });
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    s.kubelet.cutStream(GPU);
    await until("a second registration", () => s.kubelet.registrations.length === 2);
    await until("registered", () => s.plugins.publications()[0]?.registered === true);
  });

  it("names every id that a reader may still believe in", async () => {
    const s = await startOffering();
    expect(s.plugins.publications()[0]?.ids).toEqual([A.id, B.id]);
    s.plugins.publish([{ resource: GPU, devices: [] }]);
    await until("withdrawn", () => s.plugins.publications()[0]?.ids.length === 0 && s.kubelet.allocatable(GPU).length === 0);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
  });

  it("sends an empty list, then ends, when a resource is no longer named", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    s.plugins.publish([{ resource: NIC, devices: [] }]);
    await until("ended", () => reader.isEnded && !s.plugins.publications().some((publication) => publication.resource === GPU));
    expect(reader.lists.at(-1)).toEqual([]);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
    expect(readdirSync(s.dir).filter((name) => name.startsWith("tiommu-"))).toHaveLength(1);
  });

  it("serves a resource again that was named again while it was being withdrawn", async () => {
    const s = await startOffering();
    s.plugins.publish([]);
    s.plugins.publish([{ resource: GPU, devices: [B] }]);
    await until("offered again", () => s.kubelet.allocatable(GPU).join() === B.id && s.plugins.publications()[0]?.registered === true);
    expect(readdirSync(s.dir).filter((name) => name.startsWith("tiommu-"))).toHaveLength(1);
  });

  it("sends empty lists and leaves no socket behind at the end", async () => {
    const s = await startOffering();
    const reader = read(s.dir);
    await until("the first list", () => reader.lists.length === 1);
    await Promise.all([s.plugins.close(), s.plugins.close()]);
    await until("ended", () => reader.isEnded);
    expect(reader.lists.at(-1)).toEqual([]);
    expect(s.kubelet.count(GPU)).toEqual({ capacity: 0, allocatable: 0 });
    expect(readdirSync(s.dir).filter((name) => name.startsWith("tiommu-"))).toEqual([]);
    expect(s.plugins.publications()).toEqual([]);
  });

  it("tells its listeners of a registration that is lost and of one that is made", async () => {
    const s = await startOffering();
    const seen: boolean[] = [];
    const stop = s.plugins.onChange(() => seen.push(s.plugins.publications()[0]?.registered ?? false));
    await s.kubelet.restart();
    await until("lost and back", () => seen.includes(false) && seen.at(-1) === true);
    stop();
    const count = seen.length;
    await s.kubelet.restart();
    await until("back", () => s.kubelet.count(GPU).allocatable === 2);
    expect(seen.length).toBe(count);
  });
});
