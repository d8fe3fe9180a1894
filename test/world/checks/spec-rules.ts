// SPDX-License-Identifier: Apache-2.0

/** CDI specs that are in place, and what is wrong with what they say: the checker's own statement, from the models' truth. */
import type { World } from "../life/world.ts";
import { type Objection, objection } from "./eligibility.ts";

export interface SpecInPlace {
  readonly resource: string;
  readonly id: string;
  readonly wrong: readonly Objection[];
}

export function specsInPlace({ specs, host, shape }: World): readonly SpecInPlace[] {
  return [...specs.nodes].map(([name, nodes]) => {
    const [resource = "", id = ""] = name.split("=");
    const fn = host.find(id);
    const isOther = !shape.isSimulated && fn !== null && fn.isOnVfio.value && nodes[0] !== fn.node.value;
    return { resource, id, wrong: isOther ? [objection(`it gives ${nodes[0]}, and the device is ${fn.node.value}`, fn.node)] : [] };
  });
}
