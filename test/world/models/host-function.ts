// SPDX-License-Identifier: Apache-2.0
import { requesterIdOf } from "../../../src/domain/address.ts";
import type { PciFunction, UnitOfFunction } from "../../../src/domain/device.ts";
import { type FunctionInSlot, type Link, type LinkRead, slotOwnerOf } from "../../../src/domain/slot.ts";
import { Fact } from "./fact.ts";
import type { WorldTime } from "./world-time.ts";

export interface DeviceShape {
  readonly address: string;
  readonly vendor: string;
  /** The unit its DMA goes through; null: none. */
  readonly regBase: string | null;
  readonly isTeeCapable: boolean;
  /** Makes it a virtual function: its link is that of this one, and it is there only after it has been made (`replug`). */
  readonly physicalFunction?: string;
  /** It has its own driver at first. */
  readonly isNative?: boolean;
  /** One of its own unless given. */
  readonly iommuGroup?: string;
}

/** Off, a TSM connected without a stream (which the TDX module does not see), or an IDE stream that is on. */
/** Broken: the TSM is connected, and the stream is off since a reset. Foreign: a stream is on that the kernel does not name. */
export type LinkTruth = "Off" | "Tsm" | "Stream" | "Broken" | "Foreign";

/** A switch's upstream port. */
const ELSEWHERE = "0000:15:00.0";

/** What a function is told of the host. */
interface About {
  readonly at: number;
  readonly physical: HostFunction | null;
  /** Whose link it has: its physical function, or function 0 of its slot; null: it has one of its own. */
  readonly linkOwner: HostFunction | null;
  readonly isTsmFree: Fact<boolean>;
  readonly tsms: Fact<number>;
}

/** What a look at a function shows that is not its own. */
interface Above {
  readonly kernelName: string;
  readonly isUnitReadable: boolean;
  readonly streamsLeft: number | null;
  readonly portBlocksLeft: number | null;
}

/** One PCI function: what is true of it, and which parts of it can be read. */
export class HostFunction {
  readonly address: string;
  readonly vendor: string;
  /** The unit above it; another one after it has left the bus and come back elsewhere. */
  regBase: string | null;
  readonly isTeeCapable: boolean;
  /** Null: it is itself a physical one. */
  readonly physical: HostFunction | null;
  readonly linkOwner: HostFunction | null;
  readonly isPresent: Fact<boolean>;
  /** What its link was when an agent last read it whole. */
  linkBeforeBlock: LinkTruth = "Off";
  readonly link: Fact<LinkTruth>;
  /** Addresses that the slot's stream covers, as long as it is on. */
  readonly covered: Fact<readonly string[]>;
  /** Another function than function 0 of the slot manages its security while it is connected. */
  readonly isDsmElsewhere: Fact<boolean>;
  /** It is being connected or disconnected, and its registers are on their way. */
  readonly isHalfWritten: Fact<boolean>;
  readonly isLinkReadable: Fact<boolean>;
  readonly isBound: Fact<boolean>;
  readonly isBoundReadable: Fact<boolean>;
  /** Processes that have its vfio device open, pods' VMs among them. */
  readonly opens: Fact<number>;
  /** Of these, processes that are no pod's. */
  outsiders = 0;
  readonly areHoldersReadable: Fact<boolean>;
  /** A scan finds those who have it open: not when their descriptor is in flight over a socket. */
  readonly areOpensShown: Fact<boolean>;
  readonly isOnVfio: Fact<boolean>;
  /** It has its own driver; never while it is on vfio. */
  readonly isNative: Fact<boolean>;
  /** Somebody on the host uses it through its own driver. */
  readonly isUsedByHost: Fact<boolean>;
  /** `driver_override` */
  readonly override: Fact<string>;
  /** Its IOMMUFD node, while it is on vfio: a number that the kernel gives anew with each driver. */
  readonly node: Fact<string>;
  readonly iommuGroup: string;
  readonly isConfigReadable: Fact<boolean>;
  /** Its configuration space, or its slot's, does not read as all ones. */
  readonly answers: Fact<boolean>;
  readonly isUnitReadable: Fact<boolean>;
  /** The kernel shows a unit above it: its `iommu` link can go while the function stays. */
  readonly isUnitLinked: Fact<boolean>;
  /** The kernel's lock of all `tsm/` files is free: while a device is connected or disconnected, reading any of them blocks. */
  readonly isTsmFree: Fact<boolean>;

  /** How many link TSMs the host has. */
  readonly tsms: Fact<number>;

  constructor(time: WorldTime, shape: DeviceShape, about: About) {
    const { at, physical, linkOwner, isTsmFree, tsms } = about;
    this.address = shape.address;
    this.vendor = shape.vendor;
    this.regBase = shape.regBase;
    this.isTeeCapable = shape.isTeeCapable;
    this.physical = physical;
    this.linkOwner = linkOwner;
    this.isPresent = new Fact(time, physical === null);
    this.link = linkOwner?.link ?? new Fact<LinkTruth>(time, "Off");
    this.covered = linkOwner?.covered ?? new Fact<readonly string[]>(time, []);
    this.isDsmElsewhere = linkOwner?.isDsmElsewhere ?? new Fact(time, false);
    this.isHalfWritten = linkOwner?.isHalfWritten ?? new Fact(time, false);
    this.isLinkReadable = linkOwner?.isLinkReadable ?? new Fact(time, true);
    this.isBound = new Fact(time, false);
    this.isBoundReadable = new Fact(time, true);
    this.opens = new Fact(time, 0);
    this.areHoldersReadable = new Fact(time, true);
    this.areOpensShown = new Fact(time, true);
    this.isOnVfio = new Fact(time, shape.isNative !== true);
    this.isNative = new Fact(time, shape.isNative === true);
    this.isUsedByHost = new Fact(time, false);
    this.override = new Fact(time, "");
    this.node = new Fact(time, `/dev/vfio/devices/vfio${at}`);
    this.iommuGroup = shape.iommuGroup ?? String(40 + at);
    this.isConfigReadable = new Fact(time, true);
    this.answers = linkOwner?.answers ?? new Fact(time, true);
    this.isUnitReadable = new Fact(time, true);
    this.isUnitLinked = new Fact(time, true);
    this.isTsmFree = isTsmFree;
    this.tsms = tsms;
  }

  get isSeenOpen(): boolean {
    return this.opens.value > 0 && this.areOpensShown.value;
  }

  /** A look at it shows it in use, or cannot show it free. */
  get isBusy(): boolean {
    return this.isSeenOpen || !this.areHoldersReadable.value || this.isBusyBesides;
  }

  /** The same but for who has it open, or may have. */
  get isBusyBesides(): boolean {
    const isUsed = this.isBound.value || this.link.value !== "Off";
    return isUsed || !this.isTsmFree.value || !this.isLinkReadable.value || !this.isBoundReadable.value;
  }

  /** A look at it shows a device security manager that is not function 0 of its slot. */
  get isManagedElsewhere(): boolean {
    return this.isDsmElsewhere.value && (this.link.value === "Tsm" || this.link.value === "Broken");
  }

  /** A stream that the kernel names is on, and does not cover it. */
  get isUncovered(): boolean {
    return (this.link.value === "Tsm" || this.link.value === "Stream") && !this.covered.value.includes(this.address);
  }

  /** An IDE stream ends at it, whoever made it: what the TDX module sees. */
  get hasIdeStream(): boolean {
    return this.isPresent.value && (this.link.value === "Stream" || this.link.value === "Foreign");
  }

  /** A look at it shows its link secured. */
  get showsSecured(): boolean {
    return this.#link().state === "Secure";
  }

  show(above: Above): FunctionInSlot {
    const fn = this.#fn(above);
    const link = this.#link();
    const slot = {
      owner: slotOwnerOf(fn),
      port: null,
      hostBridge: fn.hostBridge,
      rootPort: fn.rootPort,
      link,
      dsm: link.tsm === "" ? "" : this.isDsmElsewhere.value ? ELSEWHERE : slotOwnerOf(fn),
      tsms: ["tsm0", "tsm1"].slice(0, this.tsms.value),
      streamsLeft: above.streamsLeft,
      blocksLeft: { rootPort: above.portBlocksLeft, endpoint: this.isLinkReadable.value ? Number(!this.#isStreamOn) : null },
      covers: link.streamSecure === "Yes" ? this.covered.value.map(requesterIdOf).map((id) => ({ first: id, last: id })) : [],
      linkRead: this.#linkRead(),
    };
    return { fn, slot };
  }

  #fn(above: Pick<Above, "kernelName" | "isUnitReadable">): PciFunction {
    return {
      address: this.address,
      vendor: this.vendor,
      device: "2901",
      class: "0302",
      numaNode: 0,
      iommuGroup: this.iommuGroup,
      unit: this.#unit(above),
      functionType: this.physical ? "Virtual" : "Physical",
      physicalFunction: this.physical?.address ?? null,
      teeIo: !this.isConfigReadable.value || !this.answers.value ? "Unknown" : this.isTeeCapable ? "Yes" : "No",
      teeIoWhy: this.isConfigReadable.value && this.answers.value ? "" : "EIO",
      ideStreams: 1,
      bound: !this.isBoundReadable.value || !this.isTsmFree.value ? "Unknown" : this.isBound.value ? "Yes" : "No",
      boundRead: !this.isBoundReadable.value ? "Failed" : this.isTsmFree.value ? "Read" : "Blocked",
      // The registers are its slot's function 0's.
      isIdeRead: this.linkOwner !== null || this.isLinkReadable.value,
      configProblem: this.isConfigReadable.value && this.isLinkReadable.value ? "" : "EIO",
      hostBridge: "pci0000:16",
      rootPort: null,
      answers: this.answers.value,
      binding: null,
      driver: this.isOnVfio.value ? "vfio-pci" : this.isNative.value ? "own" : null,
      vfioCdev: this.isOnVfio.value ? this.node.value : null,
      holders: this.areHoldersReadable.value ? { kind: "Known", pids: this.isSeenOpen ? [4711] : [] } : { kind: "Unreadable", why: "EACCES" },
    };
  }

  #unit({ kernelName, isUnitReadable }: Pick<Above, "kernelName" | "isUnitReadable">): UnitOfFunction {
    if (!isUnitReadable) return { kind: "Unreadable", why: "EIO" };
    return this.regBase === null || !this.isUnitLinked.value ? { kind: "None" } : { kind: "Unit", regBase: this.regBase, kernelName };
  }

  /** The registers show a stream, and block on nothing. */
  get #isStreamOn(): boolean {
    return this.isLinkReadable.value && this.link.value !== "Off" && this.link.value !== "Broken";
  }

  #link(): Link {
    const isReadable = this.isLinkReadable.value;
    const isTsmRead = isReadable && this.isTsmFree.value;
    const link = this.link.value;
    return {
      state: this.#isStreamOn ? "Secure" : !isTsmRead ? "Unknown" : link === "Off" ? "Insecure" : "Secure",
      tsm: isTsmRead && (link === "Tsm" || link === "Broken") ? "tsm0" : "",
      streamSecure: !isReadable ? "Unknown" : this.#isStreamOn && link !== "Foreign" ? "Yes" : "No",
    };
  }

  /** What its registers and the root port's read. */
  get registers(): string | null {
    const half = this.isHalfWritten.value ? "half " : "";
    return this.isLinkReadable.value ? `${half}${this.link.value} ${this.covered.value.join(" ")}` : null;
  }

  #linkRead(): LinkRead {
    const isReadable = this.isLinkReadable.value;
    return {
      tsm: !isReadable ? "Failed" : this.isTsmFree.value ? "Read" : "Blocked",
      registers: this.registers,
      problem: isReadable ? "" : "EIO",
    };
  }
}
