// SPDX-License-Identifier: Apache-2.0
import { busOf } from "../../domain/address.ts";
import { regBaseFromNumber } from "../../domain/unit.ts";
import type { FunctionEntry, GeneratedHost, HostFile, UnitEntry } from "./host-schema.ts";

/** What a generator adds to a host's file. */
export type GeneratedEntries = Pick<HostFile, "units" | "bridges" | "functions">;

const REGISTER_BYTES = 0x2000n;

/**
 * A big host by rule. Each unit has a root bus with one root port, below it one TEE-I/O endpoint with its virtual functions, and ordinary
 * functions on the root bus up to the wanted number. The same numbers always give the same host.
 */
export function generateHost(options: GeneratedHost): GeneratedEntries {
  const entries: GeneratedEntries = { units: [], bridges: {}, functions: [] };
  for (let index = 0; index < options.units; index++) addUnit(entries, options, index);
  return entries;
}

function addUnit(entries: GeneratedEntries, options: GeneratedHost, index: number): void {
  const segment = index % options.segments;
  const busStep = Math.floor(256 / Math.ceil(options.units / options.segments));
  const rootBus = Math.floor(index / options.segments) * Math.max(busStep, 2);
  const unit: UnitEntry = {
    name: `dmar${index}`,
    regBase: regBaseFromNumber(BigInt(options.firstRegBase) + BigInt(index) * REGISTER_BYTES),
    segment,
    numaNode: index % options.numaNodes,
    domainsUsed: 1,
  };
  entries.units.push(unit);
  const rootPort = addressAt(segment, rootBus, 1, 0);
  entries.bridges[busOf(addressAt(segment, rootBus + 1, 0, 0))] = rootPort;
  entries.functions.push({
    ...PLAIN,
    address: rootPort,
    unit: unit.name,
    device: "352a",
    class: "060400",
    driver: "pcieport",
    ideStreams: PORT_STREAMS,
  });
  entries.functions.push(endpoint(options, unit.name, addressAt(segment, rootBus + 1, 0, 0)));
  const plain = options.functionsPerUnit - 2 - options.vfsPerEndpoint;
  for (let number = 0; number < plain; number++) {
    const place = addressAt(segment, rootBus, 2 + Math.floor(number / 8), number % 8);
    entries.functions.push({ ...PLAIN, address: place, unit: unit.name });
  }
}

/** Selective streams of a root port. */
const PORT_STREAMS = 4;

const PLAIN = {
  vendor: "8086",
  device: "324c",
  class: "088000",
  revision: "00",
  driver: null,
  teeIo: false,
  ideStreams: 0,
  configBytes: 4096,
  secured: false,
} satisfies Omit<FunctionEntry, "address" | "unit">;

function endpoint(options: GeneratedHost, unit: string, place: string): FunctionEntry {
  const { vfsPerEndpoint: count, driver } = options;
  const vfs = count === 0 ? {} : { vfs: { count, device: "2336", driver, firstOffset: 8, stride: 1 } };
  return { ...PLAIN, address: place, unit, vendor: "10de", device: "2335", class: "030200", driver, teeIo: true, ideStreams: 2, ...vfs };
}

function addressAt(segment: number, bus: number, device: number, fn: number): string {
  const digits = (value: number, width: number): string => value.toString(16).padStart(width, "0");
  return `${digits(segment, 4)}:${digits(bus, 2)}:${digits(device, 2)}.${fn}`;
}
