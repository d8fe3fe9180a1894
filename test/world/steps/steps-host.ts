// SPDX-License-Identifier: Apache-2.0

import type { World } from "../life/world.ts";
import type { Fact } from "../models/fact.ts";
import type { HostFunction, LinkTruth } from "../models/host-function.ts";
import { has } from "../runs/capabilities.ts";
import type { StepKind } from "./step.ts";

/** A step that changes one of the functions, chosen at random. */
function onFunction(weight: number, act: (world: World, fn: HostFunction, word: string) => boolean, words: readonly string[] = [""]): StepKind {
  return {
    weight: ({ shape }) => weight * shape.unrest,
    propose: (world, dice) => ({ at: dice.below(world.host.functions.length), word: dice.pick(words) }),
    apply: (world, { at, word }) => {
      const fn = world.host.functions[at ?? 0];
      return fn !== undefined && act(world, fn, word ?? "");
    },
  };
}

/** A part of the host that breaks for one function or unit now and then, and heals soon. */
function flaw(breaks: number, isAnnounced: boolean, factsOf: (world: World) => readonly Fact<boolean>[]): StepKind {
  const broken = (world: World): number => factsOf(world).findIndex((fact) => !fact.value);
  return {
    weight: (world) => (broken(world) >= 0 ? 8 : breaks * world.shape.unrest),
    propose: (world, dice) => ({ at: broken(world) >= 0 ? broken(world) : dice.below(factsOf(world).length) }),
    apply: (world, { at }) => {
      const fact = factsOf(world)[at ?? 0];
      return fact !== undefined && world.host.change(fact, !fact.value, isAnnounced);
    },
  };
}

/** How a function comes back: as it was made, with its link secured, or below the next unit. */
const RETURNS = ["", "", "", "Stream", "Tsm", "moved"] as const;

function isReturn(word: (typeof RETURNS)[number]): boolean {
  return word === "" || has(word === "moved" ? "movedFunctions" : "securedReturns");
}

function replug({ dra, host }: World, fn: HostFunction, word: string): boolean {
  if (fn.isPresent.value) return false;
  if (word === "moved" && fn.linkOwner === null && fn.regBase !== null) {
    const at = host.units.findIndex((unit) => unit.regBase === fn.regBase);
    const regBase = host.units[(at + 1) % host.units.length]?.regBase ?? null;
    for (const one of host.functions) if (one === fn || (one.physical === null && one.linkOwner === fn)) one.regBase = regBase;
  }
  // It is counted where streams are given away by slices.
  if (dra !== null && word !== "moved" && word !== "" && host.streamsLeft === 0) return false;
  return host.plug(fn, true, word === "Stream" || word === "Tsm" ? word : "Off");
}

/** What happens to functions, links and units from outside, and what of them cannot be read. */
export const HOST_STEPS: Readonly<Record<string, StepKind>> = {
  secureLink: onFunction(
    3,
    (world, fn, word) => fn.isPresent.value && fn.link.value === "Off" && world.host.streamsLeft !== 0 && world.host.secure(fn, word as LinkTruth),
    ["Tsm", "Tsm", "Stream", "Stream", "Broken", "Foreign"],
  ),
  releaseLink: {
    weight: ({ host }) => (host.functions.some((fn) => fn.link.value !== "Off") ? 9 : 0),
    propose: ({ host }) => ({ at: host.functions.findIndex((fn) => fn.link.value !== "Off") }),
    apply: (world, { at }) => {
      const fn = world.host.functions[at ?? 0];
      return fn !== undefined && world.host.change<LinkTruth>(fn.link, "Off", false);
    },
  },
  // A TSM is loaded, or gone; those that are connected take it along, which is nothing that happens to a link here.
  setTsms: {
    needs: "links",
    weight: ({ host, shape }) => (shape.linkEnable === "Never" ? 0 : host.tsms.value === 1 ? 0.3 * shape.unrest : 8),
    propose: ({ host }, dice) => ({ at: host.tsms.value === 1 ? dice.pick([0, 2]) : 1 }),
    apply: ({ host }, { at }) => host.change(host.tsms, at ?? 1, false),
  },
  // The virtual functions were there too late.
  coverOnly: {
    isScripted: true,
    weight: () => 0,
    propose: () => ({}),
    apply: ({ host }, { at }) => {
      const fn = host.functions[at ?? 0];
      if (fn === undefined) return false;
      host.secure(fn, "Tsm");
      return fn.covered.set([fn.address]);
    },
  },
  // A guest that reboots.
  resetLink: { needs: "links", ...onFunction(2, ({ host }, fn) => fn.isPresent.value && host.reset(fn)) },
  // What the TSM answers to the next write of the slot's link.
  linkFault: {
    needs: "links",
    ...onFunction(
      1,
      (world, fn, errno) => {
        if (world.shape.linkEnable !== "OnPrepare" || fn.linkOwner !== null || world.links.faults.length > 6) return false;
        world.links.faults.push({ address: fn.address, errno });
        return true;
      },
      ["EIO", "EIO", "EBUSY", "EKEYREJECTED", "ENXIO", "ENOMEM", "nothing"],
    ),
  },
  bindTdi: onFunction(1, (world, fn) => fn.isPresent.value && world.host.change(fn.isBound, true, false)),
  unbindTdi: {
    weight: ({ host }) => (host.functions.some((fn) => fn.isBound.value) ? 8 : 0),
    propose: ({ host }) => ({ at: host.functions.findIndex((fn) => fn.isBound.value) }),
    apply: (world, { at }) => {
      const fn = world.host.functions[at ?? 0];
      return fn !== undefined && world.host.change(fn.isBound, false, false);
    },
  },
  openFromOutside: onFunction(2, (world, fn) => {
    if (!fn.isPresent.value || !fn.isOnVfio.value || fn.opens.value > 0) return false;
    fn.outsiders += 1;
    return world.host.change(fn.opens, fn.opens.value + 1, false);
  }),
  closeFromOutside: {
    weight: ({ host }) => (host.functions.some((fn) => fn.outsiders > 0) ? 8 : 0),
    propose: ({ host }) => ({ at: host.functions.findIndex((fn) => fn.outsiders > 0) }),
    apply: (world, { at }) => {
      const fn = world.host.functions[at ?? 0];
      if (fn === undefined || fn.outsiders === 0) return false;
      fn.outsiders -= 1;
      return world.host.change(fn.opens, fn.opens.value - 1, false);
    },
  },
  unplug: onFunction(1.5, (world, fn) => fn.isPresent.value && world.host.plug(fn, false)),
  replug: {
    weight: ({ host }) => (host.functions.some((fn) => !fn.isPresent.value) ? 8 : 0),
    propose: ({ host }, dice) => ({ at: host.functions.findIndex((fn) => !fn.isPresent.value), word: dice.pick(RETURNS.filter(isReturn)) }),
    apply: (world, { at, word }) => {
      const fn = world.host.functions[at ?? 0];
      return fn !== undefined && replug(world, fn, word ?? "");
    },
  },
  // A simulated host has no nodes to give.
  renumberVfio: {
    needs: "renumbers",
    ...onFunction(2, (world, fn) => {
      if (world.shape.isSimulated) return false;
      // A number in another plugin's pod means the other function then: nobody can tell which of them it has.
      if (world.kubelet.others.length > 0) return false;
      const other = world.host.functions.find((one) => one !== fn && one.isPresent.value && one.isOnVfio.value && one.opens.value === 0);
      // What another plugin's pod has under its old number stays bound.
      return other !== undefined && world.kubelet.others.length === 0 && world.host.swapNodes(fn, other);
    }),
  },
  unbindVfio: {
    ...flaw(1, true, ({ host }) => host.functions.map((fn) => fn.isOnVfio)),
    apply: ({ host }, { at }) => {
      const fn = host.functions[at ?? 0];
      if (fn === undefined || fn.isNative.value) return false;
      return fn.isOnVfio.value ? host.change(fn.isOnVfio, false, true) : host.bindVfio(fn);
    },
  },
  hideLink: flaw(0.7, false, ({ host }) => host.functions.map((fn) => fn.isLinkReadable)),
  blockTsm: { ...flaw(0.7, false, ({ host }) => [host.isTsmFree]), apply: ({ host }) => host.blockTsm(!host.isTsmFree.value) },
  // It is chosen when a TSM connects.
  moveDsm: onFunction(0.5, ({ host }, fn) => fn.link.value === "Off" && host.change(fn.isDsmElsewhere, !fn.isDsmElsewhere.value, false)),
  hideBound: flaw(0.5, false, ({ host }) => host.functions.map((fn) => fn.isBoundReadable)),
  hideHolders: flaw(0.7, false, ({ host }) => host.functions.map((fn) => fn.areHoldersReadable)),
  hideCapability: flaw(0.5, false, ({ host }) => host.functions.map((fn) => fn.isConfigReadable)),
  silence: flaw(0.5, false, ({ host }) => host.functions.map((fn) => fn.answers)),
  hideUnitOfFunction: flaw(0.7, false, ({ host }) => host.functions.map((fn) => fn.isUnitReadable)),
  hideFds: { needs: "hiddenFds", ...flaw(0.7, false, ({ host }) => host.functions.map((fn) => fn.areOpensShown)) },
  loseUnitLink: { needs: "unitLinks", ...flaw(0.7, false, ({ host }) => host.functions.map((fn) => fn.isUnitLinked)) },
  hideUnit: flaw(0.5, false, ({ host }) => host.units.map((unit) => unit.isReadable)),
  loseHostUnit: flaw(0.4, false, ({ host }) => host.units.map((unit) => unit.isPresent)),
  hideHost: flaw(0.7, false, ({ host }) => [host.isReadable]),
  fillDomainIds: {
    weight: ({ shape }) => (shape.didUnreserved ? 3 * shape.unrest : 0.2),
    propose: ({ host }, dice) => ({ at: dice.below(host.units.length), ms: dice.pick([8, 8, 8, 16_383, 16_384, 40_000]) }),
    apply: ({ host }, { at, ms }) => {
      const unit = host.units[at ?? 0];
      return unit !== undefined && host.change(unit.domainsUsed, ms ?? 8, false);
    },
  },
};
