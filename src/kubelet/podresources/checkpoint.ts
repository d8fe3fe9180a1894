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

const NAME = "kubelet_internal_checkpoint";
/** Each device has its whole Allocate answer in it. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Ids by NUMA node; a plain list before Kubernetes 1.20. */
const ids = z.union([z.record(z.string(), z.array(z.string())), z.array(z.string())]);
const entry = z.object({ PodUID: z.string(), ResourceName: z.string(), DeviceIDs: ids.nullish() });
const checkpoint = z.object({ Data: z.object({ PodDeviceEntries: z.array(entry).nullish() }) });

/** Never rejects. A kubelet that has never had a device plugin has no checkpoint, and has given nothing away. */
export async function readCheckpoint(dir: string, domains: ReadonlySet<string>): Promise<NodePodsView> {
  try {
    const { Data } = checkpoint.parse(JSON.parse(await readWhole(join(dir, NAME))));
    const given = (Data.PodDeviceEntries ?? [])
      .filter((one) => domains.has(domainOf(one.ResourceName)))
      .map((one) => ({ podUid: one.PodUID, resource: one.ResourceName, ids: Object.values(one.DeviceIDs ?? []).flat() }));
    return { kind: "Checkpoint", domains, given };
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return { kind: "Checkpoint", domains, given: [] };
    return { kind: "Unreadable", why: `${NAME} cannot be read: ${messageOf(thrown)}` };
  }
}

async function readWhole(path: string): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  if (size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`);
  return await file.readFile("utf8");
}
