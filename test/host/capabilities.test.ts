// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Capabilities, readCapabilities } from "../../src/host/capabilities.ts";
import { configSpaceOf } from "../../src/host/config-space.ts";
import { anyStream } from "../../src/host/ide.ts";
import { capturedSpace } from "../support/captured.ts";

const SIZE = 4096;
const capabilitiesOf = (bytes: Uint8Array, size = SIZE): Capabilities => readCapabilities(configSpaceOf(bytes, size));

/** A PCIe endpoint with TEE-I/O and the given extended-capability headers (offset to header). */
function space(headers: Record<number, number> = {}, devcap = 1 << 30): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x233510de, true);
  view.setUint32(4, 0x00100006, true);
  view.setUint32(0x34, 0x40, true);
  view.setUint32(0x40, 0x00020010, true);
  view.setUint32(0x44, devcap, true);
  for (const [offset, header] of Object.entries(headers)) view.setUint32(Number(offset), header, true);
  return bytes;
}

describe("captured configuration spaces", () => {
  it("of the TEE-I/O endpoint show TEE-I/O, one selective stream that is enabled and secure, DOE at 0xe00 and 4 VFs", () => {
    expect(capabilitiesOf(capturedSpace("tee-io-endpoint"))).toEqual({
      teeIo: "Yes",
      answers: true,
      isUpstream: false,
      teeIoWhy: "",
      ide: {
        kind: "Present",
        offset: 0x830,
        selectiveStreams: 1,
        teeLimited: true,
        keyManagement: true,
        streams: [
          {
            kind: "Selective",
            enabled: true,
            secure: true,
            streamId: 0,
            block: 0,
            rids: { first: 0, last: 0xffff },
            control: expect.any(Number),
            status: 2,
          },
        ],
      },
      doe: [0xe00],
      totalVfs: 4,
      problem: "",
    });
  });

  it("of the DOE endpoint show two mailboxes, no IDE and no TEE-I/O", () => {
    expect(capabilitiesOf(capturedSpace("doe-endpoint"))).toMatchObject({
      teeIo: "No",
      ide: { kind: "Absent" },
      doe: [0x100, 0x130],
      totalVfs: 0,
      problem: "",
    });
  });

  it("cut to the 64 bytes an unprivileged reader gets are Unknown throughout", () => {
    const cut = capturedSpace("tee-io-endpoint").subarray(0, 64);
    expect(capabilitiesOf(cut)).toMatchObject({ teeIo: "Unknown", ide: { kind: "Unknown" }, doe: null, totalVfs: null });
  });

  it("cut behind the header show TEE-I/O and leave IDE Unknown", () => {
    const cut = capabilitiesOf(capturedSpace("tee-io-endpoint").subarray(0, 256));
    expect(cut).toMatchObject({ teeIo: "Yes", ide: { kind: "Unknown" }, totalVfs: null });
  });

  it("cut inside the stream's registers leave its state Unknown", () => {
    const cut = capabilitiesOf(capturedSpace("tee-io-endpoint").subarray(0, 0x844));
    expect(cut.ide).toMatchObject({ kind: "Present", selectiveStreams: 1, streams: null });
    expect(anyStream(cut.ide, (stream) => stream.enabled)).toBe("Unknown");
  });
});

describe("odd configuration spaces", () => {
  it("of a function that no longer answers are Unknown", () => {
    expect(capabilitiesOf(new Uint8Array(SIZE).fill(0xff))).toMatchObject({ teeIo: "Unknown", ide: { kind: "Unknown" } });
  });

  it("without a capability list have neither TEE-I/O nor IDE", () => {
    expect(capabilitiesOf(new Uint8Array(256), 256)).toMatchObject({ teeIo: "No", ide: { kind: "Absent" }, doe: [], totalVfs: 0, problem: "" });
  });

  it("of 256 bytes by the kernel's word hide IDE, DOE and SR-IOV of an Express function, and of no other", () => {
    const hidden = { ide: { kind: "Unknown" }, doe: null, totalVfs: null };
    expect(capabilitiesOf(space().subarray(0, 256), 256)).toMatchObject({ teeIo: "Yes", ...hidden });
    expect(capabilitiesOf(space({}, 0).subarray(0, 256), 256)).toMatchObject({ teeIo: "No", ...hidden });
    expect(capabilitiesOf(new Uint8Array(256), 256)).toMatchObject({ teeIo: "No", ide: { kind: "Absent" }, totalVfs: 0, problem: "" });
  });

  it("say why there is no TEE-I/O", () => {
    const why = (bytes: Uint8Array): string => capabilitiesOf(bytes).teeIoWhy;
    expect(why(space())).toBe("");
    expect(why(space({}, 0))).toBe("DEVCAP bit 30 is clear");
    expect(why(new Uint8Array(SIZE))).toBe("it has no PCI Express capability");
    expect(why(space().fill(0x42, 0x42, 0x43))).toBe("a TSM connects no function of its type");
    expect(why(space().subarray(0, 64))).toContain("CAP_SYS_ADMIN");
  });

  it("say why they cannot be read", () => {
    const problem = (bytes: Uint8Array, size = SIZE): string => capabilitiesOf(bytes, size).problem;
    expect(problem(space())).toBe("");
    expect(problem(space().subarray(0, 64))).toContain("CAP_SYS_ADMIN");
    expect(problem(space().subarray(0, 64), 256)).toContain("CAP_SYS_ADMIN");
    expect(problem(space().subarray(0, 256), 256)).toBe("the kernel shows only 256 bytes of its configuration space");
    expect(problem(space().subarray(0, 256))).toBe("its configuration space cannot be read at 0x100");
    expect(problem(new Uint8Array(SIZE).fill(0xff))).toContain("all ones");
    expect(problem(new Uint8Array(0))).toBe("its configuration space cannot be read");
  });

  it("end a chain that leads round in a circle", () => {
    const looped = capabilitiesOf(space({ 256: 0x2000002e, 512: 0x1000002e }));
    expect(looped).toMatchObject({ teeIo: "Yes", ide: { kind: "Absent" }, doe: [0x100, 0x200] });
  });

  it("count link streams before selective ones, whose blocks differ in length", () => {
    const bytes = space({ 256: 0x00000030, 260: 0x00012003 }); // Two link TCs, two selective streams.
    const view = new DataView(bytes.buffer);
    view.setUint32(0x114, 1, true); // Second link stream: enabled.
    view.setUint32(0x11c, 2, true); // First selective block: two address associations, so 44 bytes.
    view.setUint32(0x11c + 44 + 4, 0x07000001, true);
    view.setUint32(0x11c + 44 + 8, 2, true);
    expect(capabilitiesOf(bytes).ide).toMatchObject({
      selectiveStreams: 2,
      streams: [
        { kind: "Link", enabled: false },
        { kind: "Link", enabled: true },
        { kind: "Selective", enabled: false, secure: false },
        { kind: "Selective", enabled: true, secure: true, streamId: 7 },
      ],
    });
  });
});

describe("the capability list", () => {
  const teeIoOf = (edits: Record<number, number>): string => {
    const bytes = space();
    for (const [offset, byte] of Object.entries(edits)) bytes[Number(offset)] = byte;
    return capabilitiesOf(bytes).teeIo;
  };
  /** Express with TEE-I/O at 0x50, in front of it whatever the test says. */
  const AT_50 = { 80: 0x10, 81: 0, 82: 2, 87: 0x40, 64: 0x01, 65: 0x50 };

  it("ends at an id of 0xff, whatever it names as the next", () => {
    expect(teeIoOf(AT_50)).toBe("Yes");
    expect(teeIoOf({ ...AT_50, 64: 0xff })).toBe("No");
  });

  it("begins at 0x14 of a CardBus bridge, and is not read of a header that nobody knows", () => {
    expect(teeIoOf({ 14: 0x80 })).toBe("Yes");
    expect(teeIoOf({ 14: 1 })).toBe("Yes");
    expect(teeIoOf({ 14: 2 })).toBe("No");
    expect(teeIoOf({ 14: 2, 52: 0, 20: 0x40 })).toBe("Yes");
    for (const header of [3, 0x7f, 0xff]) expect(teeIoOf({ 14: header })).toBe("Unknown");
  });

  it("of a port or bridge, to which no TSM connects, gives no TEE-I/O", () => {
    const ofType = (type: number): string => teeIoOf({ 66: 2 | (type << 4) });
    const types = Array.from({ length: 16 }, (_, type) => type);
    expect(types.filter((type) => ofType(type) === "Yes")).toEqual([0, 5, 9]); // Endpoint, upstream port, integrated endpoint.
    const isUpstream = (type: number): boolean => capabilitiesOf(space({ 64: ((2 | (type << 4)) << 16) | 0x10 })).isUpstream;
    expect(types.filter(isUpstream)).toEqual([5]);
  });
});

/**
 * What Linux sees, byte by byte: `pci_find_capability` (drivers/pci/pci.c), DEVCAP as `set_pcie_port_type` reads it, and the types of
 * `is_pci_tsm_pf0` (drivers/pci/tsm.c). Written from the kernel's source, and independent of the reader.
 */
function kernelSeesTeeIo(bytes: Uint8Array): boolean {
  const byte = (at: number): number => bytes[at] ?? 0xff;
  if ((byte(6) & 0x10) === 0) return false;
  const type = byte(0x0e) & 0x7f;
  if (type > 2) return false;
  let at = byte(type === 2 ? 0x14 : 0x34);
  for (let ttl = 48; ttl > 0 && at >= 0x40; ttl -= 1) {
    at -= at % 4;
    if (byte(at) === 0xff) return false;
    if (byte(at) === 0x10) return (byte(at + 7) & 0x40) !== 0 && [0, 5, 9].includes(byte(at + 2) >> 4);
    at = byte(at + 1);
  }
  return false;
}

describe("TEE-I/O of any configuration space", () => {
  const byteAt = fc.oneof(fc.constantFrom(0x06, 0x0e, 0x14, 0x34, 0x40, 0x41, 0x42, 0x47, 0x60, 0x61, 0x62, 0x67), fc.nat(0x103));
  const value = fc.oneof(fc.constantFrom(0, 1, 2, 0x10, 0x40, 0x44, 0x50, 0x60, 0x80, 0xff), fc.nat(0xff));
  const edits = fc.array(fc.tuple(byteAt, value), { maxLength: 12 });
  const base = fc.constantFrom(space(), space({}, 0), capturedSpace("tee-io-endpoint"), capturedSpace("doe-endpoint"), new Uint8Array(SIZE));

  it("is Yes only where the kernel would see it, and never No where it would", () => {
    const seen = { Yes: 0, No: 0, Unknown: 0 };
    fc.assert(
      fc.property(base, edits, (from, changes) => {
        const bytes = Uint8Array.from(from);
        for (const [at, to] of changes) bytes[at] = to;
        const { teeIo } = capabilitiesOf(bytes);
        seen[teeIo] += 1;
        expect(teeIo).not.toBe(kernelSeesTeeIo(bytes) ? "No" : "Yes");
      }),
      { numRuns: 5_000 },
    );
    expect(seen.Yes).toBeGreaterThan(100);
    expect(seen.No).toBeGreaterThan(100);
  });
});

describe("any bytes", () => {
  it("give an answer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: SIZE }), fc.constantFrom(64, 256, SIZE), (bytes, size) => {
        expect(["Yes", "No", "Unknown"]).toContain(capabilitiesOf(bytes, size).teeIo);
      }),
    );
  });

  it("behind a valid header give an answer, and never more streams than the capability names", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: SIZE - 0x100, maxLength: SIZE - 0x100 }), fc.nat(0xffff), (tail, cap) => {
        const bytes = space();
        bytes.set(tail, 0x100);
        new DataView(bytes.buffer).setUint32(0x100, 0x00010030, true);
        new DataView(bytes.buffer).setUint32(0x104, cap, true);
        const { ide } = capabilitiesOf(bytes);
        if (ide.kind === "Present" && ide.streams !== null) expect(ide.streams.length).toBeLessThanOrEqual(ide.selectiveStreams + 8);
      }),
    );
  });

  it("that are fewer than the whole never turn No into Yes, nor a secured link into an insecure one", () => {
    const whole = capturedSpace("tee-io-endpoint");
    const insecure = capturedSpace("doe-endpoint");
    fc.assert(
      fc.property(fc.nat(SIZE), (length) => {
        const cut = capabilitiesOf(whole.subarray(0, length));
        expect(anyStream(cut.ide, (stream) => stream.enabled)).not.toBe("No");
        expect(capabilitiesOf(insecure.subarray(0, length)).teeIo).not.toBe("Yes");
        if (length < 0x78) expect(cut.teeIo).toBe("Unknown");
      }),
      { numRuns: 400 },
    );
  });
});
