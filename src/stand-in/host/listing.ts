// SPDX-License-Identifier: Apache-2.0
import { ADDRESS_FORM } from "../../domain/address.ts";
import { AppError } from "../../runtime/errors.ts";
import { address, type FunctionEntry } from "./host-schema.ts";

const COLUMNS = ["unit", "iommu_group", "address", "class", "vendor", "device", "revision"];

/** Functions of a real machine's listing (tab-separated, first line names the columns). @throws SIMULATION_INVALID with file and line. */
export function parseListing(text: string, file: string): FunctionEntry[] {
  const [header = "", ...lines] = text.trimEnd().split("\n");
  if (header !== COLUMNS.join("\t")) throw invalid(file, 1, `the first line must name the columns ${COLUMNS.join(", ")}`);
  return lines.map((line, index) => parseLine(line, file, index + 2));
}

function parseLine(line: string, file: string, number: number): FunctionEntry {
  const [unit = "", iommuGroup = "", bdf = "", classCode = "", vendor = "", device = "", revision = ""] = line.split("\t");
  const parsed = address.safeParse(bdf);
  if (!parsed.success) throw invalid(file, number, `"${bdf}" is no PCI address: write ${ADDRESS_FORM}`);
  if (!/^[0-9a-f]{4}$/.test(classCode) || !/^[0-9a-f]{4}$/.test(vendor) || !/^[0-9a-f]{4}$/.test(device) || !/^[0-9a-f]{2}$/.test(revision)) {
    throw invalid(file, number, "class, vendor and device are four hex digits, revision two");
  }
  return {
    address: parsed.data,
    unit: unit === "" ? null : unit,
    ...(iommuGroup === "" ? {} : { iommuGroup }),
    vendor,
    device,
    class: `${classCode}00`, // Listings show base class and sub-class; the programming interface is not in them.
    revision,
    driver: null,
    teeIo: false,
    ideStreams: 0,
    configBytes: 4096,
    secured: false,
  };
}

function invalid(file: string, line: number, problem: string): AppError {
  return new AppError("SIMULATION_INVALID", `${file}:${line}: ${problem}`, { details: { file, line } });
}
