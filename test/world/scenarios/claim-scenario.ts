// SPDX-License-Identifier: Apache-2.0

/** What scenarios with claims begin with, and what they look at when they end. */
import type { World } from "../life/world.ts";
import type { ClaimPodStage } from "../models/claim-pod.ts";
import { type DraWorldShape, PLAIN_DRA_WORLD } from "../models/dra-shape.ts";
import { plainIntent, resourcesWith, specOf, type WorldShape } from "../models/shape.ts";
import { advance, step, TWO_GPUS, UP } from "./scenario.ts";

export const RESOURCES = resourcesWith("Keep").map((rule, at) => (at === 0 ? { ...rule, ledger: "DRA" as const } : rule));
export const DRA: Partial<WorldShape> = { dra: PLAIN_DRA_WORLD, spec: specOf(plainIntent({ resources: RESOURCES })) };
export const LINKED: Partial<WorldShape> = {
  ...TWO_GPUS,
  dra: PLAIN_DRA_WORLD,
  linkEnable: "OnPrepare",
  spec: specOf(plainIntent({ resources: RESOURCES, link: { enable: "OnPrepare" } })),
};
export const ELSEWHERE: DraWorldShape = { ...PLAIN_DRA_WORLD, scheduler: { ...PLAIN_DRA_WORLD.scheduler, hasElsewhere: true } };
/** Who writes slices waits, and who reads them is behind. */
export const LATE: DraWorldShape = {
  ...PLAIN_DRA_WORLD,
  api: { ...PLAIN_DRA_WORLD.api, latencyMs: 50 },
  scheduler: { ...PLAIN_DRA_WORLD.scheduler, lagMs: 400 },
};
export const REJECTED = "EKEYREJECTED";

export const claimPod = (word: string, at = 1) => step("createClaimPod", { word, at });
export const ready = [...UP, advance(1_000)];

type Check = (world: World) => readonly string[];

export const all =
  (...checks: readonly Check[]): Check =>
  (world) =>
    checks.flatMap((check) => check(world));
export const pod =
  (at: number, stage: ClaimPodStage, node: string | null = "node-1"): Check =>
  ({ dra }) => {
    const shown = dra?.api.pods[at];
    return shown?.stage === stage && shown.node === node ? [] : [`pod ${at} should be ${stage} on ${node}, it is ${shown?.stage} on ${shown?.node}`];
  };
export const refused =
  (at: number, ...words: readonly string[]): Check =>
  ({ dra }) => {
    const refusals = dra?.api.pods[at]?.refusals ?? [];
    const isRight = refusals.length === words.length && words.every((word, index) => refusals[index]?.includes(word) === true);
    return isRight ? [] : [`pod ${at} should be refused with "${words.join('", "')}", it was with "${refusals.join('", "')}"`];
  };
export const links =
  (...truths: readonly string[]): Check =>
  ({ host }) => {
    const shown = host.functions.map(({ link }) => link.value);
    return JSON.stringify(shown) === JSON.stringify(truths) ? [] : [`links should be ${truths.join(" ")}, they are ${shown.join(" ")}`];
  };
export const files =
  (count: number, inPlace: number): Check =>
  ({ dra }) => {
    const shown = [dra?.folder.files.size, dra?.folder.inPlace.length];
    return shown[0] === count && shown[1] === inPlace
      ? []
      : [`there should be ${count} claim files, ${inPlace} not void, there are ${shown.join(", ")}`];
  };
/** Devices of the slices in order, each with its taint. */
export const slices =
  (...listed: readonly string[]): Check =>
  ({ dra }) => {
    const devices = [...(dra?.api.pools.state.items.values() ?? [])].flatMap(({ value }) => value.pool.devices);
    const shown = devices.map(({ address, taints }) => [address, ...taints.map(({ key, value }) => `${key}=${value}`)].join(" "));
    return JSON.stringify(shown) === JSON.stringify(listed) ? [] : [`slices should list ${listed.join(", ")}, they list ${shown.join(", ")}`];
  };
/** What claims are told, device by device. */
export const conditions =
  (...said: readonly string[]): Check =>
  ({ dra }) => {
    const devices = [...(dra?.api.claims.state.items.values() ?? [])].flatMap(({ value }) => value.conditions);
    const shown = devices.flatMap((device) => device.conditions.map(({ type, status }) => `${type.replace(/^.*\//, "")}=${status}`));
    return JSON.stringify(shown) === JSON.stringify(said) ? [] : [`claims should be told ${said.join(", ")}, they are told ${shown.join(", ")}`];
  };
/** The counter of each pool. */
export const streams =
  (...counts: readonly number[]): Check =>
  ({ dra }) => {
    const shown = [...(dra?.api.pools.state.items.values() ?? [])].map(({ value }) => value.pool.streams);
    return JSON.stringify(shown) === JSON.stringify(counts)
      ? []
      : [`pools should count ${counts.join(", ")} streams, they count ${shown.join(", ")}`];
  };

export const [FIRST, SECOND] = ["0000:17:00.0", "0000:17:01.0"] as const;
