// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { ADDRESS_FORM, busOf, parseAddress } from "../../domain/address.ts";
import { ABI_PROFILES, ENVIRONMENTS, parseRegBase, regBaseFromNumber } from "../../domain/unit.ts";

/** Every message says what to write instead; the path and the value found are added where the issue is reported. */
const hex = (digits: number, example: string) =>
  z
    .string(`write ${digits} hex digits in quotes, like "${example}"`)
    .regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`), `write ${digits} hex digits in quotes, like "${example}"`)
    .toLowerCase();

const register = z
  .string('write the register as hex in quotes without 0x, as the kernel prints it, like "7ee9e86f050df"')
  .regex(/^[0-9a-fA-F]{1,16}$/, 'write the register as hex without 0x, as the kernel prints it, like "7ee9e86f050df"')
  .toLowerCase();

const regBase = z.string('write the register base in quotes, like "0xd97fc000"').transform((text, context) => {
  const parsed = parseRegBase(text);
  if (parsed !== null && BigInt(parsed) > 0n && BigInt(parsed) % 4096n === 0n) return parsed;
  context.addIssue({ code: "custom", message: 'write a multiple of 0x1000 in hex with 0x, like "0xd97fc000"' });
  return z.NEVER;
});

export const address = z.string(`write ${ADDRESS_FORM}`).transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: `write ${ADDRESS_FORM}` });
  return z.NEVER;
});

const bus = z.string().transform((text, context) => {
  const parsed = parseAddress(`${text}:00.0`);
  if (parsed !== null) return busOf(parsed);
  context.addIssue({ code: "custom", message: 'write segment:bus in hex, like "0000:17"' });
  return z.NEVER;
});

const named = (pattern: RegExp, fix: string) => z.string(fix).regex(pattern, fix);
const unitName = named(/^dmar\d{1,4}$/, "write a unit's kernel name, like dmar3 (a function without one: null)");
const driver = named(/^[A-Za-z0-9_-]{1,40}$/, "write a driver's name, like vfio-pci");
const tsm = named(/^tsm\d{1,3}$/, "write a TSM's name, like tsm0");
const count = (min: number, max: number) =>
  z.int(`write a whole number from ${min} to ${max}`).min(min, `write ${min} or more`).max(max, `write ${max} or less`);
const flag = z.boolean("write true or false");
const numaNode = count(0, 1023).nullable();

const unit = z.strictObject({
  name: unitName,
  regBase,
  segment: count(0, 0xffff).default(0),
  numaNode: numaNode.default(null),
  version: z
    .string()
    .regex(/^\d+:\d+$/, 'write major:minor in quotes, like "6:0"')
    .optional(),
  cap: register.optional(),
  ecap: register.optional(),
  /** Sets or clears bit 50 of ecap. */
  tdxConnect: flag.optional(),
  domainsUsed: count(0, 65536).default(1),
});

const virtualFunctions = z.strictObject({
  count: count(1, 64),
  device: hex(4, "2336").optional(),
  driver: driver.nullable().optional(),
  /** Routing ids of the first one and from one to the next, counted from the physical function. */
  firstOffset: count(1, 255).default(0x20),
  stride: count(1, 255).default(1),
});

const pciFunction = z.strictObject({
  address,
  unit: unitName.nullable(),
  vendor: hex(4, "8086"),
  device: hex(4, "0b25"),
  class: hex(6, "088000"),
  revision: hex(2, "00").default("00"),
  iommuGroup: z.string().regex(/^\d+$/, 'write the group\'s number in quotes, like "12"').optional(),
  numaNode: numaNode.optional(),
  driver: driver.nullable().default(null),
  teeIo: flag.default(false),
  ideStreams: count(0, 64).default(0),
  image: z.string("write the name of an image listed under images").optional(),
  configBytes: z.union([z.literal(64), z.literal(256), z.literal(4096)], "write 4096, 256 or 64").default(4096),
  secured: flag.default(false),
  vfs: virtualFunctions.optional(),
});

const listing = z.strictObject({
  /** Tab-separated: unit, iommu_group, address, class, vendor, device, revision. */
  file: z.string("write a path relative to this file"),
});

const generated = z.strictObject({
  units: count(1, 1024),
  functionsPerUnit: count(6, 128),
  /** Virtual functions of each unit's one TEE-I/O endpoint. */
  vfsPerEndpoint: count(0, 8).default(0),
  segments: count(1, 64).default(1),
  numaNodes: count(1, 8).default(1),
  firstRegBase: regBase.default(regBaseFromNumber(0xd0000000n)),
  driver: driver.nullable().default("vfio-pci"),
});

/** HOST.yaml, as people write it. */
export const hostSchema = z.strictObject({
  summary: z.string("write one line that says what this host is"),
  module: z
    .strictObject({
      profile: z.enum(ABI_PROFILES, `write one of ${ABI_PROFILES.join(", ")}`).default("Newest"),
      mtPageCount: count(1, 510).default(4),
      environment: z.enum(ENVIRONMENTS, `write one of ${ENVIRONMENTS.join(", ")}`).default("Ok"),
      latencyMs: count(0, 60_000).default(0),
      interruptions: count(0, 1000).default(0),
    })
    .prefault({}),
  tsm: tsm.nullable().default(null),
  iommufd: flag.default(true),
  /** Captured configuration spaces: name to a hex dump's path relative to this file. */
  images: z.record(z.string(), z.string("write a path relative to this file")).default({}),
  /** For units that do not give their own. */
  unitDefaults: z.strictObject({ version: unit.shape.version, cap: register, ecap: register }),
  units: z.array(unit).default([]),
  /** Which bridge function is above a bus: bus to address. A bus without one is a root bus. */
  bridges: z.record(bus, address).default({}),
  listing: listing.optional(),
  functions: z.array(pciFunction).default([]),
  generate: generated.optional(),
});

export type HostFile = z.output<typeof hostSchema>;
export type UnitEntry = HostFile["units"][number];
export type FunctionEntry = HostFile["functions"][number];
export type GeneratedHost = NonNullable<HostFile["generate"]>;
