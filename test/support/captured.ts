// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** Configuration space captured from a real function: `tee-io-endpoint` or `doe-endpoint`, 4096 bytes. */
export function capturedSpace(name: "tee-io-endpoint" | "doe-endpoint"): Uint8Array {
  const text = readFileSync(new URL(`../../hosts/captured/${name}.hex`, import.meta.url), "utf8");
  const bytes = text
    .trim()
    .split("\n")
    .flatMap((line) => (line.split(": ")[1] ?? "").split(" "));
  return Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16));
}

/** Path of a host description that the project ships. */
export function shippedHost(name: "one-unit" | "tdx-connect-2s" | "sapphire-rapids-2s" | "large"): string {
  return new URL(`../../hosts/${name}.yaml`, import.meta.url).pathname;
}
