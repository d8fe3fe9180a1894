// SPDX-License-Identifier: Apache-2.0
/** Requirements of the devices: TEE-I/O functions, bound to a VFIO driver. Pure. */
import type { PciFunction } from "../../domain/device.ts";
import type { Slot } from "../../domain/slot.ts";
import type { PreflightReadings } from "./readings.ts";
import { found, type Judged, missing, named, notNeeded, type Requirement, unknown } from "./requirement.ts";

export function requirementsOfDevices({ host }: PreflightReadings): readonly Requirement[] {
  const functions = host.kind === "Value" ? host.value.functions : null;
  return [
    { name: "devices", title: "TEE-I/O devices", ...devices(functions) },
    { name: "vfio", title: "vfio-pci", ...bound(functions) },
    { name: "tsm", title: "link TSM", ...tsm(host.kind === "Value" ? host.value.slots : []) },
  ];
}

function devices(functions: readonly PciFunction[] | null): Judged {
  if (functions === null) return unknown("the PCI bus cannot be read", "name the host's root with --host-root");
  const able = functions.filter(({ teeIo }) => teeIo === "Yes");
  if (able.length > 0) return found(`${able.length} of ${functions.length} functions: ${named(able.map(({ address }) => address))}`);
  const untold = functions.filter(({ teeIo }) => teeIo === "Unknown");
  const text = `none of ${functions.length} functions`;
  if (untold.length > 0) return unknown(`${text}; ${untold.length} cannot be told`, "run this as root: others see 64 bytes of configuration space");
  return missing(text, "plug in a device with TEE-I/O (lspci -vvv shows TEE-IO+ in DevCap), and switch it on in the device's own firmware");
}

function bound(functions: readonly PciFunction[] | null): Judged {
  const able = (functions ?? []).filter(({ teeIo }) => teeIo === "Yes");
  if (able.length === 0) return notNeeded("there is no TEE-I/O device to bind");
  const ready = able.filter(({ vfioCdev }) => vfioCdev !== null);
  const others = able.filter(({ vfioCdev }) => vfioCdev === null);
  const text = `${ready.length} of ${able.length} have a VFIO device node`;
  if (ready.length > 0) return found(others.length === 0 ? text : `${text}; without: ${named(others.map(withDriver))}`);
  const first = others[0]?.address ?? "";
  const override = `echo vfio-pci > /sys/bus/pci/devices/${first}/driver_override`;
  const rebind = `echo ${first} > /sys/bus/pci/devices/${first}/driver/unbind (where a driver has it); echo ${first} > /sys/bus/pci/drivers_probe`;
  return missing(`${text}: ${named(others.map(withDriver))}`, `modprobe vfio-pci; ${override}; ${rebind}`);
}

/** Who secures links is the spec's to say, and nobody need. */
function tsm(slots: readonly Slot[]): Judged {
  const [name, ...others] = slots[0]?.tsms ?? [];
  if (name === undefined) return notNeeded("none in /sys/class/tsm: devices are given away without a link (spec.link.enable Never)");
  if (others.length > 0) return notNeeded(`${named([name, ...others])}: with several, another program must secure links (spec.link.enable External)`);
  return found(`${name}: the agent can secure links (spec.link.enable OnPrepare)`);
}

function withDriver({ address, driver }: PciFunction): string {
  return `${address} (${driver ?? "no driver"})`;
}
