// SPDX-License-Identifier: Apache-2.0

/**
 * What this process knows and the next one must be able to rely on: the proofs. They hold for one boot, and each names the epoch (instance of the
 * module and number of a SETUP) that it is about, so that a proof about another instance proves nothing. What is missing is not proven.
 *
 *   memory ──► proofsOf ──► changes since the last save ──► one line each in the proof file ──► the next process's memory
 */
import type { Address } from "./device.ts";
import type { RegBase } from "./unit.ts";

/** A device that was handed out. */
export interface HoldProof {
  /** Extended resource under which it was given. */
  readonly resource: string;
  /** The vfio device node that was given, as the host names it; null on a host that has none to give. */
  readonly node: string | null;
  /** Epoch of the unit when it was given. */
  readonly epoch: string;
  /** The newest start of kubelet that is known to count it as given; null when none is. */
  readonly kubelet: string | null;
}

/** A CDI spec that names a device. */
export interface SpecProof {
  readonly node: string | null;
  readonly epoch: string;
}

export interface Proofs {
  /** Links that were read insecure after SETUP had ended, as `linkKey`s: what secures such a link later comes after SETUP. */
  readonly checkedLinks: ReadonlySet<string>;
  readonly holds: ReadonlyMap<Address, HoldProof>;
  /** By CDI name, `resource=address`. */
  readonly specs: ReadonlyMap<string, SpecProof>;
  /** Every extended resource that was ever listed in this boot. */
  readonly names: ReadonlySet<string>;
  /** The unit that each function was last seen below. */
  readonly lastUnits: ReadonlyMap<Address, RegBase>;
  /** Loads of the kernel's own driver that were watched from their start, in the driver's own words. */
  readonly loads: ReadonlySet<string>;
  /** Pods to which a kubelet without an API server has given something of ours, by UID. */
  readonly podUids: ReadonlySet<string>;
}

export const NOTHING_PROVEN: Proofs = {
  checkedLinks: new Set(),
  holds: new Map(),
  specs: new Map(),
  names: new Set(),
  lastUnits: new Map(),
  loads: new Set(),
  podUids: new Set(),
};

/** Names the link of one owner (slot.ts `linkOwnerOf`) in one epoch. */
export function linkKey(owner: Address, epoch: string): string {
  return `${owner} ${epoch}`;
}

const KINDS = ["link", "hold", "spec", "name", "unit", "load", "pod"] as const;
type Kind = (typeof KINDS)[number];

/** One line: `[kind, key, ...values]`, or `[kind, key, null]` for a proof that is withdrawn. */
type Entry = readonly [Kind, string, ...(string | null)[]];
type Entries = ReadonlyMap<string, Entry>;

/** The boot that a file of proofs is about is its first line. */
export function headerLine(bootId: string): string {
  return JSON.stringify(["proofs", 1, bootId]);
}

export function proofLines(proofs: Proofs): readonly string[] {
  return [...entriesOf(proofs).values()].map((entry) => JSON.stringify(entry));
}

/** Lines that turn a file of `before` into one of `after`. */
export function proofChanges(before: Proofs, after: Proofs): readonly string[] {
  // Most passes change none: what is still the same value needs no looking through.
  const kinds = KINDS.filter((kind) => before[FIELDS[kind]] !== after[FIELDS[kind]]);
  const old = entriesOf(before, kinds);
  const wanted = entriesOf(after, kinds);
  const gone = [...old].filter(([key]) => !wanted.has(key)).map(([, [kind, key]]): Entry => [kind, key, null]);
  const fresh = [...wanted].filter(([key, entry]) => !isSame(old.get(key), entry)).map(([, entry]) => entry);
  return [...gone, ...fresh].map((entry) => JSON.stringify(entry));
}

function isSame(one: Entry | undefined, other: Entry): boolean {
  return one?.length === other.length && other.every((value, index) => one[index] === value);
}

/** The line of a hold, for a device that is about to be handed out. */
export function holdLine(address: Address, { resource, node, epoch, kubelet }: HoldProof): string {
  return JSON.stringify(["hold", address, resource, node, epoch, kubelet] satisfies Entry);
}

/**
 * Reads whole lines. Null when they prove nothing: another boot's, or a line that was not written by `proofLines` and its kin (any oddity voids the
 * whole: a file that was tampered with is no proof).
 */
export function proofsFrom(lines: readonly string[], bootId: string): Proofs | null {
  if (lines[0] !== headerLine(bootId)) return null;
  const entries = new Map<string, Entry>();
  for (const line of lines.slice(1)) {
    const entry = entryFrom(line);
    if (entry === null) return null;
    const key = nameOf(entry);
    if (isWithdrawal(entry)) entries.delete(key);
    else entries.set(key, entry);
  }
  return fromEntries(entries);
}

const FIELDS = {
  link: "checkedLinks",
  hold: "holds",
  spec: "specs",
  name: "names",
  unit: "lastUnits",
  load: "loads",
  pod: "podUids",
} as const satisfies Readonly<Record<Kind, keyof Proofs>>;

const ENTRIES: Readonly<Record<Kind, (proofs: Proofs) => readonly Entry[]>> = {
  link: ({ checkedLinks }) => [...checkedLinks].map((key) => ["link", key]),
  hold: ({ holds }) => [...holds].map(([address, { resource, node, epoch, kubelet }]) => ["hold", address, resource, node, epoch, kubelet]),
  spec: ({ specs }) => [...specs].map(([name, { node, epoch }]) => ["spec", name, node, epoch]),
  name: ({ names }) => [...names].map((name) => ["name", name]),
  unit: ({ lastUnits }) => [...lastUnits].map(([address, regBase]) => ["unit", address, regBase]),
  load: ({ loads }) => [...loads].map((load) => ["load", load]),
  pod: ({ podUids }) => [...podUids].map((uid) => ["pod", uid]),
};

function entriesOf(proofs: Proofs, kinds: readonly Kind[] = KINDS): Entries {
  return new Map(kinds.flatMap((kind) => ENTRIES[kind](proofs)).map((entry) => [nameOf(entry), entry]));
}

/** No kind has a space in it. */
function nameOf([kind, key]: Entry): string {
  return `${kind} ${key}`;
}

/** How many values follow the key. Those of a hold and a spec that may be null are looked at by `fromEntries`. */
const VALUES: Readonly<Record<Kind, number>> = { link: 0, hold: 4, spec: 2, name: 0, unit: 1, load: 0, pod: 0 };

function isWithdrawal(entry: Entry): boolean {
  return entry.length === 3 && entry[2] === null;
}

function entryFrom(line: string): Entry | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (!Array.isArray(parsed)) return null;
  const [kind, key, ...values]: readonly unknown[] = parsed;
  const known = KINDS.find((one) => one === kind);
  if (known === undefined || typeof key !== "string" || !values.every((value) => typeof value === "string" || value === null)) return null;
  const entry: Entry = [known, key, ...(values as (string | null)[])];
  return isWithdrawal(entry) || values.length === VALUES[known] ? entry : null;
}

/** Null when a value that must be there is null. */
function fromEntries(entries: Entries): Proofs | null {
  const holds = new Map<Address, HoldProof>();
  const specs = new Map<string, SpecProof>();
  const lastUnits = new Map<Address, RegBase>();
  const keys: Record<"link" | "name" | "load" | "pod", Set<string>> = { link: new Set(), name: new Set(), load: new Set(), pod: new Set() };
  for (const [kind, key, first = null, second = null, third = null, fourth = null] of entries.values()) {
    if (kind === "link" || kind === "name" || kind === "load" || kind === "pod") keys[kind].add(key);
    else if (kind === "hold" && first !== null && third !== null) holds.set(key, { resource: first, node: second, epoch: third, kubelet: fourth });
    else if (kind === "spec" && second !== null) specs.set(key, { node: first, epoch: second });
    else if (kind === "unit" && first !== null) lastUnits.set(key, first);
    else return null;
  }
  return { checkedLinks: keys.link, holds, specs, names: keys.name, lastUnits, loads: keys.load, podUids: keys.pod };
}
