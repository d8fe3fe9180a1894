// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeStatus, hexStatus } from "../../src/domain/seamcall-status.ts";

const SETUP = "TDH.IOMMU.SETUP";
const CLEAR = "TDH.IOMMU.CLEAR";

describe("decodeStatus", () => {
  it.each([
    [SETUP, 0n, "TDX_SUCCESS", "", "success"],
    [SETUP, 0x8000000300000000n, "TDX_INTERRUPTED_RESUMABLE", "", "resume"],
    [SETUP, 0x8000020000000001n, "TDX_OPERAND_BUSY", "RCX", "retry"],
    [SETUP, 0x8000020300000000n, "TDX_RND_NO_ENTROPY", "", "retry"],
    [SETUP, 0x80000f5100000000n, "TDX_IOMMU_ECMD_TIMEOUT", "", "retry"],
    [SETUP, 0xc000010000000001n, "TDX_OPERAND_INVALID", "RCX", "unsupported"],
    [SETUP, 0xc000010000000002n, "TDX_OPERAND_INVALID", "RDX", "failed"],
    [CLEAR, 0xc000010000000001n, "TDX_OPERAND_INVALID", "RCX", "failed"],
    [SETUP, 0xc0000f0400000008n, "TDX_IOMMU_RP_IDE_MUST_BE_DISABLED", "R8", "precondition"],
    [CLEAR, 0xc0000f0000000001n, "TDX_IOMMU_INVALID_STATE", "RCX", "precondition"],
    [SETUP, 0xc000030300000000n, "TDX_PAGE_NOT_FREE", "", "failed"],
    [SETUP, 0x8000ff00ffff0000n, "TDX_SEAMCALL_VMFAILINVALID", "", "environment"],
    [SETUP, 0x8000ff000000000dn, "TDX_SEAMCALL_GP", "", "environment"],
    [SETUP, 0x8000ff0000000006n, "TDX_SEAMCALL_UD", "", "environment"],
    [SETUP, 0xc000050500000000n, "TDX_SYS_NOT_READY", "", "environment"],
    [SETUP, 0xdead000000000000n, "0xdead000000000000", "", "failed"],
  ] as const)("reads %s %s as %s %s, %s", (leaf, status, name, operand, action) => {
    expect(decodeStatus(leaf, status)).toEqual({ name, operand, action });
  });

  it("calls no status with the error bit a success, whatever it is", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), fc.constantFrom(SETUP, CLEAR), (low, leaf) => {
        expect(decodeStatus(leaf, low | (1n << 63n)).action).not.toBe("success");
      }),
    );
  });

  it("writes statuses with all their digits", () => {
    expect(hexStatus(0n)).toBe("0x0");
    expect(hexStatus(0xc000010000000001n)).toBe("0xc000010000000001");
    expect(hexStatus(0x30100000000n)).toBe("0x0000030100000000");
  });
});
