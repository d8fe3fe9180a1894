// SPDX-License-Identifier: Apache-2.0

/** The six conditions of a TrustedIommu, each a function of the report so far. */
import { droppedText } from "./dra/dropped-text.ts";
import { DRA_DRIVER } from "./dra/names.ts";
import type { Ground } from "./ground.ts";
import { blindSpots } from "./holds.ts";
import { ENVIRONMENT_TEXT } from "./plan/finding.ts";
import type { ConditionReason, ConditionType } from "./reason.ts";
import { CONDITION_REASONS } from "./reason.ts";
import type { ReportInputs } from "./report-inputs.ts";
import { slotOwnerOf } from "./slot.ts";
import { type Condition, type DeviceStatus, isGateOpen, type NodeStatus, type UnitStatus } from "./status.ts";
import { withheldText } from "./withheld.ts";

type Draft = Omit<Condition, "lastTransitionTime" | "observedGeneration">;
type Body = Omit<NodeStatus, "conditions" | "summary">;

export function conditionsFrom(inputs: ReportInputs, body: Body): readonly Draft[] {
  const supported = supportedFrom(inputs, body);
  const unitsTrusted = unitsTrustedFrom(inputs, body, supported);
  const devicesOffered = devicesOfferedFrom(inputs, body);
  const degraded = degradedFrom(inputs, body);
  const clearBlocked = clearBlockedFrom(body);
  return [supported, unitsTrusted, devicesOffered, readyFrom(inputs, body, { supported, unitsTrusted, degraded }), degraded, clearBlocked];
}

function draft(type: ConditionType, status: Condition["status"], reason: ConditionReason, message = ""): Draft {
  return { type, status, reason, message: message === "" ? CONDITION_REASONS[reason] : message };
}

function supportedFrom({ ground }: ReportInputs, body: Body): Draft {
  const { driver, host } = ground.view;
  if (host.kind !== "Read") return draft("Supported", "Unknown", "HostUnreadable", host.why);
  if (isWithoutUnits(ground, body)) return draft("Supported", "False", "NoUnits", noUnitsText(body));
  const unread = unreadableText(body);
  if (unread !== "" && body.units.every((unit) => unit.reason === "UnitMissing" || unit.state === "Unsupported"))
    return draft("Supported", "Unknown", "UnitUnreadable", unread);
  if (isWithoutConnectAtAll(body)) return draft("Supported", "False", "TdxConnectMissing", `none of the ${body.units.length} units has TDX Connect`);
  if (driver.kind !== "Read") return draft("Supported", "Unknown", "DriverUnreadable", driver.why);
  const { environment } = driver.value.info;
  if (environment !== "Ok") return draft("Supported", "False", "EnvironmentNotReady", `environment ${environment}: ${ENVIRONMENT_TEXT[environment]}`);
  return draft("Supported", "True", "TdxConnectPresent");
}

/** A machine as most are. Without a driver the kernel's word is enough: it takes VT-d to have TDX Connect. */
function isWithoutUnits({ view: { driver, host } }: Ground, { units }: Body): boolean {
  const isListed = host.kind === "Read" && host.value.units.length + host.value.unreadableUnits.length > 0;
  return host.kind === "Read" && !isListed && units.length === 0 && (driver.kind === "Read" || driver.isMissing === true);
}

function noUnitsText({ otherUnits }: Body): string {
  const names = otherUnits.map((unit) => unit.kernelName);
  return names.length === 0
    ? ""
    : `${CONDITION_REASONS.NoUnits}; of another kind: ${names.slice(0, 3).join(", ")}${names.length > 3 ? " and more" : ""}`;
}

/** Empty when every VT-d unit has a register base. */
function unreadableText({ otherUnits }: Body): string {
  const unread = otherUnits.filter((unit) => unit.reason === "UnitUnreadable").map(({ kernelName, message }) => `${kernelName}: ${message}`);
  return unread.length <= 3 ? unread.join("; ") : `${unread.slice(0, 3).join("; ")}; and ${unread.length - 3} more`;
}

function isWithoutConnectAtAll(body: Body): boolean {
  const present = body.units.filter((unit) => unit.reason !== "UnitMissing");
  return present.length > 0 && present.every((unit) => unit.state === "Unsupported");
}

function unitsTrustedFrom(inputs: ReportInputs, body: Body, supported: Draft): Draft {
  if (!inputs.hasIntent) return draft("UnitsTrusted", "False", "NoneSelected", "no TrustedIommu applies to this node");
  if (supported.reason === "NoUnits") return draft("UnitsTrusted", "False", "NoUnits", supported.message);
  // Who wants all units wants those, too, that cannot be told.
  const unread = inputs.namedUnits.size === 0 ? unreadableText(body) : "";
  if (unread !== "" && supported.reason === "UnitUnreadable") return draft("UnitsTrusted", "Unknown", "UnitUnreadable", unread);
  if (body.counts.unitsSelected === 0) return draft("UnitsTrusted", "False", "NoneSelected");
  if (inputs.desiredState === "Cleared" && body.counts.unitsTrusted === 0) return draft("UnitsTrusted", "False", "IntentCleared");
  if (supported.status === "False" && supported.reason === "TdxConnectMissing") return draft("UnitsTrusted", "False", "TdxConnectMissing");
  const waiting = inputs.plan.units.filter(
    (verdict) =>
      verdict.selected && verdict.reason !== "SetupSucceeded" && (!isWithoutConnect(verdict.reason) || inputs.namedUnits.has(verdict.regBase)),
  );
  const first = waiting[0];
  if (!first && body.counts.unitsTrusted === 0) return draft("UnitsTrusted", "False", "TdxConnectMissing");
  if (!first && unread !== "") return draft("UnitsTrusted", "Unknown", "UnitUnreadable", unread);
  if (!first)
    return draft("UnitsTrusted", "True", "AllTrusted", `${body.counts.unitsTrusted} of ${body.counts.unitsSelected} selected units are trusted`);
  const rest = waiting.length > 1 ? `; and ${waiting.length - 1} more` : "";
  const unknown = inputs.ground.view.driver.kind !== "Read";
  const text = `${first.regBase}: ${first.reason}${first.message === "" ? "" : ` (${first.message})`}${rest}`;
  return draft("UnitsTrusted", unknown ? "Unknown" : "False", unknown ? "DriverUnreadable" : "SomeNotTrusted", text);
}

/** A unit without TDX Connect is no failure: it counts only when the intent names it (settlement.ts). */
function isWithoutConnect(reason: string): boolean {
  return reason === "TdxConnectMissing" || reason === "RejectedByModule";
}

function devicesOfferedFrom(inputs: ReportInputs, body: Body): Draft {
  if (inputs.desiredState === "Cleared") return draft("DevicesOffered", "False", "IntentCleared");
  const { devicesOffered, devicesWithheld } = body.counts;
  const text = `${devicesOffered} offered, ${devicesWithheld} withheld${absentText(inputs.absentAddresses)}${lackingText(inputs)}`;
  return devicesOffered === 0 ? draft("DevicesOffered", "False", "NoneOffered", text) : draft("DevicesOffered", "True", "SomeOffered", text);
}

/** A slip of the pen in an address matches nothing, and nothing else would tell. */
function absentText(addresses: readonly string[]): string {
  if (addresses.length === 0) return "";
  const more = addresses.length > 3 ? ` and ${addresses.length - 3} more` : "";
  return `; not on this host: ${addresses.slice(0, 3).join(", ")}${more} (match.addresses)`;
}

/** What claims go without on this cluster, where a resource of the spec is DRA's. */
function lackingText(inputs: ReportInputs): string {
  const { dra } = inputs.ground.view;
  const text = dra?.slices.kind === "Read" && isServedByDra(inputs) ? droppedText(dra.slices.value.dropped) : "";
  return text === "" ? "" : `; ${text}`;
}

function isServedByDra({ verdicts }: ReportInputs): boolean {
  return verdicts.some(({ resource }) => resource?.ledger === "DRA");
}

function degradedFrom(inputs: ReportInputs, body: Body): Draft {
  const { view } = inputs.ground;
  if (inputs.intentProblem !== "") return draft("Degraded", "True", "IntentInvalid", inputs.intentProblem);
  if (view.host.kind !== "Read") return draft("Degraded", "True", "HostUnreadable", view.host.why);
  const unread = unreadableText(body);
  if (unread !== "") return draft("Degraded", "True", "UnitUnreadable", unread);
  if (view.driver.kind !== "Read" && !isWithoutConnectAtAll(body) && !isWithoutUnits(inputs.ground, body))
    return draft("Degraded", "True", "DriverUnreadable", view.driver.why);
  // A unit that is not selected is as good as it is; an id of ours is ours whether or not it is selected.
  const selected = new Set(inputs.plan.units.filter((verdict) => verdict.selected).map((verdict) => verdict.regBase));
  const older = body.units.find((unit) => unit.reason === "DriverTooOld");
  if (older) return draft("Degraded", "True", "DriverTooOld", `${older.regBase}: ${older.message}`);
  const failed = body.units.find((unit) => (FAILURES.has(unit.reason) && selected.has(unit.regBase)) || isLost(unit));
  if (failed)
    return draft("Degraded", "True", "UnitFailed", `${failed.regBase}: ${failed.reason}${failed.message === "" ? "" : ` (${failed.message})`}`);
  const early = body.units.find((unit) => unit.reason === "LinkSecuredBeforeSetup" && selected.has(unit.regBase));
  if (early) return draft("Degraded", "True", "LinkSecuredBeforeSetup", `${early.regBase}: release the link of ${early.message}`);
  const { specs } = inputs;
  if (inputs.proofProblem !== "") return draft("Degraded", "True", "ProofUnwritable", inputs.proofProblem);
  if (specs.stale.size + specs.unreadable.length > 0) return draft("Degraded", "True", "CdiStale", staleSpecsText(specs));
  if (specs.problem !== "") return draft("Degraded", "True", "CdiUnwritable", specs.problem);
  const unregistered = view.publications.find((publication) => publication.problem !== "");
  if (unregistered) return draft("Degraded", "True", "RegistrationFailed", `${unregistered.resource}: ${unregistered.problem}`);
  const dra = draProblem(inputs);
  if (dra !== null) return draft("Degraded", "True", dra.reason, dra.text);
  // With an intent of Cleared it is ClearBlocked that tells.
  const [unreadable] = inputs.desiredState === "Trusted" ? blindSpots(inputs.ground, inputs.holds.keys()) : [];
  if (unreadable !== undefined) return draft("Degraded", "True", "ViewUnreadable", `cannot read ${unreadable}`);
  const stuck = stuckWrite(inputs);
  if (stuck !== "") return draft("Degraded", "True", "LinkStuck", stuck);
  const withheld = withheldFrom(inputs);
  if (withheld !== "") return draft("Degraded", "True", "DevicesWithheld", withheld);
  // Last of all, or they would hide what keeps the node from being ready.
  if (inputs.auditProblem !== "") return draft("Degraded", "True", "AuditUnwritable", inputs.auditProblem);
  const leaking = body.units.find(leaks);
  if (leaking) return draft("Degraded", "True", "PagesRetained", `${leaking.regBase}: ${leaking.pagesRetained} pages`);
  const outside = inputs.securesLinks ? undefined : body.devices.find((device) => isSecuredUnused(device, inputs));
  if (outside)
    return draft("Degraded", "True", "LinkSecuredOutside", `${outside.address} (${outside.link.tsm === "" ? "an IDE stream" : outside.link.tsm})`);
  return draft("Degraded", "False", "NoProblem");
}

/** A device that is offered has a link that nobody who holds a function of its slot can want. */
function isSecuredUnused(device: DeviceStatus, { ground, holds }: ReportInputs): boolean {
  if (!isGateOpen(device) || device.link.state !== "Secure") return false;
  const fn = ground.functions.get(device.address);
  const onSlot = fn === undefined ? [] : (ground.onSlot.get(slotOwnerOf(fn)) ?? []);
  return !onSlot.some(({ address }) => holds.has(address));
}

/** A write that has waited in the kernel for longer than any device takes. The process that makes it cannot be killed. */
function stuckWrite({ linkWork: { writing }, ground: { view } }: ReportInputs): string {
  if (writing === null || view.nowMs - writing.sinceMs < LINK_STUCK_MS) return "";
  return `tsm/${writing.kind === "Connect" ? "connect" : "disconnect"} of ${writing.owner} has not answered for ten minutes; a reboot of the node ends it`;
}

const LINK_STUCK_MS = 600_000;

/** At most three of them, in order, so that the text is stable. */
function staleSpecsText({ stale, unreadable, problem }: ReportInputs["specs"]): string {
  const all = [...[...stale].sort(), ...unreadable];
  const rest = all.length > 3 ? ` and ${all.length - 3} more` : "";
  return `cannot remove ${all.slice(0, 3).join(", ")}${rest}${problem === "" ? "" : `: ${problem}`}`;
}

/** Below a unit without TDX Connect nothing is missed: no device there can ever be offered. */
function withheldFrom({ plan, verdicts, ground, desiredState }: ReportInputs): string {
  if (desiredState !== "Trusted") return "";
  const able = plan.units.filter((verdict) => verdict.selected && !isWithoutConnect(verdict.reason)).map((verdict) => verdict.regBase);
  return withheldText({ verdicts, ground, selected: new Set(able) });
}

/** A unit of ours that is on its way back by CLEAR and SETUP. */
function isLost(unit: UnitStatus): boolean {
  return unit.state === "Unknown" && unit.tdxIommuId !== "";
}

/** Pages that no id holds and no call is working on. */
function leaks(unit: UnitStatus): boolean {
  return unit.pagesRetained > 0 && unit.state !== "SettingUp" && unit.state !== "Clearing" && unit.reason !== "SetupRetrying";
}

/** Worth a person's look, and no reason to keep work away from the node. */
const WORKS_ALL_THE_SAME: ReadonlySet<ConditionReason> = new Set(["AuditUnwritable", "LinkSecuredOutside", "PagesRetained"]);

/** Unit reasons that a person must look at. */
const FAILURES: ReadonlySet<string> = new Set([
  "SetupFailed",
  "ClearFailed",
  "EvidenceIncomplete",
  "LoadNotWatched",
  "TrustLost",
  "UnitMissing",
  "NotListedByDriver",
  "ForeignOwner",
]);

function clearBlockedFrom(body: Body): Draft {
  const blocked = body.units.find((unit) => unit.reason === "ClearBlocked");
  if (blocked) {
    const unreadable = blocked.message.startsWith("cannot read");
    return draft("ClearBlocked", "True", unreadable ? "ViewUnreadable" : "DeviceInUse", `${blocked.regBase}: ${blocked.message}`);
  }
  const older = body.units.find((unit) => unit.reason === "DriverTooOld");
  if (older) return draft("ClearBlocked", "True", "DriverTooOld", `${older.regBase}: ${older.message}`);
  const settling = body.units.some((unit) => unit.reason === "ClearSettling" || unit.reason === "ClearPending");
  return draft("ClearBlocked", "False", settling ? "Settling" : "NothingToClear");
}

/** What keeps devices from the scheduler, or in its hands, or claims from being prepared. */
function draProblem(inputs: ReportInputs): { readonly reason: "RegistrationFailed" | "SlicesUnwritable"; readonly text: string } | null {
  const { dra } = inputs.ground.view;
  if (dra === null) return null;
  const { slices, plugin } = dra;
  const isWanted = isServedByDra(inputs);
  // What the spec takes back the scheduler may give away for as long as a slice lists it.
  if (!isWanted && (slices.kind !== "Read" || slices.value.listed.length === 0)) return null;
  if (isWanted && plugin.problem !== "") return { reason: "RegistrationFailed", text: `DRA driver ${DRA_DRIVER}: ${plugin.problem}` };
  if (slices.kind !== "Read") return { reason: "SlicesUnwritable", text: slices.why };
  const text = [slices.value.withdrawn, slices.value.problem].filter((one) => one !== "").join("; ");
  return text === "" ? null : { reason: "SlicesUnwritable", text };
}

/** What kubelet does not have yet of what it is to have; empty when it has all. */
function awaitedText({ ground }: ReportInputs, { devices }: Body): string {
  const first = devices.find((device) => device.reason === "AwaitingKubelet");
  const awaited = devices.find((device) => device.reason === "AwaitingSlice");
  if (first === undefined) return awaited === undefined ? "" : `no ResourceSlice lists ${awaited.address} yet`;
  const isRegistered = ground.view.publications.some(({ resource, registered }) => registered && resource === first.resource);
  return isRegistered ? `kubelet does not list ${first.address} yet` : `${first.resource} is not registered with kubelet yet`;
}

function readyFrom(inputs: ReportInputs, body: Body, others: { supported: Draft; unitsTrusted: Draft; degraded: Draft }): Draft {
  const { supported, unitsTrusted, degraded } = others;
  if (!inputs.hasIntent) return draft("Ready", "False", "NoneSelected", "no TrustedIommu applies to this node");
  if (supported.status !== "True") return draft("Ready", supported.status, supported.reason, supported.message);
  if (degraded.status === "True" && !WORKS_ALL_THE_SAME.has(degraded.reason)) return draft("Ready", "False", degraded.reason, degraded.message);
  if (inputs.desiredState === "Cleared") {
    const waiting = inputs.plan.units.find((verdict) => verdict.selected && !isWithoutConnect(verdict.reason) && verdict.reason !== "Cleared");
    if (waiting)
      return draft(
        "Ready",
        "False",
        "NotYetAsIntended",
        `${waiting.regBase}: ${waiting.reason}${waiting.message === "" ? "" : ` (${waiting.message})`}`,
      );
    return draft("Ready", "True", "AsIntended", "every selected unit is cleared");
  }
  if (unitsTrusted.status !== "True") return draft("Ready", "False", unitsTrusted.reason, unitsTrusted.message);
  const awaited = awaitedText(inputs, body);
  if (awaited !== "") return draft("Ready", "False", "NotYetAsIntended", awaited);
  return draft("Ready", "True", "AsIntended", `${unitsTrusted.message}, ${body.counts.devicesOffered} devices offered`);
}
