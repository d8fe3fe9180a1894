// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capturedSpace } from "../testing/hosts/captured.ts";
import { type Capabilities, configSpaceOf, readCapabilities } from "./config-space.ts";
import { anyStream } from "./ide.ts";

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
      ide: {
        kind: "Present",
        offset: 0x830,
        selectiveStreams: 1,
        teeLimited: true,
        keyManagement: true,
        streams: [{ kind: "Selective", enabled: true, secure: true, streamId: 0, control: expect.any(Number), status: 2 }],
      },
      doe: [0xe00],
      totalVfs: 4,
    });
  });

  it("of the DOE endpoint show two mailboxes, no IDE and no TEE-I/O", () => {
    expect(capabilitiesOf(capturedSpace("doe-endpoint"))).toEqual({ teeIo: "No", ide: { kind: "Absent" }, doe: [0x100, 0x130], totalVfs: 0 });
  });

  it("cut to the 64 bytes an unprivileged reader gets are Unknown throughout", () => {
    const cut = capturedSpace("tee-io-endpoint").subarray(0, 64);
    expect(capabilitiesOf(cut)).toEqual({ teeIo: "Unknown", ide: { kind: "Unknown" }, doe: [], totalVfs: null });
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
    expect(capabilitiesOf(new Uint8Array(256), 256)).toEqual({ teeIo: "No", ide: { kind: "Absent" }, doe: [], totalVfs: 0 });
  });

  it("of 256 bytes by the kernel's word have no IDE", () => {
    expect(capabilitiesOf(space().subarray(0, 256), 256)).toMatchObject({ teeIo: "Yes", ide: { kind: "Absent" } });
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
