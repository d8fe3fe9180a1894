// SPDX-License-Identifier: Apache-2.0
import { AppError } from "../../runtime/errors.ts";
import type { CdiDevice, CdiResource } from "../port.ts";

/** The lowest version with deviceNodes.hostPath and names that begin with a digit; a spec must not declare less than it uses. */
const CDI_VERSION = "0.5.0";
/** A class with a dot and annotations need this one. */
export const CDI_VERSION_0_6 = "0.6.0";

/** CDI 1.1.0, parser package: a letter, then letters, digits, `_-.`, the last one a letter or digit. */
const NAME = /^[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const DEVICE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;
/** kubelet's bound on the name part of a qualified name, which is the class. */
const MAX_CLASS = 63;

/**
 * Why `resource` cannot be a CDI kind, empty when it can. A one-letter vendor or class panics the CDI parser 1.1.0 (fixed in 1.1.1), which
 * takes the container runtime down: refused here although the specification allows it.
 */
export function cdiKindProblem(resource: string): string {
  const parts = resource.split("/");
  const [vendor = "", className = ""] = parts;
  if (parts.length !== 2) return `${resource}: a CDI kind has the form vendor/class`;
  if (vendor.length < 2 || className.length < 2) return `${resource}: vendor and class need two characters or more (CDI parser 1.1.0 panics on one)`;
  if (!NAME.test(vendor)) return `${resource}: the vendor begins with a letter and holds letters, digits, "_", "-", "." only`;
  if (!NAME.test(className) || className.length > MAX_CLASS)
    return `${resource}: the class begins with a letter, holds letters, digits, "_", "-", "." only and is at most 63 long`;
  return "";
}

/** The fully qualified name of a device: what Allocate answers and what Kata builds from podresources (kind = resource, name = id). */
export function cdiName(resource: string, id: string): string {
  return `${resource}=${id}`;
}

/** Content of one resource's spec file. Pure; the same input gives the same bytes. @throws MANIFEST_INVALID for a kind CDI does not take */
export function renderCdiSpec(resource: CdiResource): string {
  const problem = cdiKindProblem(resource.resource);
  if (problem !== "") throw new AppError("MANIFEST_INVALID", problem, { details: { resource: resource.resource } });
  const dotted = (resource.resource.split("/")[1] ?? "").includes(".");
  const spec = {
    cdiVersion: dotted ? CDI_VERSION_0_6 : CDI_VERSION,
    kind: resource.resource,
    devices: resource.devices.map(renderDevice),
  };
  return `${JSON.stringify(spec, null, 2)}\n`;
}

/** The CDI names in a spec file of ours, with the host paths of their nodes; null when the content is no spec that this program wrote. */
export function namesInSpec(content: string): ReadonlyMap<string, readonly string[]> | null {
  try {
    const { kind, devices } = JSON.parse(content) as WrittenSpec;
    return new Map(devices.map(({ name, containerEdits }) => [cdiName(kind, name), (containerEdits.deviceNodes ?? []).map((node) => node.hostPath)]));
  } catch {
    return null;
  }
}

/** As far as it is read back. */
interface WrittenSpec {
  readonly kind: string;
  readonly devices: readonly {
    readonly name: string;
    readonly containerEdits: { readonly deviceNodes?: readonly { readonly hostPath: string }[] };
  }[];
}

function renderDevice(device: CdiDevice): object {
  return { name: cdiDeviceName(device.id), containerEdits: containerEdits(device.id, device) };
}

/** @throws INVARIANT_BROKEN for a name that CDI does not take */
export function cdiDeviceName(name: string): string {
  if (!DEVICE_NAME.test(name)) throw new AppError("INVARIANT_BROKEN", `${name} cannot be the name of a CDI device`);
  return name;
}

/** What a container is given, in the order in which it is read back. */
export interface ContainerEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly { readonly path: string; readonly hostPath: string; readonly permissions: string }[];
}

/** CDI 0.5.0: a file or folder of the host's in the container. */
export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly options: readonly string[];
}

/** Empty edits are invalid, so a simulated device (no nodes) carries its environment. @throws INVARIANT_BROKEN when there is neither */
export function containerEdits(name: string, given: Pick<CdiDevice, "deviceNodes" | "env">): ContainerEdits {
  const env = Object.entries(given.env).map(([key, value]) => `${key}=${value}`);
  const deviceNodes = given.deviceNodes.map((path) => ({ path, hostPath: path, permissions: "rw" }));
  if (env.length + deviceNodes.length === 0) throw new AppError("INVARIANT_BROKEN", `${name} has neither device nodes nor environment`);
  return { ...(env.length > 0 ? { env } : {}), ...(deviceNodes.length > 0 ? { deviceNodes } : {}) };
}
