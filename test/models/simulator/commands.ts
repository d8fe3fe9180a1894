// SPDX-License-Identifier: Apache-2.0

/** Random calls on a driver and random events on the host below it. */
import fc from "fast-check";
import type { AbiProfile, Environment } from "../../../src/domain/unit.ts";
import { ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { FAULT_DEFAULTS, GSTS_HEALTHY, type SimulatedFault, type SimulationOptions } from "../../../src/stand-in/module/simulation.ts";
import { regBaseAt, simulatedUnit } from "../../native/simulated-units.ts";

export type HostEvent =
  | { readonly kind: "link"; readonly unit: number; readonly device: number; readonly secured: boolean }
  | { readonly kind: "present"; readonly unit: number; readonly present: boolean }
  | { readonly kind: "reboot" }
  | { readonly kind: "gone"; readonly environment: Exclude<Environment, "Ok"> }
  | { readonly kind: "back"; readonly lost: boolean }
  | { readonly kind: "fault"; readonly fault: SimulatedFault }
  | { readonly kind: "clearFaults" };

export type Command =
  | HostEvent
  | { readonly kind: "setup"; readonly unit: number }
  /** Null: the unit's own id and sequence. */
  | { readonly kind: "clear"; readonly unit: number; readonly wrong: "id" | "seq" | null }
  /** The process dies before the attempt after `attempts`; `event` happens before the next process. */
  | { readonly kind: "crash"; readonly call: "setup" | "clear"; readonly unit: number; readonly attempts: number; readonly event: HostEvent | null };

export const UNITS = 3;

const STATUSES = [
  0x8000_0003_0000_0000n, // INTERRUPTED_RESUMABLE
  0x8000_0004_0000_0000n, // INTERRUPTED_RESTARTABLE
  0x8000_0200_0000_0001n, // OPERAND_BUSY, RCX
  0x8000_0202_0000_0000n, // SYS_BUSY
  0x8000_0203_0000_0000n, // RND_NO_ENTROPY
  0x8000_0206_0000_0000n, // INTERRUPTED_BUSY
  0x8000_0f51_0000_0000n, // IOMMU_ECMD_TIMEOUT
  0x8000_0f52_0000_0000n, // IOMMU_ECMD_ERROR
  0xc000_0100_0000_0001n, // OPERAND_INVALID, RCX
  0xc000_0100_0000_0002n, // OPERAND_INVALID, RDX
  0xc000_0303_0000_005fn, // PAGE_NOT_FREE
  0xc000_0f00_0000_0001n, // IOMMU_INVALID_STATE, RCX
  0xc000_0f3d_0000_0000n, // IOMMU_MT_PAGE_IN_USE
  0xc000_0f58_0000_0000n, // not known
  0x8000_ff00_ffff_0000n, // VMFAILINVALID
];

/** Which do not say that no page was taken. With those that do, a module that keeps them would be another than the one simulated. */
const MAY_KEEP = [0x8000_0004_0000_0000n, 0x8000_0f52_0000_0000n, 0xc000_0f58_0000_0000n, 0xc000_0f00_0000_0001n];

const STATUS_BUSY = 0x8000_0200_0000_0001n;
const STATUS_UNSUPPORTED = 0xc000_0100_0000_0001n;

function fault(status: bigint): SimulatedFault {
  return { ...FAULT_DEFAULTS, status };
}

const unit = fc.nat({ max: UNITS - 1 });

const faults: fc.Arbitrary<SimulatedFault> = fc
  .record({
    leaf: fc.constantFrom("TDH.IOMMU.SETUP" as const, "TDH.IOMMU.CLEAR" as const, null),
    regBase: fc.option(unit.map(regBaseAt)),
    status: fc.constantFrom(...STATUSES),
    count: fc.integer({ min: 1, max: 12 }),
    skip: fc.nat({ max: 2 }),
    keep: fc.boolean(),
  })
  .map(({ keep, status, ...rest }) => ({ ...rest, status, delayMs: 0, keepPages: keep && MAY_KEEP.includes(status) }));

const hostEvent: fc.Arbitrary<HostEvent> = fc.oneof(
  { weight: 3, arbitrary: faults.map((one) => ({ kind: "fault" as const, fault: one })) },
  { weight: 1, arbitrary: fc.constant({ kind: "clearFaults" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("link" as const), unit, device: fc.nat({ max: 1 }), secured: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("present" as const), unit, present: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reboot" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("gone" as const),
      environment: fc.constantFrom("Ud" as const, "Gp" as const, "VmFailInvalid" as const, "NotReady" as const, "NotOptedIn" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("back" as const), lost: fc.boolean() }) },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("setup" as const), unit }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("clear" as const),
      unit,
      wrong: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constantFrom("id" as const, "seq" as const) }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      call: fc.constantFrom("setup" as const, "clear" as const),
      unit,
      attempts: fc.nat({ max: 3 }),
      event: fc.option(hostEvent),
    }),
  },
  { weight: 6, arbitrary: hostEvent },
);

export const commands = fc.array(command, { minLength: 10, maxLength: 40, size: "max" });

/** What random histories find rarely, so that each run has it. */
export const RARE: readonly Command[] = [
  { kind: "setup", unit: 0 },
  { kind: "setup", unit: 0 },
  { kind: "link", unit: 0, device: 0, secured: true },
  { kind: "clear", unit: 0, wrong: null },
  { kind: "link", unit: 0, device: 0, secured: false },
  { kind: "fault", fault: fault(STATUS_BUSY) },
  { kind: "clear", unit: 0, wrong: null },
  { kind: "clear", unit: 0, wrong: "seq" },
  { kind: "crash", call: "clear", unit: 0, attempts: 1, event: null },
  { kind: "fault", fault: fault(STATUS_BUSY) },
  { kind: "setup", unit: 1 },
  { kind: "crash", call: "setup", unit: 1, attempts: 0, event: { kind: "back", lost: true } },
  { kind: "fault", fault: fault(STATUS_UNSUPPORTED) },
  { kind: "setup", unit: 0 },
  { kind: "present", unit: 0, present: false },
  { kind: "setup", unit: 0 },
  { kind: "gone", environment: "VmFailInvalid" },
  { kind: "setup", unit: 1 },
  { kind: "reboot" },
];

export const PLAIN_HOST: SimulationOptions = {
  units: [simulatedUnit(0), simulatedUnit(1), simulatedUnit(2)],
  profile: "V2",
  mtPageCount: 4,
  environment: "Ok",
  latencyMs: 0,
  interruptions: 1,
};

/** The unit listed first, the highest, is one of the odd ones. */
export const hosts: fc.Arbitrary<SimulationOptions> = fc
  .record({
    profile: fc.constantFrom<AbiProfile>("Unknown", "V2", "Newest"),
    mtPageCount: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) }, { weight: 1, arbitrary: fc.constantFrom(0, 511) }),
    interruptions: fc.nat({ max: 2 }),
    odd: fc.constantFrom({}, { foreign: true }, { ecap: 0n }, { gsts: 0 }, { ecap: ECAP_TDX_CONNECT | 1n, gsts: GSTS_HEALTHY, numaNode: null }),
  })
  .map(({ odd, ...rest }) => ({
    ...rest,
    units: [simulatedUnit(2, odd), simulatedUnit(0), simulatedUnit(1)],
    environment: "Ok" as const,
    latencyMs: 0,
  }));
