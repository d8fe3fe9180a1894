// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The layout of the contract, asserted wherever the table is built: addon, kernel module, tests. */
#include "../uapi/tdx_iommu.h"
#include "seamcall.h"

#define AT(type, member, offset) \
	static_assert(__builtin_offsetof(struct type, member) == (offset), #type "." #member)
#define SIZE(type, size) static_assert(sizeof(struct type) == (size), #type)

SIZE(tdx_iommu_info, 96);
AT(tdx_iommu_info, environment, 16);
AT(tdx_iommu_info, mt_page_count, 44);
AT(tdx_iommu_info, features0, 48);
AT(tdx_iommu_info, valid, 56);
AT(tdx_iommu_info, instance, 64);
AT(tdx_iommu_info, pages_retained, 88);

SIZE(tdx_iommu_unit, 96);
AT(tdx_iommu_unit, numa_node, 12);
AT(tdx_iommu_unit, gsts, 32);
AT(tdx_iommu_unit, leaf, 44);
AT(tdx_iommu_unit, tdx_iommu_id, 48);
AT(tdx_iommu_unit, status, 64);
AT(tdx_iommu_unit, attempts, 80);
AT(tdx_iommu_unit, pages_retained, 92);

SIZE(tdx_iommu_list, 56);
AT(tdx_iommu_list, entries, 16);
AT(tdx_iommu_list, generation, 32);
AT(tdx_iommu_list, instance, 40);

SIZE(tdx_iommu_setup, 120);
AT(tdx_iommu_setup, reg_base, 8);
AT(tdx_iommu_setup, outcome, 16);
AT(tdx_iommu_setup, unit, 24);

SIZE(tdx_iommu_clear, 144);
AT(tdx_iommu_clear, tdx_iommu_id, 16);
AT(tdx_iommu_clear, setup_seq, 24);
AT(tdx_iommu_clear, outcome, 32);
AT(tdx_iommu_clear, unit, 40);
AT(tdx_iommu_clear, not_after, TDX_IOMMU_CLEAR_SIZE_VER1);

static_assert(TDX_IOMMU_IOC_INFO == 0xC060E700U, "INFO");
static_assert(TDX_IOMMU_IOC_LIST == 0xC038E701U, "LIST");
static_assert(TDX_IOMMU_IOC_SETUP == 0xC078E702U, "SETUP");
static_assert(TDX_IOMMU_IOC_CLEAR == 0xC090E703U, "CLEAR");
