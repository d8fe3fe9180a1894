// SPDX-License-Identifier: Apache-2.0
// A run that holds one of everything and then waits to be killed. `node killed-run.fixture.ts RUNS_FOLDER`

import { ensureCgroup, planCgroupPaths } from "./cgroups.ts";
import { startGuardian } from "./guardian.ts";
import { openNamespace } from "./namespace.ts";
import { openRunFolder } from "./run-folder.ts";

const run = await openRunFolder(process.argv[2] ?? "");
startGuardian(run);
for (const path of planCgroupPaths(`trusted-iommu-${run.id}-fixture`)) {
  run.record({ kind: "cgroup", path });
  ensureCgroup(path);
}
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
const namespace = await openNamespace(run, { name: "fixture", setup: ["mount -t tmpfs tmpfs /run"], env });
namespace.start("sleeper", ["setsid", "sh", "-c", "sleep 1000 & sleep 1000"]);
process.stdout.write(`${run.id}\n`);
process.stdin.resume();
