// SPDX-License-Identifier: Apache-2.0

/** Which pods have a process, by the cgroup that kubelet makes for each pod (k8s.io/kubernetes pkg/kubelet/cm/pod_container_manager_linux.go). */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Those of `uids` that have a process: `.../podUID/...`, with the systemd driver `.../kubepods-besteffort-podUID.slice/...` and `_` for each `-`. A
 * pod's first process, which holds its namespaces, ends after all its containers. A kubelet that makes no cgroups for pods (cgroupsPerQOS: false)
 * shows none of them.
 */
export async function podsWithProcesses(procDir: string, uids: ReadonlySet<string>): Promise<readonly string[]> {
  const wanted = new Map([...uids].map((uid) => [asInCgroup(uid), uid]));
  const found = new Set<string>();
  if (wanted.size === 0) return [];
  for (const name of await readdir(procDir)) {
    if (!/^\d+$/.test(name)) continue;
    for (const group of podGroupsOf(await cgroupsOf(join(procDir, name, "cgroup")))) {
      const uid = wanted.get(group);
      if (uid !== undefined) found.add(uid);
    }
    if (found.size === wanted.size) break;
  }
  return [...found];
}

function asInCgroup(uid: string): string {
  return uid.replaceAll("-", "_");
}

/** One hierarchy a line: `number:controllers:path`. */
function podGroupsOf(cgroups: string): readonly string[] {
  return [...cgroups.matchAll(/[/-]pod([^/\n]+?)(?:\.slice)?(?=[/\n]|$)/g)].map(([, uid = ""]) => asInCgroup(uid));
}

/** Empty for a process that has ended meanwhile. */
async function cgroupsOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ESRCH")) return "";
    throw thrown;
  }
}
