// SPDX-License-Identifier: Apache-2.0

/**
 * Kubelet's own device checkpoint, `kubelet_internal_checkpoint` in the device plugin folder (k8s.io/kubernetes
 * pkg/kubelet/cm/devicemanager/checkpoint): which device it has given to which pod. Asked for where there is no API server to ask.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { domainOf } from "../../domain/resource-name.ts";
import type { NodePodsView } from "../../domain/view.ts";
import { messageOf } from "../../runtime/errors.ts";
import { podsWithProcesses } from "./pod-processes.ts";

const NAME = "kubelet_internal_checkpoint";
/** Each device has its whole Allocate answer in it. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Ids by NUMA node; a plain list before Kubernetes 1.20. */
const ids = z.union([z.record(z.string(), z.array(z.string())), z.array(z.string())]);
const entry = z.object({ PodUID: z.string(), ResourceName: z.string(), DeviceIDs: ids.nullish() });
const checkpoint = z.object({ Data: z.object({ PodDeviceEntries: z.array(entry).nullish() }) });

export interface CheckpointPlaces {
  /** Kubelet's device plugin folder. */
  readonly deviceDir: string;
  /** The host's `/proc`: it shows which of the pods that are not in the file any more still run. */
  readonly procDir: string;
}

export interface CheckpointQuestion {
  /** Of whose resources. */
  readonly domains: ReadonlySet<string>;
  /** UIDs of pods that had some at an earlier look. */
  readonly known: ReadonlySet<string>;
}

/** Never rejects. A kubelet that has never had a device plugin has no checkpoint, and has given nothing away. */
export async function readCheckpoint({ deviceDir, procDir }: CheckpointPlaces, { domains, known }: CheckpointQuestion): Promise<NodePodsView> {
  try {
    const entries = await readEntries(join(deviceDir, NAME));
    const named = new Set(entries.map(({ PodUID }) => PodUID));
    const given = entries
      .filter((one) => domains.has(domainOf(one.ResourceName)))
      .map((one) => ({ podUid: one.PodUID, resource: one.ResourceName, ids: Object.values(one.DeviceIDs ?? []).flat() }));
    return { kind: "Checkpoint", domains, given, forgotten: await podsWithProcesses(procDir, known.difference(named)) };
  } catch (thrown) {
    return { kind: "Unreadable", why: messageOf(thrown) };
  }
}

async function readEntries(path: string): Promise<readonly z.infer<typeof entry>[]> {
  try {
    return checkpoint.parse(JSON.parse(await readWhole(path))).Data.PodDeviceEntries ?? [];
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    throw new Error(`${NAME} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
}

async function readWhole(path: string): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  if (size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
  return await file.readFile("utf8");
}
