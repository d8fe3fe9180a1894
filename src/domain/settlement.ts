// SPDX-License-Identifier: Apache-2.0

/** Whether the node has come to rest, and which units failed the intent: what `--once` waits for and exits with. */
import type { DraView } from "./dra/view.ts";
import type { Verdict } from "./gate/inputs.ts";
import type { Intent } from "./intent.ts";
import type { OfferedResource } from "./offer.ts";
import type { Plan } from "./plan/finding.ts";
import type { UnitReason } from "./reason.ts";
import type { SpecsInPlace } from "./specs.ts";
import type { Publication } from "./view.ts";

export interface Settlement {
  /**
   * Nothing is running, due or waiting for time, every CDI spec that can be written is, and every offered resource is registered (a machine without
   * kubelet: none can be).
   */
  readonly settled: boolean;
  /** What is still moving, for people. */
  readonly waitingFor: readonly string[];
  /** Units that should be as the intent says and are not, with the reason. */
  readonly failures: readonly string[];
}

const MOVING: ReadonlySet<UnitReason> = new Set([
  "SetupPending",
  "SetupRunning",
  "SetupRetrying",
  "ClearPending",
  "ClearSettling",
  "ClearRunning",
  "ClearRetrying",
]);

export interface SettlementInputs {
  readonly intent: Intent | null;
  readonly plan: Plan;
  readonly verdicts: readonly Verdict[];
  readonly specs: Pick<SpecsInPlace, "problem">;
  readonly offer: readonly OfferedResource[];
  readonly publications: readonly Publication[];
  readonly hasKubelet: boolean;
  readonly dra: DraView | null;
  /** VT-d units that cannot be told by their register base. */
  readonly unreadableUnits: readonly { readonly kernelName: string; readonly why: string }[];
}

export function settlementFrom(inputs: SettlementInputs): Settlement {
  const units = inputs.plan.units.filter((verdict) => MOVING.has(verdict.reason)).map((verdict) => `${verdict.regBase}: ${verdict.reason}`);
  const registrations = inputs.hasKubelet
    ? inputs.offer
        .filter((offered) => !isCurrent(offered, inputs.publications))
        .map((offered) => `${offered.resource}: not registered with kubelet yet`)
    : [];
  const waitingFor = [...units, ...verifying(inputs), ...changingDrivers(inputs), ...specsDue(inputs), ...registrations, ...slicesDue(inputs)];
  return { settled: waitingFor.length === 0, waitingFor, failures: failuresOf(inputs) };
}

/** What is asked of the API server is not in its slices yet; that it refuses them is no reason to wait. */
function slicesDue({ dra }: SettlementInputs): readonly string[] {
  const isDue = dra?.slices.kind === "Read" && !dra.slices.value.asPublished && dra.slices.value.problem === "";
  return isDue ? ["ResourceSlices: not as they should be yet"] : [];
}

/** A driver is being changed, or is about to be. */
function changingDrivers({ plan, verdicts }: SettlementInputs): readonly string[] {
  const due = plan.binds.flatMap(({ address, step }) => (step === null ? [] : [address]));
  const running = verdicts.filter(({ reason }) => reason === "DriverChanging").map(({ address }) => address);
  return [...new Set([...due, ...running])].map((address) => `${address}: its driver is being changed`);
}

/** The links below a unit may be read again while a pass runs: its verdicts are of before, and its plan of after. */
function verifying({ verdicts }: SettlementInputs): readonly string[] {
  return verdicts
    .filter(({ reason, epoch }) => reason === "UnitNotTrusted" && epoch !== null)
    .map(({ address }) => `${address}: the links below its unit are read again`);
}

/** A unit may become trusted while a pass runs that has written the specs of the view before: the next pass writes its devices'. */
function specsDue({ verdicts, specs }: SettlementInputs): readonly string[] {
  if (specs.problem !== "") return [];
  return verdicts.filter(({ reason }) => reason === "CdiUnwritable").map(({ address }) => `${address}: its CDI spec is not written yet`);
}

function isCurrent(offered: OfferedResource, publications: readonly Publication[]): boolean {
  const publication = publications.find((p) => p.resource === offered.resource);
  return publication?.registered === true && publication.ids.length === offered.devices.length;
}

function failuresOf({ intent, plan, unreadableUnits }: SettlementInputs): readonly string[] {
  if (intent === null) return ["no TrustedIommu applies to this node"];
  const wanted: UnitReason = intent.state === "Trusted" ? "SetupSucceeded" : "Cleared";
  const named = new Set(intent.units.regBases ?? []);
  const untold = intent.units.all && intent.state === "Trusted" ? unreadableUnits : [];
  const units = plan.units
    .filter((verdict) => verdict.selected && verdict.reason !== wanted)
    .filter((verdict) => !isUnsupported(verdict.reason) || (named.has(verdict.regBase) && intent.state === "Trusted"))
    .map((verdict) => `${verdict.regBase}: ${verdict.reason}${verdict.message === "" ? "" : ` (${verdict.message})`}`);
  return [...units, ...untold.map(({ kernelName, why }) => `${kernelName}: UnitUnreadable (${why})`)];
}

function isUnsupported(reason: UnitReason): boolean {
  return reason === "TdxConnectMissing" || reason === "RejectedByModule";
}
