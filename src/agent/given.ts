// SPDX-License-Identifier: Apache-2.0

/** What a container is given of a device, by Allocate's answer and by a CDI spec alike. Pure. */

/** The device's own IOMMUFD node and the host's IOMMUFD, which a VMM opens beside it. A simulated host has no nodes to give. */
export function deviceNodesOf(vfioCdev: string | null, simulatedHost: boolean): readonly string[] {
  return simulatedHost || vfioCdev === null ? [] : [vfioCdev, "/dev/iommu"];
}

/** A container given a simulated device is told so. */
export function deviceEnv(simulated: boolean): Readonly<Record<string, string>> {
  return simulated ? { TEEIO_SIMULATED: "true" } : {};
}
