// SPDX-License-Identifier: Apache-2.0
import type { SimulatedHost } from "../../stand-in/host/simulated-host.ts";
import { regBaseArgument } from "./arguments.ts";

/** A sub-command that does one thing to a simulated host: what it takes, what it teaches, what it does. */
export interface Deed {
  readonly name: string;
  /** As commander writes arguments; empty for none. */
  readonly takes: string;
  readonly summary: string;
  /** Shown below the summary by --help: what happens on the host and what the agent should make of it. */
  readonly teaches: string;
  /** Returns what it has done, in one line. */
  run(host: SimulatedHost, ...given: readonly string[]): string;
}

export const DEEDS: readonly Deed[] = [
  {
    name: "unplug",
    takes: "<address>",
    summary: "take a function off the bus, with what is below it and its virtual functions",
    teaches: "The agent withdraws the device at once (reason DeviceMissing) and keeps the unit as it is.",
    run(host, address = "") {
      host.unplug(address);
      return `${address} is off the bus`;
    },
  },
  {
    name: "replug",
    takes: "<address>",
    summary: "put a function back that was unplugged",
    teaches: "It comes back without a driver, as after a hot-plug: NoVfioDevice until `simulate bind` gives it one.",
    run(host, address = "") {
      host.replug(address);
      return `${address} is on the bus`;
    },
  },
  {
    name: "bind",
    takes: "<address> <driver>",
    summary: "bind a function to a driver, for example vfio-pci",
    teaches: "A device is offered only while vfio-pci has it and there is an IOMMUFD device node.",
    run(host, address = "", driver = "") {
      host.bind(address, driver);
      return `${address} is bound to ${driver}`;
    },
  },
  {
    name: "unbind",
    takes: "<address>",
    summary: "take a function from its driver",
    teaches:
      "Its vfio device node goes: NoVfioDevice. A process that has it open keeps it, as in a kernel whose unbind waits for the last to close it:\n" +
      "the agent cannot tell any more whose the open device is, so no unit with a function that has no driver is cleared.",
    run(host, address = "") {
      host.unbind(address);
      return `${address} has no driver`;
    },
  },
  {
    name: "secure-link",
    takes: "<address>",
    summary: "secure a device's link from outside: IDE stream, tsm/connect and the TDX module's table",
    teaches:
      "Before SETUP of its unit: the order is wrong for good, LinkSecuredBeforeSetup until it is released. After SETUP: reported, and the device\n" +
      "stays offered; CLEAR is refused until it is released.",
    run(host, address = "") {
      host.secureLink(address);
      return `the link of ${address} is secure`;
    },
  },
  {
    name: "release-link",
    takes: "<address>",
    summary: "release a link again",
    teaches: "Undoes secure-link.",
    run(host, address = "") {
      host.releaseLink(address);
      return `the link of ${address} is released`;
    },
  },
  {
    name: "reset",
    takes: "<address>",
    summary: "reset a function: its IDE stream registers are cleared, the TSM stays connected",
    teaches: "Whichever function of the slot is named. Registers and tsm/connect disagree now; either one saying secure counts.",
    run(host, address = "") {
      host.resetFunction(address);
      return `${address} was reset`;
    },
  },
  {
    name: "flr",
    takes: "<address>",
    summary: "reset a function as a virtual machine monitor does when it opens or closes it",
    teaches:
      "A function-level reset clears the registers of that function alone: the near end of the slot's stream when it is function 0, and nothing of\n" +
      "a link when it is another one. The root port's half stays on, and tsm/connect still names the TSM: LinkBroken, until the agent repairs it (for who was\n" +
      "given the device, with spec.link.enable OnPrepare) or the link is released.",
    run: (host, address = "") =>
      host.flr(address) ? `${address} was reset: its link has lost its stream` : `${address} was reset, and no stream was lost`,
  },
  {
    name: "bind-tdi",
    takes: "<address>",
    summary: "bind a device to a confidential VM (tsm/bound)",
    teaches: "The device counts as in use: CLEAR of its unit is blocked and names it.",
    run(host, address = "") {
      host.bindTdi(address);
      return `${address} is bound to a TD`;
    },
  },
  {
    name: "unbind-tdi",
    takes: "<address>",
    summary: "unbind a device from its confidential VM",
    teaches: "Undoes bind-tdi.",
    run(host, address = "") {
      host.unbindTdi(address);
      return `${address} is bound to no TD`;
    },
  },
  {
    name: "hold",
    takes: "<address>",
    summary: "let a process hold the function's vfio device open",
    teaches: "The device counts as in use although no pod is listed: CLEAR of its unit is blocked.",
    run: (host, address = "") => `process ${host.hold(address)} holds ${address}`,
  },
  {
    name: "unhold",
    takes: "<address>",
    summary: "let that process go",
    teaches: "Undoes hold.",
    run(host, address = "") {
      host.unhold(address);
      return `no process holds ${address}`;
    },
  },
  {
    name: "lose-unit",
    takes: "<regBase>",
    summary: "make a unit disappear from sysfs and from the driver",
    teaches: "Its devices are withdrawn at once; the unit stays in the status as UnitMissing.",
    run(host, regBase = "") {
      host.loseUnit(regBaseArgument("regBase", regBase));
      return `unit ${regBase} is gone`;
    },
  },
  {
    name: "find-unit",
    takes: "<regBase>",
    summary: "bring a lost unit back, as reset hardware",
    teaches: "It comes back untrusted: SETUP is issued again, never assumed.",
    run(host, regBase = "") {
      host.findUnit(regBaseArgument("regBase", regBase));
      return `unit ${regBase} is there`;
    },
  },
  {
    name: "clear-faults",
    takes: "",
    summary: "forget all scripted faults",
    teaches: "Those of the TDX module and of the TSM, and how many streams are left. What they did stays done.",
    run(host) {
      host.clearFaults();
      return "no faults are scripted";
    },
  },
  {
    name: "reboot",
    takes: "",
    summary: "reboot the host: new boot id, all trust, links and holders gone",
    teaches: "Everything is withdrawn, an Allocate in between fails, and each unit is set up anew.",
    run: (host) => `the host has booted: ${host.reboot()}`,
  },
];
