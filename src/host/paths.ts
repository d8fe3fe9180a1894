// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";

/** Where the reader looks, all below one root: `/` on a real node, the mounted host in a pod, a rendered tree in simulation. */
export interface HostPaths {
  /** `/sys/class/iommu` */
  readonly units: string;
  /** `/sys`: the directories of host bridges are found below it. */
  readonly sys: string;
  /** `/sys/bus/pci/devices` */
  readonly functions: string;
  /** `/sys/class/tsm` */
  readonly tsm: string;
  readonly proc: string;
  readonly bootId: string;
  /** `/dev/vfio/devices` below the root. */
  readonly vfioDevices: string;
  /** `/sys/class/vfio-dev`: the devices of vfio drivers, `vfioN`. */
  readonly vfioClass: string;
  /** `/sys/class/vfio`: the IOMMU groups that have such devices; missing in a kernel that has no group interface. */
  readonly vfioGroups: string;
  /** `/sys/kernel/iommu_groups` */
  readonly iommuGroups: string;
}

/** The paths below `root`. */
export function hostPaths(root: string): HostPaths {
  return {
    units: join(root, "sys/class/iommu"),
    sys: join(root, "sys"),
    functions: join(root, "sys/bus/pci/devices"),
    tsm: join(root, "sys/class/tsm"),
    proc: join(root, "proc"),
    bootId: join(root, "proc/sys/kernel/random/boot_id"),
    vfioDevices: join(root, "dev/vfio/devices"),
    vfioClass: join(root, "sys/class/vfio-dev"),
    vfioGroups: join(root, "sys/class/vfio"),
    iommuGroups: join(root, "sys/kernel/iommu_groups"),
  };
}

/** The IOMMUFD device nodes as the host itself names them: what kubelet and containers are given. */
export const VFIO_DEVICES_ON_HOST = "/dev/vfio/devices";
