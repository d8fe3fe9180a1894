// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { pciResourceEnvName } from "../../src/domain/env-name.ts";

it.each([
  ["teeio.dev/gpu", "PCI_RESOURCE_TEEIO_DEV_GPU"],
  ["nvidia.com/TU104GL_Tesla-T4", "PCI_RESOURCE_NVIDIA_COM_TU104GL_TESLA-T4"],
])("the variable of %s is %s, as KubeVirt spells it", (resource, name) => {
  expect(pciResourceEnvName(resource)).toBe(name);
});
