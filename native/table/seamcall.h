/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Leaves, statuses and operands of the SEAMCALLs used here. Statuses: bit 63 error, bits 47:40
 * class, 39:32 code, 31:0 operand id.
 */
#ifndef TDX_SEAMCALL_H
#define TDX_SEAMCALL_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

#define TDX_LEAF_SYS_RD 34
#define TDX_LEAF_PHYMEM_PAGE_WBINVD 41
#define TDX_LEAF_IOMMU_SETUP 128
#define TDX_LEAF_IOMMU_CLEAR 129

#define TDX_STATUS_MASK 0xFFFFFFFF00000000ULL /* without the operand */
#define TDX_STATUS_ERROR 0x8000000000000000ULL /* clear: success, perhaps with information */

#define TDX_SUCCESS 0ULL
#define TDX_INTERRUPTED_RESUMABLE 0x8000000300000000ULL
#define TDX_INTERRUPTED_RESTARTABLE 0x8000000400000000ULL
#define TDX_INVALID_RESUMPTION 0xC000000600000000ULL
#define TDX_OPERAND_INVALID 0xC000010000000000ULL
#define TDX_OPERAND_ADDR_RANGE_ERROR 0xC000010100000000ULL
#define TDX_OPERAND_BUSY 0x8000020000000000ULL
#define TDX_PREVIOUS_TLB_EPOCH_BUSY 0x8000020100000000ULL
#define TDX_SYS_BUSY 0x8000020200000000ULL
#define TDX_RND_NO_ENTROPY 0x8000020300000000ULL
#define TDX_OPERAND_BUSY_HOST_PRIORITY 0x8000020400000000ULL
#define TDX_HOST_PRIORITY_BUSY_TIMEOUT 0x9000020500000000ULL
#define TDX_INTERRUPTED_BUSY 0x8000020600000000ULL
#define TDX_PAGE_METADATA_INCORRECT 0xC000030000000000ULL
#define TDX_PAGE_NOT_FREE 0xC000030300000000ULL
#define TDX_HPA_RANGE_NOT_FREE 0xC000030400000000ULL
#define TDX_INTERRUPTED_PAMT 0x8000030700000000ULL
#define TDX_SYS_NOT_READY 0xC000050500000000ULL
#define TDX_SYS_SHUTDOWN 0xC000050600000000ULL
#define TDX_IOMMU_INVALID_STATE 0xC0000F0000000000ULL
#define TDX_IOMMU_RP_IDE_MUST_BE_DISABLED 0xC0000F0400000000ULL
#define TDX_IOMMU_MT_PAGE_IN_USE 0xC0000F3D00000000ULL
#define TDX_IOMMU_KCB_MUST_BE_DISABLED 0xC0000F3E00000000ULL
#define TDX_IOMMU_ECMD_TIMEOUT 0x80000F5100000000ULL
#define TDX_IOMMU_ECMD_ERROR 0x80000F5200000000ULL

/* Made by the caller's side of the instruction, never by the module. */
#define TDX_SEAMCALL_VMFAILINVALID 0x8000FF00FFFF0000ULL
#define TDX_SEAMCALL_GP 0x8000FF000000000DULL
#define TDX_SEAMCALL_UD 0x8000FF0000000006ULL

#define TDX_OPERAND_RAX 0ULL
#define TDX_OPERAND_RCX 1ULL
#define TDX_OPERAND_RDX 2ULL
#define TDX_OPERAND_R8 8ULL
#define TDX_OPERAND_PAGE 95ULL

/* Fields of global metadata, for TDH.SYS.RD. */
#define TDX_FIELD_FEATURES0 0x0A00000300000008ULL
#define TDX_FIELD_MINOR_VERSION 0x0800000100000003ULL
#define TDX_FIELD_MAJOR_VERSION 0x0800000100000004ULL
#define TDX_FIELD_UPDATE_VERSION 0x0800000100000005ULL
#define TDX_FIELD_INTERNAL_VERSION 0x0800000100000006ULL
#define TDX_FIELD_BUILD_DATE 0x8800000200000001ULL
#define TDX_FIELD_BUILD_NUM 0x8800000100000002ULL
#define TDX_FIELD_IOMMU_MT_PAGE_COUNT 0x3000000100000003ULL

#define TDX_FEATURES0_CONNECT 0x40ULL /* bit 6 */
#define TDX_FEATURES0_NO_RBP_MOD 0x40000ULL /* bit 18 */
#define TDX_FEATURES0_CLFLUSH_BEFORE_ALLOC 0x800000ULL /* bit 23 */
#define TDX_FEATURES0_DYNAMIC_PAMT 0x1000000000ULL /* bit 36 */
#define TDX_ECAP_CONNECT 0x4000000000000ULL /* bit 50 */

#define TDX_PAGE_SIZE 4096U
#define TDX_PAGE_MASK 0xFFFULL

/*
 * IOMMU_MT root page: entries 0 and 1 are the two invalidation-queue buffers, each two contiguous
 * pages aligned to 8 KiB and written as address | number of pages; then one address for each of
 * iommu_mt_page_count metadata pages; then zeros.
 */
#define TDX_MT_ENTRIES 512U
#define TDX_MT_QUEUES 2U
#define TDX_MT_QUEUE_PAGES 2U
#define TDX_MT_MAX_COUNT (TDX_MT_ENTRIES - TDX_MT_QUEUES)
#define TDX_MT_PAGES(count) (TDX_MT_QUEUES * TDX_MT_QUEUE_PAGES + (count))

/* The registers that SETUP and CLEAR use. */
struct tdx_regs {
	__u64 rax;
	__u64 rcx;
	__u64 rdx;
};

/*
 * What can be read of the TDX module without changing anything; compared as bytes, so it has no
 * padding.
 */
struct tdx_identity {
	__u32 environment; /* enum tdx_iommu_environment */
	__u32 abi_profile; /* enum tdx_iommu_profile */
	__u32 module_major;
	__u32 module_minor;
	__u32 module_update;
	__u32 module_internal;
	__u32 build_num;
	__u32 build_date;
	__u32 mt_page_count;
	__u32 valid; /* TDX_IOMMU_VALID_* */
	__u64 features0;
	__u64 incarnation; /* differs after each load, as far as the backend can tell */
};

#endif
