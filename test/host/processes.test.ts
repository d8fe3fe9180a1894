// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { nodesOf, type OpenDevice, vfioMajors } from "../../src/host/processes.ts";

const DEVICES = `Character devices:
  1 mem
 10 misc
510 vfio
511 vfio-dev

Block devices:
  7 loop
511 vfio
`;
const MAJORS = vfioMajors(DEVICES);
const GROUPS = new Map([["510:0", "12"]]);
const open = (pid: number, overrides: Partial<OpenDevice>): OpenDevice => ({ pid, kind: "Node", major: 511, minor: 3, text: "", ...overrides });
const nodes = (...found: readonly OpenDevice[]) => nodesOf(found, MAJORS, GROUPS);
const known = (entries: Readonly<Record<string, readonly number[]>>) => ({ kind: "Known", pidsByNode: new Map(Object.entries(entries)) });

describe("the kernel's list of drivers", () => {
  it("gives vfio's majors among the character devices alone", () => {
    expect([...MAJORS]).toEqual([
      [510, "Group"],
      [511, "Device"],
    ]);
    expect(vfioMajors("").size).toBe(0);
  });
});

describe("what processes have open", () => {
  it("is named by number, whatever its path is", () => {
    const found = [open(7, { text: "/tmp/x" }), open(8, { text: "/dev/vfio/devices/vfio9 (deleted)" }), open(7, {})];
    expect(nodes(...found)).toEqual(known({ vfio3: [7, 8] }));
  });

  it("is a group's node, by its number in the class, or by its name when the class has lost it", () => {
    expect(nodes(open(7, { major: 510, minor: 0, text: "/tmp/x" }))).toEqual(known({ "12": [7] }));
    expect(nodes(open(7, { major: 510, minor: 4, text: "/dev/vfio/noiommu-44 (deleted)" }))).toEqual(known({ "44": [7] }));
    expect(nodes(open(7, { major: 510, minor: 4, text: "/tmp/x" }))).toEqual(known({ "510:4": [7] }));
  });

  it.each([
    ["/dev/vfio/devices/vfio3", "vfio3"],
    ["vfio3", "vfio3"],
    ["/dev/vfio/12", "12"],
    ["/dev/vfio/devices/vfio3\\040(deleted)", "vfio3"],
  ])("is a registered file by its name: %s", (text, node) => {
    expect(nodes(open(7, { kind: "Registered", major: 0, minor: 0, text }))).toEqual(known({ [node]: [7] }));
  });

  it("is a device of a group: by the address that the kernel names, by the group that its process has open, or unreadable", () => {
    const anonymous = open(7, { kind: "Anonymous", major: 0, minor: 0 });
    expect(nodes({ ...anonymous, text: "/sys/devices/pci0000:16/0000:16:01.0/0000:17:00.0" })).toEqual(known({ "0000:17:00.0": [7] }));
    expect(nodes(anonymous, open(7, { major: 510, minor: 0 }))).toEqual(known({ "12": [7] }));
    expect(nodes(anonymous, open(8, { major: 510, minor: 0 }))).toMatchObject({ kind: "Unreadable", why: expect.stringContaining("process 7") });
  });
});
