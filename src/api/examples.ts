// SPDX-License-Identifier: Apache-2.0

/**
 * Objects that parse.ts and the API server must judge alike: run through both, here by zod and the CRD's schema, in the cluster tests by the real
 * API server with strict field validation.
 */
import { API_VERSION } from "./names.ts";

/** Who refuses on the API server's side. Schema: types, enums, sizes. Cel: a rule, also for the form of a text. UnknownField: strict decoding. */
export type RefusedBy = "Schema" | "Cel" | "UnknownField";

export type Expectation =
  | { readonly ok: true }
  /** `path` is where parse.ts finds the first problem; the API server's message contains `serverPath`. */
  | { readonly ok: false; readonly path: string; readonly serverPath: string; readonly by: RefusedBy };

export interface Example {
  /** Unique; a DNS label, used as the object's name. */
  readonly name: string;
  readonly kind: "TrustedIommu" | "TrustedIommuPolicy";
  readonly yaml: string;
  readonly expect: Expectation;
}

const indent = (text: string, by: number): string =>
  text
    .trim()
    .split("\n")
    .map((line) => `${" ".repeat(by)}${line}`)
    .join("\n");

function head(kind: Example["kind"], name: string): string {
  return `apiVersion: ${API_VERSION}\nkind: ${kind}\nmetadata:\n  name: ${name}\n`;
}

function good(name: string, spec: string): Example {
  return { name, kind: "TrustedIommu", yaml: `${head("TrustedIommu", name)}spec:\n${indent(spec, 2)}\n`, expect: { ok: true } };
}

interface Refusal {
  readonly by: RefusedBy;
  readonly path: string;
  /** When the API server names another path: a rule belongs to the list, not to its entry. */
  readonly serverPath?: string;
}

function bad(name: string, spec: string, { by, path, serverPath }: Refusal): Example {
  return { ...good(name, spec), expect: { ok: false, by, path, serverPath: serverPath ?? path } };
}

const ALL = "state: Trusted\nunits: {all: true}\n";
const withResources = (resources: string): string => `${ALL}resources:\n${indent(resources, 0)}\n`;
const withMatch = (match: string): string => withResources(`- {name: teeio.dev/gpu, match: ${match}}`);
const withName = (name: string): string => withResources(`- {name: "${name}", match: {vendors: ["10de"]}}`);
const withNames = (...names: readonly string[]): string =>
  withResources(names.map((name) => `- {name: ${name}, match: {vendors: ["10de"]}}`).join("\n"));
const withRegBases = (list: string): string => `state: Trusted\nunits: {regBases: ${list}}\n`;

const LIST = "spec.resources";
const GPU = '- {name: teeio.dev/gpu, match: {vendors: ["10de"]}}';

const ACCEPTED: readonly Example[] = [
  good("least", ALL),
  good("cleared", "state: Cleared\nunits: {all: true}"),
  good("named-units", withRegBases('["0xfed90000", "0xfed91000", "0x20fffff000", "0xfffffffffffff000"]')),
  good("no-resources", `${ALL}resources: []`),
  good("two-resources", withResources(`${GPU}\n- {name: teeio.dev/nic, ledger: DRA, match: {vendors: ["15b3"], functions: [Virtual]}}`)),
  good("empty-lists-mean-any", withMatch('{vendors: ["10de"], devices: [], classes: ["0302", "03"], addresses: [], functions: [Physical, Virtual]}')),
  good("addresses", withMatch('{addresses: ["0000:17:00.0", "0001:ff:1f.7", "10000:01:00.0", "ffffffff:ff:1f.7"]}')),
  good("short-domain", withName("t.io/gpu")),
  // One file, if the slash were a dash in it; and a name of 223 characters.
  good("names-that-differ-by-the-slash", withNames("teeio.dev-hpc/gpu", "teeio.dev/hpc-gpu")),
  good("name-of-223", withName(`${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(32)}/${"d".repeat(62)}`)),
  good("name-of-64-in-dra", withResources(`- {name: "${"a".repeat(33)}.io/${"d".repeat(27)}", ledger: DRA, match: {vendors: ["10de"]}}`)),
  good("external-link", `${ALL}link: {enable: External}`),
  good("never-link", `${ALL}link: {enable: Never}`),
  good("default-link", `${ALL}link: {}`),
];

const REFUSED_UNITS: readonly Example[] = [
  bad("no-state", "units: {all: true}", { by: "Schema", path: "spec.state" }),
  bad("unknown-state", "state: trusted\nunits: {all: true}", { by: "Schema", path: "spec.state" }),
  bad("no-units", "state: Trusted", { by: "Schema", path: "spec.units" }),
  bad("units-empty", "state: Trusted\nunits: {}", { by: "Cel", path: "spec.units" }),
  bad("units-both", 'state: Trusted\nunits: {all: true, regBases: ["0xfed90000"]}', { by: "Cel", path: "spec.units" }),
  bad("units-all-false", "state: Trusted\nunits: {all: false}", { by: "Schema", path: "spec.units.all" }),
  bad("reg-bases-empty", withRegBases("[]"), { by: "Schema", path: "spec.units.regBases" }),
  bad("reg-base-number", withRegBases("[0xfed90000]"), { by: "Schema", path: "spec.units.regBases[0]" }),
  bad("reg-base-not-hex", withRegBases('["dmar0"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-decimal", withRegBases('["4275634176"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-without-0x", withRegBases('["fed90000"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-upper-case", withRegBases('["0xFED90000"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-leading-zeros", withRegBases('["0x00000000fed90000"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-unaligned", withRegBases('["0xfed91000", "0xfed90800"]'), { by: "Cel", path: "spec.units.regBases[1]" }),
  bad("reg-base-zero", withRegBases('["0x0"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-65-bits", withRegBases('["0x1fed90000fed90000"]'), { by: "Cel", path: "spec.units.regBases[0]" }),
  bad("reg-base-twice", withRegBases('["0xfed90000", "0xfed91000", "0xfed90000"]'), { by: "Schema", path: "spec.units.regBases[2]" }),
];

const REFUSED_RESOURCES: readonly Example[] = [
  bad("resource-unnamed", withResources('- {match: {vendors: ["10de"]}}'), { by: "Schema", path: `${LIST}[0].name` }),
  bad("resource-without-match", withResources("- {name: teeio.dev/gpu}"), { by: "Schema", path: `${LIST}[0].match` }),
  bad("name-unqualified", withName("gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-of-kubernetes", withName("kubernetes.io/gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-below-kubernetes", withName("node.kubernetes.io/gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-of-quota", withName("requests.teeio.dev/gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-two-slashes", withName("teeio.dev/gpu/one"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-upper-case-domain", withName("TeeIO.dev/gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-one-letter-vendor", withName("t/gpu"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-one-letter-class", withName("teeio.dev/g"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-digit-class", withName("teeio.dev/3d"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-dotted-class", withName("teeio.dev/gpu.h100"), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-long", withName(`teeio.dev/${"g".repeat(64)}`), { by: "Cel", path: `${LIST}[0].name` }),
  bad("name-twice", withResources(`${GPU}\n- {name: teeio.dev/gpu, match: {vendors: ["1002"]}}`), {
    by: "Cel",
    path: `${LIST}[1].name`,
    serverPath: LIST,
  }),
  bad("name-variable-case", withNames("teeio.dev/gpu", "teeio.dev/GPU"), { by: "Cel", path: `${LIST}[1].name`, serverPath: LIST }),
  bad("name-variable-slash", withNames("teeio.dev/nic", "teeio.dev/hpc_gpu", "teeio.dev.hpc/gpu"), {
    by: "Cel",
    path: `${LIST}[2].name`,
    serverPath: LIST,
  }),
  bad("name-two-ledgers", withResources(`${GPU}\n- {name: teeio.dev/gpu, ledger: DRA, match: {vendors: ["1002"]}}`), {
    by: "Cel",
    path: `${LIST}[1].ledger`,
    serverPath: LIST,
  }),
  bad("name-of-65-in-dra", withResources(`- {name: "${"a".repeat(33)}.io/${"d".repeat(28)}", ledger: DRA, match: {vendors: ["10de"]}}`), {
    by: "Cel",
    path: `${LIST}[0].name`,
    serverPath: `${LIST}[0]`,
  }),
  bad("ledger-unknown", withResources('- {name: teeio.dev/gpu, ledger: Dra, match: {vendors: ["10de"]}}'), {
    by: "Schema",
    path: `${LIST}[0].ledger`,
  }),
  bad("match-empty", withMatch("{}"), { by: "Cel", path: `${LIST}[0].match` }),
  bad("match-empty-lists", withMatch("{vendors: [], addresses: []}"), { by: "Cel", path: `${LIST}[0].match` }),
  bad("vendor-number", withMatch("{vendors: [8086]}"), { by: "Schema", path: `${LIST}[0].match.vendors[0]` }),
  bad("vendor-upper-case", withMatch('{vendors: ["10DE"]}'), { by: "Cel", path: `${LIST}[0].match.vendors[0]` }),
  bad("vendor-0x", withMatch('{vendors: ["0x10de"]}'), { by: "Cel", path: `${LIST}[0].match.vendors[0]` }),
  bad("device-short", withMatch('{devices: ["233"]}'), { by: "Cel", path: `${LIST}[0].match.devices[0]` }),
  bad("class-three-digits", withMatch('{classes: ["030"]}'), { by: "Cel", path: `${LIST}[0].match.classes[0]` }),
  bad("class-six-digits", withMatch('{classes: ["030200"]}'), { by: "Cel", path: `${LIST}[0].match.classes[0]` }),
  bad("address-without-segment", withMatch('{addresses: ["17:00.0"]}'), { by: "Cel", path: `${LIST}[0].match.addresses[0]` }),
  bad("address-upper-case", withMatch('{addresses: ["0000:1A:00.0"]}'), { by: "Cel", path: `${LIST}[0].match.addresses[0]` }),
  bad("address-segment-8-digits", withMatch('{addresses: ["00000000:01:00.0"]}'), { by: "Cel", path: `${LIST}[0].match.addresses[0]` }),
  bad("address-device-20", withMatch('{addresses: ["0000:17:20.0"]}'), { by: "Cel", path: `${LIST}[0].match.addresses[0]` }),
  bad("address-function-8", withMatch('{addresses: ["0000:17:00.8"]}'), { by: "Cel", path: `${LIST}[0].match.addresses[0]` }),
  bad("function-unknown", withMatch("{functions: [VF]}"), { by: "Schema", path: `${LIST}[0].match.functions[0]` }),
  bad("link-unknown", `${ALL}link: {enable: Always}`, { by: "Schema", path: "spec.link.enable" }),
];

const REFUSED_FIELDS: readonly Example[] = [
  bad("unknown-field", `${ALL}stat: Trusted`, { by: "UnknownField", path: "spec.stat" }),
  bad("unknown-unit-field", "state: Trusted\nunits: {all: true, regBase: []}", { by: "UnknownField", path: "spec.units.regBase" }),
  bad("unknown-match-field", withMatch('{vendor: "10de", vendors: ["10de"]}'), { by: "UnknownField", path: `${LIST}[0].match.vendor` }),
];

function policy(name: string, spec: string, refusal: Refusal | null): Example {
  const expect: Expectation = refusal === null ? { ok: true } : { ok: false, ...refusal, serverPath: refusal.serverPath ?? refusal.path };
  return { name, kind: "TrustedIommuPolicy", yaml: `${head("TrustedIommuPolicy", name)}spec:\n${indent(spec, 2)}\n`, expect };
}

const TEMPLATE = "template: {spec: {state: Trusted, units: {all: true}}}\n";
const SELECTOR = "nodeSelector: {kubernetes.io/os: linux}\n";

const POLICIES: readonly Example[] = [
  policy("policy-least", SELECTOR + TEMPLATE, null),
  policy("policy-whole", `${SELECTOR}${TEMPLATE}rollout: {maxUnavailable: 3, paused: true}`, null),
  policy("policy-no-selector", TEMPLATE, { by: "Schema", path: "spec.nodeSelector" }),
  policy("policy-empty-selector", `nodeSelector: {}\n${TEMPLATE}`, { by: "Cel", path: "spec.nodeSelector" }),
  policy("policy-no-progress", `${SELECTOR}${TEMPLATE}rollout: {maxUnavailable: 0}`, { by: "Schema", path: "spec.rollout.maxUnavailable" }),
  policy("policy-percent", `${SELECTOR}${TEMPLATE}rollout: {maxUnavailable: 10%}`, { by: "Schema", path: "spec.rollout.maxUnavailable" }),
  policy("policy-bad-template", `${SELECTOR}template: {spec: {state: Trusted, units: {}}}`, { by: "Cel", path: "spec.template.spec.units" }),
  policy("policy-unknown-field", `${SELECTOR}${TEMPLATE}rollouts: {paused: true}`, { by: "UnknownField", path: "spec.rollouts" }),
];

/** Every example, accepted ones first. */
export const EXAMPLES: readonly Example[] = [...ACCEPTED, ...REFUSED_UNITS, ...REFUSED_RESOURCES, ...REFUSED_FIELDS, ...POLICIES];
