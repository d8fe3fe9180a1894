// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type Capabilities, readCapabilities, UNREADABLE_CAPABILITIES, unreadableCapabilities } from "./capabilities.ts";
import type { ConfigSpace } from "./config-space.ts";
import { readingOfError } from "./reading.ts";

/** Reads the capabilities from a `config` attribute. An absent or unreadable file gives Unknown throughout. */
export function readConfigFile(path: string): Capabilities {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (thrown) {
    // Whatever the error was, nothing is known.
    const reading = readingOfError(thrown);
    return unreadableCapabilities(`its configuration space cannot be read: ${reading.kind === "Unreadable" ? reading.why : "there is none"}`);
  }
  try {
    // The attribute's size is the size of the function's space; what an unprivileged reader gets is shorter than that.
    return readCapabilities(configSpaceOfFile(file, fstatSync(file).size));
  } catch {
    return UNREADABLE_CAPABILITIES;
  } finally {
    closeSync(file);
  }
}

function configSpaceOfFile(file: number, size: number): ConfigSpace {
  const register = Buffer.alloc(4);
  return {
    size,
    u32(offset) {
      try {
        return readSync(file, register, 0, 4, offset) === 4 ? register.readUInt32LE(0) : null;
      } catch {
        return null; // EIO and ENODEV of a function that is going away: the register is unknown.
      }
    },
  };
}
