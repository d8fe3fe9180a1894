// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UNREADABLE_CAPABILITIES } from "../../src/host/capabilities.ts";
import type { Ide } from "../../src/host/ide.ts";
import { judgeStreams, type NamedStream, readStreams } from "../../src/host/streams.ts";
import { createScratch, type Scratch } from "../support/scratch.ts";
import { capable } from "./capabilities-of.ts";

const BRIDGE = "devices/pci0000:16";
const ENDPOINT = "0000:17:00.0";

describe("streams by the kernel's names", () => {
  let host: Scratch;

  beforeEach(() => {
    host = createScratch();
  });

  afterEach(() => host.remove());

  it("are the links of the host bridge, with the register blocks of both ends", () => {
    host.link(`sys/${BRIDGE}/stream3.1.2`, `0000:16:01.0/${ENDPOINT}`);
    host.link(`sys/${BRIDGE}/stream3.0.0`, "0000:16:01.0/0000:18:00.0");
    host.link(`sys/${BRIDGE}/stream3.9.9`, "elsewhere");
    host.file(`sys/${BRIDGE}/available_secure_streams`, "4\n");
    host.directory(`sys/${BRIDGE}/0000:16:01.0`);
    expect(readStreams(`${host.path}/sys`, BRIDGE)).toEqual({
      kind: "Value",
      value: [
        { endpoint: ENDPOINT, rootPortBlock: 1, endpointBlock: 2 },
        { endpoint: "0000:18:00.0", rootPortBlock: 0, endpointBlock: 0 },
      ],
    });
  });

  it("are none at a host bridge that is gone, and unreadable where they cannot be listed or followed", () => {
    expect(readStreams(`${host.path}/sys`, BRIDGE)).toEqual({ kind: "Missing" });
    host.file("sys/devices/file", "");
    host.file(`sys/${BRIDGE}/stream3.1.2`, "not a link");
    expect(readStreams(`${host.path}/sys`, BRIDGE)).toMatchObject({ kind: "Unreadable" });
  });
});

describe("the streams of a slot", () => {
  const one: NamedStream = { endpoint: ENDPOINT, rootPortBlock: 0, endpointBlock: 0 };
  const RANGE = { first: 0x1700, last: 0x1704 };
  const on = capable(true, true).ide;
  const off = capable(false, false).ide;
  const port = withRids(on, RANGE);

  it("are secure when one is enabled and secure in its blocks at both ends, and cover what the root port associates", () => {
    expect(judgeStreams([one], { endpoint: on, rootPort: port })).toEqual({ secure: "Yes", covers: [RANGE] });
    expect(judgeStreams([{ ...one, endpointBlock: 1 }, one], { endpoint: on, rootPort: port })).toEqual({ secure: "Yes", covers: [RANGE] });
  });

  it("are not when one end is off, enabled alone, or without such a block", () => {
    for (const half of [off, capable(true, false).ide, capable(false, true).ide, { kind: "Absent" } as const]) {
      expect(judgeStreams([one], { endpoint: half, rootPort: port })).toEqual({ secure: "No", covers: [] });
      expect(judgeStreams([one], { endpoint: on, rootPort: half })).toEqual({ secure: "No", covers: [] });
    }
    expect(judgeStreams([{ ...one, endpointBlock: 1 }], { endpoint: on, rootPort: port })).toEqual({ secure: "No", covers: [] });
    expect(judgeStreams([{ ...one, rootPortBlock: 1 }], { endpoint: on, rootPort: port })).toEqual({ secure: "No", covers: [] });
  });

  it("are none when the kernel names none, whatever the registers say", () => {
    expect(judgeStreams([], { endpoint: on, rootPort: port })).toEqual({ secure: "No", covers: [] });
  });

  it("cannot be told while an end cannot be read", () => {
    for (const unread of [null, UNREADABLE_CAPABILITIES.ide]) {
      expect(judgeStreams([one], { endpoint: unread, rootPort: port }).secure).toBe("Unknown");
      expect(judgeStreams([one], { endpoint: on, rootPort: unread }).secure).toBe("Unknown");
    }
  });

  it("cover nothing without a valid association", () => {
    expect(judgeStreams([one], { endpoint: on, rootPort: on })).toEqual({ secure: "Yes", covers: [] });
  });
});

function withRids(ide: Ide, rids: { first: number; last: number }): Ide {
  if (ide.kind !== "Present" || ide.streams === null) throw new Error("no streams");
  return { ...ide, streams: ide.streams.map((stream) => ({ ...stream, rids })) };
}
