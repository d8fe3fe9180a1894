// SPDX-License-Identifier: Apache-2.0

/** In which order SETUP and a link's protection came, as the truth has it (I3). A virtual function has no link of its own, and a slot has one link. */
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import { has } from "../runs/capabilities.ts";

export class LinkOrders {
  readonly #world: World;
  /** Devices that were secured when SETUP of their unit began, as long as the link stays and the trust lasts. */
  readonly #securedBefore = new Set<string>();
  /** In which span of trust a function was last there with its link off. */
  readonly #seenOff = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  setupBegins(regBase: string): void {
    for (const fn of this.#world.host.below(regBase)) {
      if (fn.isPresent.value && fn.link.value !== "Off") this.#securedBefore.add(fn.address);
    }
  }

  /** The links are as they are at this moment. */
  look(): void {
    const { host, module } = this.#world;
    for (const fn of host.functions) {
      const trust = module.find(fn.regBase ?? "")?.trust.value ?? null;
      if (fn.isPresent.value && fn.link.value === "Off" && trust !== null) this.#seenOff.set(fn.address, trust);
    }
  }

  isSecuredBefore(address: string): boolean {
    const fn = this.#world.host.find(address);
    const owner = fn?.linkOwner ?? fn;
    return owner === null || this.#securedBefore.has(owner.address) || this.#cameSecured(owner);
  }

  forgetReleased(): void {
    for (const address of this.#securedBefore) {
      const fn = this.#world.host.find(address);
      const isOver = !fn?.isPresent.value || fn.link.value === "Off";
      const unit = this.#world.module.find(fn?.regBase ?? "");
      if (isOver || (unit?.trust.value === null && unit.state !== "SettingUp")) this.#securedBefore.delete(address);
    }
  }

  /** It came on the bus with a link that is secured, and has not been there with an open one in this span of trust: nobody can tell the order. */
  #cameSecured(owner: HostFunction): boolean {
    if (!has("securedReturns") || owner.link.value === "Off" || owner.link.sinceTick > owner.isPresent.sinceTick) return false;
    const trust = this.#world.module.find(owner.regBase ?? "")?.trust.value ?? null;
    return trust !== null && this.#seenOff.get(owner.address) !== trust;
  }
}
