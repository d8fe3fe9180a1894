// SPDX-License-Identifier: Apache-2.0
import type { ReadDevice, ReadStatus, ReadUnit } from "../../domain/status.ts";
import { header } from "./header.ts";
import { type Canvas, columns, line, padTo, type Span, span } from "./text.ts";
import { deviceReason, linkState, offered, otherUnitLines, reasonText, unitName, unitState } from "./words.ts";

/** A branch of the tree: its own spans, and what hangs below. */
interface Branch {
  readonly label: readonly Span[];
  readonly children: readonly Branch[];
}

/** A node as a tree, host bridge → unit → device, each with state, id and reason. A unit stands below every host bridge whose devices it serves. Pure. */
export function nodeTree(node: string, status: ReadStatus, canvas: Canvas): readonly string[] {
  const tree = bridges(status).flatMap((branch) => drawn(branch, { head: "", tail: "" }, canvas));
  return [...header(node, status, canvas), "", ...tree, ...otherUnitLines(status, canvas)];
}

interface Prefix {
  /** Before the branch's own line, before its children's lines. */
  readonly head: string;
  readonly tail: string;
}

function drawn(branch: Branch, prefix: Prefix, canvas: Canvas): readonly string[] {
  const last = branch.children.length - 1;
  return [
    line([span(prefix.head, "dim"), ...branch.label], canvas),
    ...branch.children.flatMap((child, index) => {
      const [own, below] = index === last ? ["└─ ", "   "] : ["├─ ", "│  "];
      return drawn(child, { head: prefix.tail + own, tail: prefix.tail + below }, canvas);
    }),
  ];
}

function bridges(status: ReadStatus): readonly Branch[] {
  const names = [...new Set(status.devices.map((device) => device.hostBridge))].toSorted();
  const units = new Map(status.units.map((unit) => [unit.regBase, unit]));
  const used = new Set(status.devices.map((device) => device.regBase));
  const width = Math.max(0, ...status.devices.map((device) => columns(device.resource)));
  const branches = names.map((name) => {
    const below = status.devices.filter((device) => device.hostBridge === name);
    const label = name === "" ? span("host bridge unknown", "warn") : span(name, "bold");
    return { label: [label], children: unitBranches(below, units, width) };
  });
  const idle = status.units.filter((unit) => !used.has(unit.regBase));
  if (idle.length === 0) return branches;
  return [...branches, { label: [span("units without TEE-I/O devices", "dim")], children: idle.map((unit) => unitBranch(unit, [])) }];
}

function unitBranches(devices: readonly ReadDevice[], units: ReadonlyMap<string, ReadUnit>, width: number): readonly Branch[] {
  const bases = [...new Set(devices.map((device) => device.regBase))];
  return bases.map((regBase) => {
    const children = devices.filter((device) => device.regBase === regBase).map((device) => deviceBranch(device, width));
    const unit = units.get(regBase);
    return unit ? unitBranch(unit, children) : { label: [span(regBase === "" ? "no unit" : `${regBase} (not listed)`, "warn")], children };
  });
}

function unitBranch(unit: ReadUnit, children: readonly Branch[]): Branch {
  const id = unit.tdxIommuId === "" ? [] : [span(`  id ${unit.tdxIommuId}`)];
  return { label: [span(`${unitName(unit)}  `), unitState(unit), ...id, span(`  ${reasonText(unit)}`, "dim")], children };
}

function deviceBranch(device: ReadDevice, width: number): Branch {
  const state = linkState(device);
  const link = state.text === "" ? "" : `  link ${state.text}${device.link.tsm === "" ? "" : ` by ${device.link.tsm}`}`;
  const resource = width === 0 ? "" : `${padTo(device.resource, width)}  `;
  const offer = offered(device);
  const reason = deviceReason(device);
  return {
    label: [
      span(`${device.address}  `),
      span(resource),
      { ...offer, text: padTo(offer.text, "withheld".length) },
      { ...state, text: link },
      span(reason === "" ? "" : `  ${reason}`, "dim"),
    ],
    children: [],
  };
}
