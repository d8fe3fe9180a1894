// SPDX-License-Identifier: Apache-2.0
/** Requirements of Kubernetes on the node: kubelet's sockets, the folder of CDI specs. Pure. */
import type { FileAtPath, PreflightReadings } from "./readings.ts";
import { found, type Judged, missing, notNeeded, type Requirement, unknown } from "./requirement.ts";

export function requirementsOfKubernetes({ kubelet, cdi }: PreflightReadings): readonly Requirement[] {
  const none = notNeeded("--kubelet none: this machine has no kubelet");
  return [
    { name: "kubelet", title: "kubelet", ...(kubelet === null ? none : socket(kubelet.socket, "--kubelet-dir DIR")) },
    {
      name: "podresources",
      title: "podresources",
      ...(kubelet === null ? none : socket(kubelet.podResources, "--podresources SOCKET")),
    },
    { name: "cdi", title: "CDI folder", ...cdiFolder({ kubelet, cdi }) },
  ];
}

function socket({ path, found: reading }: FileAtPath, flag: string): Judged {
  if (reading.kind === "Unreadable") return unknown(`${path}: ${reading.why}`, "run this as root");
  if (reading.kind === "Value" && reading.value === "Socket") return found(path);
  const what = reading.kind === "Missing" ? `no ${path}` : `${path} is no socket`;
  return missing(what, `start kubelet; ${flag} names another place, --kubelet none a machine without kubelet`);
}

function cdiFolder({ kubelet, cdi }: Pick<PreflightReadings, "kubelet" | "cdi">): Judged {
  if (kubelet === null) return notNeeded("--kubelet none: no pod is given a device");
  if (cdi === null) return notNeeded("--cdi-dir none: no CDI specs are written");
  if (cdi.access === "Writable") return found(cdi.path);
  if (cdi.access === "CanBeMade") return found(`${cdi.path}, which the agent makes`);
  return missing(
    `${cdi.path} cannot be written`,
    "run this as root, or name a folder that the container runtime reads CDI specs from with --cdi-dir DIR",
  );
}
