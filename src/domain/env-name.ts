// SPDX-License-Identifier: Apache-2.0

/**
 * The environment variable in which KubeVirt's virt-launcher looks for the PCI addresses of a resource: upper case, `/` and `.` become `_`,
 * dashes stay (kubevirt pkg/util ResourceNameToEnvVar). Its value is a comma list of addresses.
 */
export function pciResourceEnvName(resource: string): string {
  return `PCI_RESOURCE_${resource.toUpperCase().replaceAll(/[/.]/g, "_")}`;
}
