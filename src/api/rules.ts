// SPDX-License-Identifier: Apache-2.0

/**
 * Rules across fields. Each is written twice, in CEL and in TypeScript; src/api/examples.ts holds values that both must refuse, and the
 * cluster tests run them against the real API server.
 */
import { pciResourceEnvName } from "../domain/env-name.ts";
import type { Breach, Rule } from "./field.ts";

type Plain = Readonly<Record<string, unknown>>;

const isPlain = (value: unknown): value is Plain => typeof value === "object" && value !== null && !Array.isArray(value);
const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const has = (value: Plain, key: string): boolean => value[key] !== undefined;

/** `units` names its units in exactly one way. */
export const exactlyOneSelection: Rule = {
  cel: "has(self.all) != has(self.regBases)",
  message: "write either all: true or a list of regBases, exactly one of them",
  messageExpression: "",
  breaches(value) {
    if (!isPlain(value) || has(value, "all") !== has(value, "regBases")) return [];
    const fix = has(value, "all") ? "write either all: true or regBases, not both" : 'write all: true, or regBases with a list: ["0xfed90000"]';
    return [{ path: [], fix }];
  },
};

const MATCH_LISTS = ["vendors", "devices", "classes", "addresses", "functions"];

/** A match constrains something: an empty one would take every function of the node by accident. */
export const nonEmptyMatch: Rule = {
  cel: MATCH_LISTS.map((name) => `(has(self.${name}) && size(self.${name}) > 0)`).join(" || "),
  message: `an empty match takes nothing: write at least one non-empty list of ${MATCH_LISTS.join(", ")}`,
  messageExpression: "",
  breaches(value) {
    // A list of the wrong type has a problem of its own.
    if (!isPlain(value) || MATCH_LISTS.some((name) => has(value, name) && (!Array.isArray(value[name]) || value[name].length > 0))) return [];
    return [{ path: [], fix: `write at least one non-empty list of ${MATCH_LISTS.join(", ")}` }];
  },
};

/** Names that Kubernetes keeps for itself, or takes for quota. */
export const ownDomain: Rule = {
  cel: "!self.contains('kubernetes.io/') && !self.startsWith('requests.')",
  message: "the kubernetes.io domain and names starting with requests. belong to Kubernetes: write a domain of your own",
  messageExpression: '"\'" + self + "\' belongs to Kubernetes: write a domain of your own, teeio.dev/gpu"',
  breaches: (value) =>
    typeof value === "string" && (value.includes("kubernetes.io/") || value.startsWith("requests."))
      ? [{ path: [], fix: "write a domain of your own, teeio.dev/gpu: kubernetes.io and requests. belong to Kubernetes" }]
      : [],
};

/** resource.k8s.io/v1 `DeviceAttributeMaxValueLength`: CEL of a claim selects by the attribute `resource`, whose value is the name. */
const LONGEST_DRA_NAME = 64;

/** A resource of DRA has a name that a slice can have. */
export const shortInDra: Rule = {
  cel: `self.ledger != 'DRA' || size(self.name) <= ${LONGEST_DRA_NAME}`,
  message: `the name of a resource of ledger DRA is an attribute in ResourceSlices: write one of at most ${LONGEST_DRA_NAME} characters`,
  messageExpression: "",
  breaches(value) {
    if (!isPlain(value) || value["ledger"] !== "DRA") return [];
    const { name } = value as { readonly name?: unknown };
    if (typeof name !== "string" || name.length <= LONGEST_DRA_NAME) return [];
    return [{ path: ["name"], fix: `write a name of at most ${LONGEST_DRA_NAME} characters: with ledger DRA it is an attribute in ResourceSlices` }];
  },
};

interface Named {
  readonly index: number;
  readonly name: string;
  readonly ledger: unknown;
}

function named(value: unknown): Named[] {
  return listIn(value).flatMap((entry, index) =>
    isPlain(entry) && typeof entry["name"] === "string" ? [{ index, name: entry["name"], ledger: entry["ledger"] ?? "DevicePlugin" }] : [],
  );
}

/** The later of two entries with one name, together with the first. */
function repeated(value: unknown): { first: Named; again: Named }[] {
  const entries = named(value);
  return entries.flatMap((again) => {
    const first = entries.find((entry) => entry.name === again.name);
    return first !== undefined && first !== again ? [{ first, again }] : [];
  });
}

/** CEL of a message that names the first entry for which `isWrong` holds of `a`. The API server counts `+` with the result of a filter as unbounded. */
function naming(isWrong: string, rest: string): string {
  return `'%s${rest}'.format([self.filter(a, ${isWrong})[0].name])`;
}

/** Invariant I7: one ledger per resource. */
export const oneLedgerPerName: Rule = {
  cel: "self.all(a, self.all(b, a.name != b.name || a.ledger == b.ledger))",
  message: "a resource name has two ledgers: give each name one ledger, DevicePlugin or DRA",
  messageExpression: naming(
    "self.exists(b, a.name == b.name && a.ledger != b.ledger)",
    " has two ledgers: give each name one ledger, DevicePlugin or DRA",
  ),
  breaches: (value): Breach[] =>
    repeated(value)
      .filter(({ first, again }) => first.ledger !== again.ledger)
      .map(({ first, again }) => ({
        path: [again.index, "ledger"],
        fix: `write one ledger for ${again.name}: resources[${first.index}] has ${String(first.ledger)}; or give this resource another name`,
      })),
};

/** Upper case and lower case are one, and so are `/`, `.` and `_`. */
const VARIABLE_OF = (name: string): string => `${name}.name.lowerAscii().replace('/', '_').replace('.', '_')`;

/** KubeVirt and others read a pod's devices from PCI_RESOURCE_*: two resources in one container must not share the variable. */
export const ownVariables: Rule = {
  cel: `self.all(a, self.all(b, a.name == b.name || ${VARIABLE_OF("a")} != ${VARIABLE_OF("b")}))`,
  message: "two resource names give containers the same variable PCI_RESOURCE_*: in it upper and lower case are one, and so are /, . and _",
  messageExpression: naming(
    `self.exists(b, a.name != b.name && ${VARIABLE_OF("a")} == ${VARIABLE_OF("b")})`,
    " and another name give containers the same variable PCI_RESOURCE_*: write another name; in it upper and lower case are one, and so are /, . and _",
  ),
  breaches(value): Breach[] {
    const entries = named(value);
    return entries.flatMap((again) => {
      const variable = pciResourceEnvName(again.name);
      const first = entries.find(({ name }) => pciResourceEnvName(name) === variable);
      if (first === undefined || first.name === again.name) return [];
      return [{ path: [again.index, "name"], fix: `write another name: resources[${first.index}] gives containers the same variable, ${variable}` }];
    });
  },
};

/** Order matters, so the list is atomic; that a name stands only once is this rule's work. */
export const uniqueNames: Rule = {
  cel: "self.all(a, self.exists_one(b, a.name == b.name && a.ledger == b.ledger))",
  message: "a resource name stands twice: give each resource its own name, or join their matches",
  messageExpression: naming(
    "!self.exists_one(b, a.name == b.name && a.ledger == b.ledger)",
    " stands twice: give each resource its own name, or join their matches",
  ),
  breaches: (value): Breach[] =>
    repeated(value)
      .filter(({ first, again }) => first.ledger === again.ledger)
      .map(({ first, again }) => ({
        path: [again.index, "name"],
        fix: `write another name, or join its match with that of resources[${first.index}]`,
      })),
};
