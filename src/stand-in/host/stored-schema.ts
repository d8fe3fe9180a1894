// SPDX-License-Identifier: Apache-2.0

/** A simulated host's own two files, as they are read back: what is in them becomes file names and contents, and any user may have written the folder. */
import * as z from "zod";
import { isPciAddress } from "../../domain/address.ts";
import { ABI_PROFILES, ENVIRONMENTS } from "../../domain/unit.ts";
import type { HostDescription } from "./host-description.ts";
import type { HostState } from "./host-state.ts";

const address = z.string().refine(isPciAddress);
const digits = (count: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${count}}$`));
const register = z.string().regex(/^[0-9a-f]{1,16}$/);
const unitName = z.string().regex(/^dmar\d{1,4}$/);
const regBase = z.string().regex(/^0x[0-9a-f]{1,16}$/);
const driver = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,40}$/)
  .nullable();
const count = z.int().min(0);
const numaNode = count.nullable();
const addresses = z.array(address);
const hostBridge = z.string().regex(/^pci[0-9a-f]{4,8}:[0-9a-f]{2}$/);

const unit = z.strictObject({
  name: unitName,
  regBase,
  segment: count,
  numaNode,
  version: z.string().regex(/^\d+:\d+$/),
  cap: register,
  ecap: register,
  domainsUsed: count,
});

const pciFunction = z.strictObject({
  address,
  unit: unitName.nullable(),
  iommuGroup: z.string().regex(/^\d+$/).nullable(),
  numaNode,
  vendor: digits(4),
  device: digits(4),
  class: digits(6),
  revision: digits(2),
  bridge: address.nullable(),
  hostBridge,
  driver,
  teeIo: z.boolean(),
  ideStreams: count,
  image: z.string().nullable(),
  configBytes: z.literal([64, 256, 4096]),
  secured: z.boolean(),
  physicalFunction: address.nullable(),
  totalVfs: count,
  virtualFunctions: addresses,
});

const module = z.strictObject({
  profile: z.enum(ABI_PROFILES),
  mtPageCount: count,
  environment: z.enum(ENVIRONMENTS),
  latencyMs: count,
  interruptions: count,
});

export const descriptionSchema: z.ZodType<HostDescription> = z.strictObject({
  summary: z.string(),
  module,
  tsm: z
    .string()
    .regex(/^tsm\d{1,3}$/)
    .nullable(),
  iommufd: z.boolean(),
  units: z.array(unit),
  functions: z.array(pciFunction),
  images: z.record(z.string(), z.base64()),
});

export const stateSchema: z.ZodType<HostState> = z.strictObject({
  bootId: z.string().regex(/^[A-Za-z0-9-]+$/),
  deviceNodes: z.enum(["Files", "Characters"]),
  unplugged: z.record(address, address),
  drivers: z.record(address, driver),
  // Hosts made by an earlier version have none.
  overrides: z.record(address, z.string().regex(/^[A-Za-z0-9_-]{1,40}$/)).default({}),
  vfioNumbers: z.record(address, count),
  streaming: addresses,
  connected: addresses,
  // Hosts made by an earlier version have none.
  lastRids: z.record(address, count).default({}),
  blocks: z.record(address, count).default({}),
  streamPools: z.record(hostBridge, count).default({}),
  linkFaults: z
    .array(
      z.strictObject({
        address,
        errno: z
          .string()
          .regex(/^E[A-Z0-9]{1,20}$/)
          .nullable(),
        delayMs: count,
        times: count.nullable(),
      }),
    )
    .default([]),
  bound: addresses,
  lostUnits: z.array(unitName),
  holders: z.array(z.strictObject({ pid: count, address })),
});
