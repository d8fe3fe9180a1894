// SPDX-License-Identifier: Apache-2.0

/** resource.k8s.io/v1 ResourceSlice: ours whole, of other drivers only the devices with a PCI address. Pure. */
import * as z from "zod";
import { parseAddress } from "../../domain/address.ts";
import { DRA_DRIVER } from "../../domain/dra/names.ts";
import type { SeenSlice } from "../../domain/dra/slices.ts";
import { asPlain, versionOf } from "../watch/objects.ts";
import { read } from "./api.ts";
import type { ForeignDevice } from "./port.ts";

export type KeptSlice =
  | { readonly kind: "Ours"; readonly slice: SeenSlice }
  | { readonly kind: "Foreign"; readonly devices: readonly ForeignDevice[] };

const ownSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string() }),
  spec: z.object({ pool: z.object({ name: z.string(), generation: z.number(), resourceSliceCount: z.number() }) }),
});

/** The standard attribute; a string, or since 1.36 a list of them. */
const PCI_ADDRESS = "resource.kubernetes.io/pciBusID";

/** What is kept of a slice of `node`; null when that is nothing. @throws API_UNREACHABLE, garbled, on one of ours that is no ResourceSlice */
export function keptSlice(object: unknown, node: string): KeptSlice | null {
  const { driver, nodeName } = asPlain(asPlain(object)["spec"]);
  if (nodeName !== node || typeof driver !== "string") return null;
  if (driver === DRA_DRIVER) return { kind: "Ours", slice: seenSlice(object) };
  const devices = foreignDevices(object, driver);
  return devices.length === 0 ? null : { kind: "Foreign", devices };
}

/** The slice, when it is one of ours. */
export function ourSlice(kept: KeptSlice | null | undefined): SeenSlice | null {
  return kept?.kind === "Ours" ? kept.slice : null;
}

function seenSlice(object: unknown): SeenSlice {
  const { metadata, spec } = read(ownSchema, object);
  const { name: pool, generation, resourceSliceCount: sliceCount } = spec.pool;
  const { name, uid } = metadata;
  return { name, uid, resourceVersion: versionOf(object), pool, generation, sliceCount, spec: asPlain(object)["spec"] };
}

/** What is in it is another driver's: whatever cannot be read names no device of this host. */
function foreignDevices(object: unknown, driver: string): readonly ForeignDevice[] {
  const spec = asPlain(asPlain(object)["spec"]);
  const pool = String(asPlain(spec["pool"])["name"] ?? "");
  const devices = Array.isArray(spec["devices"]) ? spec["devices"].map(asPlain) : [];
  return devices.flatMap((device) =>
    addressesOf(device["attributes"]).map((address) => ({ driver, pool, device: String(device["name"] ?? ""), address })),
  );
}

function addressesOf(attributes: unknown): readonly string[] {
  const { string, strings } = asPlain(asPlain(attributes)[PCI_ADDRESS]);
  const texts = [string, ...(Array.isArray(strings) ? strings : [])].filter((text) => typeof text === "string");
  return texts.map(parseAddress).filter((address) => address !== null);
}
