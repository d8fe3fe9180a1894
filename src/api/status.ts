// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { LINK_WORDS } from "../domain/links/word.ts";
import { CONDITION_REASONS, CONDITION_TYPES, DEVICE_REASONS, OTHER_UNIT_REASONS, UNIT_REASONS } from "../domain/reason.ts";
import type { NodeStatus } from "../domain/status.ts";
import { UNIT_STATES } from "../domain/unit.ts";
import { field } from "./field.ts";

const words = (description: string): z.ZodString => field(z.string(), { description });
const count = (description: string): z.ZodInt => field(z.int().min(0), { description });
const yes = (description: string): z.ZodBoolean => field(z.boolean(), { description });

/** A closed list of the domain, with each word's meaning in the description, so that `kubectl explain` teaches them. */
function reason<T extends string>(description: string, meanings: Readonly<Record<T, string>>): z.ZodEnum<{ [K in T]: K }> {
  const names = Object.keys(meanings) as T[]; // Object.keys forgets the key type.
  const explained = names.map((name) => `${name}: ${meanings[name]}`).join(". ");
  return field(z.enum(names), { description: `${description} ${explained}.` });
}

const agent = field(
  z.strictObject({
    version: words("Version of the agent that wrote this status."),
    specLevel: count(
      "Level of the spec that this agent understands: it rises with each field that is added to the spec. docs/resources.md has the level of each.",
    ),
  }),
  { description: "The agent that wrote this status." },
);

const tdxModule = field(
  z.strictObject({
    version: words("Version of the TDX module, such as 2.0.18. Empty when unreadable."),
    connect: yes("The module has TDX Connect (TDX_FEATURES0 bit 6)."),
    driver: words(
      "What issues SETUP and CLEAR: tdx_iommu (this project's kernel module), tdx_host (the kernel's own), simulated; auto while none is found.",
    ),
    environment: words("Ok, or why TDX cannot be called on this host. Empty when the driver cannot be read."),
    instance: words("32 hex digits, new at each load of the driver's module: ids of another instance are history. Empty when unreadable."),
  }),
  { description: "The TDX module and the way to it." },
);

const counts = field(
  z.strictObject({
    unitsSelected: count("Units of this host that the spec selects."),
    unitsTrusted: count("Units that are trusted now."),
    functions: count("PCI functions on the bus, TEE-I/O-capable or not."),
    devicesOffered: count("Devices offered to Kubernetes now."),
    devicesWithheld: count("Devices listed here and not offered."),
  }),
  { description: "Numbers for a quick look." },
);

const lastCall = field(
  z.strictObject({
    leaf: words("SEAMCALL leaf: TDH.IOMMU.SETUP or TDH.IOMMU.CLEAR."),
    status: words("Full 64-bit completion status in hex."),
    name: words("Decoded status, such as TDX_SUCCESS or TDX_OPERAND_INVALID."),
    operand: words("The operand the status names, such as RCX. Empty when it names none."),
    attempts: count("How often the leaf was issued, resumptions included."),
    durationMs: field(z.number().min(0), { description: "Milliseconds from the first issue to the last answer." }),
  }),
  { description: "The last SEAMCALL made for the unit. Null when there was none since the driver was loaded." },
);

const unit = field(
  z.strictObject({
    regBase: words("Physical address of the unit's register block: the unit's key everywhere."),
    kernelName: words("The kernel's name, dmarN: a label that may change from boot to boot. Empty when the kernel lists no such unit."),
    state: field(z.enum(UNIT_STATES), {
      description:
        "Unknown: cannot be read. Unsupported: has no TDX Connect. Untrusted: not in TDX mode. SettingUp and Clearing: the SEAMCALL runs or is repeated. " +
        "Trusted: SETUP is proven. Failed: see reason and lastCall. Foreign: in TDX mode without an id of ours.",
    }),
    tdxIommuId: words("Id that the TDX module gave the unit, in hex; not the kernel's IOMMU number. Empty when it has none."),
    setupSeq: words("Sequence number of the SETUP that holds, in hex. With tdxModule.instance it names one span of trust. Empty when none holds."),
    numaNode: field(z.int().min(0), { description: "NUMA node of the unit. Null when the firmware names none." }).nullable(),
    reason: reason("Why the unit is in its state.", UNIT_REASONS),
    message: words("The reason in one sentence, with what it is about."),
    lastCall: lastCall.nullable(),
    pagesRetained: count("Pages that the TDX module may still own although no id holds them. Above 0 only after a failed CLEAR."),
  }),
  { description: "One VT-d remapping unit.", isWhole: true },
);

const otherUnit = field(
  z.strictObject({
    kernelName: words("The kernel's name for it."),
    reason: reason("Why it is none of the units.", OTHER_UNIT_REASONS),
    message: words("The reason in one sentence, with what it is about."),
  }),
  { description: "One IOMMU without a register base.", isWhole: true },
);

const device = field(
  z.strictObject({
    address: words("PCI address, segment:bus:device.function: the device's key, and its id towards kubelet."),
    regBase: words("Register base of the unit that the device's DMA goes through. Empty when it has no readable unit."),
    hostBridge: words("Kernel name of the host bridge, such as pci0000:16. Empty when it cannot be told."),
    offered: yes("true: Kubernetes may give this device to a pod now."),
    reason: reason("Why the device is offered or withheld: the first rule of the gate that it failed.", DEVICE_REASONS),
    message: words("The reason in one sentence, with what it is about. Of an offered device: what its pod waits for; empty when for nothing."),
    resource: words("The resource of the spec that takes the device, offered or not. Empty when none does."),
    ledger: words("Ledger of that resource. Empty when no resource takes the device."),
    link: field(
      z.strictObject({
        state: field(z.enum(LINK_WORDS), {
          description:
            "Secure: a TSM is connected or an IDE stream is enabled. Insecure: neither. Broken: a TSM is connected and its stream is off. Busy: another " +
            "program is connecting or disconnecting a device of the host. Unknown: cannot be read, which counts as secured. Securing, Releasing: the agent " +
            "is doing so. Failed: it tried.",
        }),
        tsm: words("The TSM that the link is connected to. Empty when it is not connected."),
      }),
      { description: "The device's link: SPDM session and IDE stream." },
    ),
    usedBy: field(
      z.strictObject({
        pod: words("namespace/name of the pod. Empty when the holder is not a pod, or kubelet does not name it yet."),
      }),
      { description: "The holder of the device. Null while it is free." },
    ).nullable(),
  }),
  {
    description: "One PCI function that is TEE-I/O-capable, matched by a resource, or undecided. Other functions are only counted.",
    // 4,096 of them do not fit into etcd's 1.5 MiB otherwise.
    isWhole: true,
  },
);

const condition = field(
  z.strictObject({
    type: field(z.enum(CONDITION_TYPES), {
      description:
        "Supported: the host has TDX Connect. UnitsTrusted: every selected unit is trusted. DevicesOffered: at least one device is offered. Ready: all is " +
        "as the spec wants. Degraded: something failed or was lost. ClearBlocked: a unit to clear is in use; the message names the holder.",
    }),
    status: field(z.enum(["True", "False", "Unknown"]), { description: "Whether the condition holds." }),
    observedGeneration: count("metadata.generation of the spec that this was judged by."),
    lastTransitionTime: field(z.string(), { description: "When status last changed, RFC 3339." }),
    reason: reason("Why the condition has its status.", CONDITION_REASONS),
    message: words("The reason in one sentence, with what it is about. Empty when the reason says it all."),
  }),
  { description: "One condition." },
);

/** `status` of a TrustedIommu: NodeStatus of the domain, exactly (checked below by the compiler). */
export const statusSchema = field(
  z.strictObject({
    agent,
    observedGeneration: count(
      "metadata.generation of the spec that this status answers. Lower than metadata.generation: the agent has not seen it yet, or refused it.",
    ),
    bootId: words("Boot id of the kernel that the agent ran on. Empty when unreadable."),
    simulated: yes("true: SETUP and CLEAR go to the simulator, and nothing here is real."),
    tdxModule,
    summary: words("The node's state in one sentence."),
    counts,
    units: field(z.array(unit), { description: "The node's units, by register base.", list: { kind: "Map", keys: ["regBase"] } }),
    otherUnits: field(z.array(otherUnit), {
      description: "IOMMUs of the node that are none of the units, by the kernel's name: VT-d units that cannot be read, and other kinds.",
      list: { kind: "Map", keys: ["kernelName"] },
    }),
    devices: field(z.array(device), {
      description: "The node's devices, by address, each with the reason why it is offered or withheld.",
      list: { kind: "Map", keys: ["address"] },
    }),
    conditions: field(z.array(condition), { description: "Conditions, by type.", list: { kind: "Map", keys: ["type"] } }),
  }),
  { description: "What the node's agent last saw and did. Written by the agent only.", isOpen: true },
);

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
/** Fails to compile when the schema and the domain's type drift apart, in either direction. */
export const STATUS_IS_NODE_STATUS: Same<z.output<typeof statusSchema>, NodeStatus> = true;
