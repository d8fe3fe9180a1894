// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { ADDRESS_FORM, ADDRESS_PATTERN, parseAddress } from "../domain/address.ts";
import { FUNCTION_TYPES } from "../domain/device.ts";
import { DESIRED_STATES, DRIVER_BINDS, type Intent, LEDGERS, LINK_ENABLES, type ResourceRule } from "../domain/intent.ts";
import { parseRegBase } from "../domain/unit.ts";
import { field, text } from "./field.ts";
import { exactlyOneSelection, nonEmptyMatch, oneLedgerPerName, ownDomain, ownVariables, shortInDra, uniqueNames } from "./rules.ts";

/** More than any of these texts has, so that the rule is asked, which says what to write: the API server says of a longer one only that it is too long. */
const LONG_ENOUGH = 64;

const lowerCase = (value: string): string => value.trim().toLowerCase();

/** A register base in its one spelling: the same text in spec, status, metrics and logs, so that they can be joined by eye and by jq. */
const regBase = text({
  pattern: /^0x[1-9a-f][0-9a-f]{0,12}000$/,
  maxLength: LONG_ENOUGH,
  description:
    "Physical address of a unit's register block (DRHD reg_base_addr), 4 KiB aligned: 0x and lower-case hex digits without leading zeros. " +
    "status.units lists the units of the node.",
  instead: 'a 4 KiB aligned address as 0x and lower-case hex digits without leading zeros, ending in 000, in quotes: "0xfed90000"',
  suggest: (value) => parseRegBase(/^(0x|0X)/.test(value.trim()) ? value.trim().replace(/^0X/, "0x") : `0x${value.trim()}`),
});

/** `spec.units`. */
export const unitsSchema = field(
  z.strictObject({
    all: field(z.literal(true), {
      description: "true: every unit of the node. Give either all or regBases.",
      instead: "true, or leave it out and name units in regBases",
    }).optional(),
    regBases: field(z.array(regBase).min(1).max(256), {
      description: "The units meant, by register base, each once. A unit named here that has no TDX Connect is reported as a failure.",
      instead: 'a list of register bases: ["0xfed90000"]',
      list: { kind: "Set" },
    }).optional(),
  }),
  {
    description: "Which units the state is wanted for. A unit that is not selected is left as it is, and no device behind it is offered.",
    instead: "{all: true}, or regBases with a list",
    rules: [exactlyOneSelection],
  },
);

const pciId = (what: string, example: string): z.ZodString =>
  text({
    pattern: /^[0-9a-f]{4}$/,
    maxLength: LONG_ENOUGH,
    description: `${what}: four lower-case hex digits, in quotes.`,
    instead: `four lower-case hex digits in quotes: "${example}"`,
    suggest: (value) => lowerCase(value).replace(/^0x/, ""),
  });

const pciClass = text({
  pattern: /^[0-9a-f]{2}([0-9a-f]{2})?$/,
  maxLength: LONG_ENOUGH,
  description:
    "PCI base class (two lower-case hex digits) or base class and sub-class (four), in quotes: 03 is any display controller, 0302 a 3D one.",
  instead: 'two or four lower-case hex digits in quotes: "0302"',
  suggest: (value) => lowerCase(value).replace(/^0x/, ""),
});

const address = text({
  pattern: ADDRESS_PATTERN,
  maxLength: LONG_ENOUGH,
  description:
    "PCI address of one function as lspci -D shows it: segment:bus:device.function in lower-case hex, the segment in four digits (more only above ffff).",
  instead: ADDRESS_FORM,
  suggest: parseAddress,
});

const functionType = field(z.enum(FUNCTION_TYPES), {
  description: "Physical: functions of the device itself (PF). Virtual: SR-IOV functions (VF).",
  instead: "Physical or Virtual",
});

const listOf = <T extends z.ZodType>(item: T, max: number, description: string): z.ZodArray<T> =>
  field(z.array(item).max(max), { description: `${description} Empty or absent: any.`, instead: "a list", list: { kind: "Atomic" } });

const match = field(
  z.strictObject({
    vendors: listOf(pciId("PCI vendor id", "10de"), 64, "PCI vendor ids, one of which the function must have.").optional(),
    devices: listOf(pciId("PCI device id", "2331"), 64, "PCI device ids, one of which the function must have.").optional(),
    classes: listOf(pciClass, 64, "PCI classes, one of which the function must have.").optional(),
    addresses: listOf(address, 256, "PCI addresses, one of which must be the function's.").optional(),
    functions: listOf(functionType, 2, "Function types, one of which the function must be.").optional(),
  }),
  {
    description:
      "Which functions the resource takes: those for which every list given contains the function's value. Only TEE-I/O-capable functions are ever offered.",
    instead: 'at least one non-empty list: {vendors: ["10de"]}',
    rules: [nonEmptyMatch],
  },
);

const LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";

/**
 * An extended resource name that is a CDI kind too. CDI: vendor and class start with a letter, and one-letter ones panic parser 1.1.0; a dot in
 * the class would need CDI 0.6.0, while 0.5.0 is what every consumer reads.
 */
const RESOURCE_NAME = new RegExp(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9](?:\\.${LABEL})*|(?:\\.${LABEL})+)/[A-Za-z][-A-Za-z0-9_]{0,61}[A-Za-z0-9]$`);

const resourceDriver = field(
  z.strictObject({
    bind: field(z.enum(DRIVER_BINDS), {
      description:
        "Which driver the resource's functions should have. Keep: the one that they have; a function without a vfio device is withheld. Vfio: the agent gives " +
        "vfio-pci to each function that could be offered but for that, if nothing on the host uses it. Native: the functions are not offered, and the agent " +
        "gives each its own driver back once nobody uses it.",
      instead: "Keep, Vfio or Native",
    }).default("Keep"),
  }),
  { description: "Drivers of the resource's functions.", instead: "{bind: Vfio}" },
).default({ bind: "Keep" });

/** One entry of `spec.resources`. */
export const resourceSchema = field(
  z.strictObject({
    name: text({
      pattern: RESOURCE_NAME,
      maxLength: 244,
      description:
        "Extended resource name and CDI kind, domain/name: teeio.dev/gpu. Pods ask for it under this name. Both parts start with a letter and have at " +
        "least two characters (CDI); the kubernetes.io domain is not ours to use.",
      instead: "a qualified name domain/name, both parts starting with a letter and two or more characters long: teeio.dev/gpu",
      suggest: (value) => (/^[A-Za-z][-A-Za-z0-9_]+$/.test(value) ? `teeio.dev/${value}` : null),
      rules: [ownDomain],
    }),
    ledger: field(z.enum(LEDGERS), {
      description:
        "Who keeps count of the resource's devices. DevicePlugin: kubelet's device plugins. DRA: ResourceSlices and claims, " +
        "where the agent serves them (--dra on); else the devices are withheld with reason LedgerNotServed.",
      instead: "DevicePlugin or DRA",
    }).default("DevicePlugin"),
    driver: resourceDriver,
    match,
  }),
  {
    description: "One resource: its name, its ledger, and the functions it takes.",
    instead: "{name: teeio.dev/gpu, match: {...}}",
    rules: [shortInDra],
  },
);

const resources = field(z.array(resourceSchema).max(32), {
  description:
    "Resources the node's devices are offered as, in order: a function belongs to the first resource that matches it. A name stands only once, and " +
    "no two names give the same variable PCI_RESOURCE_*.",
  instead: "a list of resources, or [] to offer nothing",
  list: { kind: "Atomic" },
  rules: [oneLedgerPerName, uniqueNames, ownVariables],
}).default([]);

const link = field(
  z.strictObject({
    enable: field(z.enum(LINK_ENABLES), {
      description:
        "Who secures a device's link (SPDM session and IDE stream) once its unit is trusted. OnPrepare: the agent, when a workload is given the device; a " +
        "container starts only with a secured link, and the agent repairs it and releases it when nobody uses the device. External: another program writes " +
        "tsm/connect after the device is given away; a container starts only with a secured link. Never: links are nobody's business here, and a container " +
        "starts without one.",
      instead: "OnPrepare, External or Never",
    }).default("Never"),
  }),
  { description: "How links of offered devices are secured.", instead: "{enable: OnPrepare}" },
).default({ enable: "Never" });

const SPEC = {
  state: field(z.enum(DESIRED_STATES), {
    description:
      "Trusted: every selected unit that has TDX Connect is put into trusted (TDX) mode and its devices are offered. Cleared: devices are withdrawn, and " +
      "each selected unit is cleared once its devices are free; pods that hold one go on running until they end.",
    instead: "Trusted or Cleared",
  }),
  units: unitsSchema,
  resources,
  link,
};

/** `spec` of a TrustedIommu, and of a policy's template. */
export const specSchema = field(z.strictObject(SPEC), {
  description: "What the admin wants of this node.",
  instead: "a spec with state and units",
});

export type TrustedIommuSpec = z.output<typeof specSchema>;

/** The domain's form of a valid spec. */
export function intentOf(spec: TrustedIommuSpec): Intent {
  return { ...spec, resources: spec.resources.map(ruleOf) };
}

/** The domain's form of a valid resource: empty match lists are dropped, because they mean "any". */
export function ruleOf({ name, ledger, driver, match }: z.output<typeof resourceSchema>): ResourceRule {
  const { vendors, devices, classes, addresses, functions } = match;
  return {
    name,
    ledger,
    driver,
    match: {
      ...(given(vendors) && { vendors }),
      ...(given(devices) && { devices }),
      ...(given(classes) && { classes }),
      ...(given(addresses) && { addresses }),
      ...(given(functions) && { functions }),
    },
  };
}

function given(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}
