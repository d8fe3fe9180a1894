// SPDX-License-Identifier: Apache-2.0
import type { Capabilities } from "../../src/host/capabilities.ts";

/** Of a function without TEE-I/O and IDE. */
export const plain: Capabilities = {
  teeIo: "No",
  teeIoWhy: "",
  isUpstream: false,
  ide: { kind: "Absent" },
  doe: [],
  totalVfs: 0,
  problem: "",
  answers: true,
};
/** Of one with both, and one selective stream. */
export const capable = (enabled: boolean, secure: boolean): Capabilities => ({
  teeIo: "Yes",
  teeIoWhy: "",
  isUpstream: false,
  ide: {
    kind: "Present",
    offset: 0x100,
    selectiveStreams: 1,
    teeLimited: true,
    keyManagement: true,
    streams: [{ kind: "Selective", enabled, secure, streamId: 0, block: 0, rids: null, control: enabled ? 1 : 0, status: secure ? 2 : 0 }],
  },
  doe: [],
  totalVfs: 0,
  problem: "",
  answers: true,
});
