// SPDX-License-Identifier: Apache-2.0

import type { Address } from "../../domain/device.ts";
import { pciResourceEnvName } from "../../domain/env-name.ts";
import { AppError } from "../../runtime/errors.ts";
import type { AllocatedDevice, PublishedDevice } from "../port.ts";
import type { ContainerAllocateResponse } from "../wire.ts";

/**
 * What kubelet is told for one container. Pure: the same devices give the same answer in whatever order they were asked for (kubelet asks
 * unsorted, and keeps the answer for container restarts). @throws INVARIANT_BROKEN when the devices are not those asked for or disagree
 */
export function containerAnswer(resource: string, ids: readonly Address[], allocated: readonly AllocatedDevice[]): ContainerAllocateResponse {
  const wanted = [...new Set(ids)].sort();
  const devices = [...allocated].sort((a, b) => (a.id < b.id ? -1 : 1));
  if (wanted.join() !== devices.map((device) => device.id).join()) {
    throw new AppError("INVARIANT_BROKEN", `asked for ${wanted.join()}, allocated ${devices.map((device) => device.id).join()}`);
  }
  const nodes = new Set(devices.flatMap((device) => device.deviceNodes));
  const names = new Set(devices.flatMap((device) => device.cdiDevices));
  return {
    envs: { ...mergedEnv(devices), [pciResourceEnvName(resource)]: wanted.join() },
    mounts: [],
    devices: [...nodes].map((path) => ({ containerPath: path, hostPath: path, permissions: "rw" })),
    annotations: {},
    cdiDevices: [...names].map((name) => ({ name })),
  };
}

function mergedEnv(devices: readonly AllocatedDevice[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, value] of devices.flatMap((device) => Object.entries(device.env))) {
    if (env[key] !== undefined && env[key] !== value) throw new AppError("INVARIANT_BROKEN", `two devices set ${key} to different values`);
    env[key] = value;
  }
  return env;
}

/**
 * The plugin's own last look, after the handler agreed: every id is in the list that is published at this moment, and healthy in it.
 * @throws UNKNOWN_DEVICE · NOT_OFFERED
 */
export function checkListed(ids: readonly Address[], listed: readonly PublishedDevice[]): void {
  if (ids.length === 0) throw new AppError("UNKNOWN_DEVICE", "the request names no device");
  for (const id of ids) {
    const device = listed.find((candidate) => candidate.id === id);
    if (!device) throw new AppError("NOT_OFFERED", `${id} is not in the published list`, { details: { id } });
    if (!device.healthy) throw new AppError("NOT_OFFERED", `${id} is published as unhealthy`, { details: { id } });
  }
}
