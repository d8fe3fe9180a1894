// SPDX-License-Identifier: Apache-2.0
import { valueText } from "../api/problem.ts";
import { ADDRESS_FORM, parseAddress } from "../domain/address.ts";
import type { Address } from "../domain/device.ts";
import { AppError } from "../runtime/errors.ts";

/** As people and tools write it: upper case, without the segment, with one of eight digits. @throws CONFIG_INVALID */
export function addressFrom(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new AppError("CONFIG_INVALID", `address is ${valueText(text)}: write ${ADDRESS_FORM}`);
  return address;
}
