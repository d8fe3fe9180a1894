/* SPDX-License-Identifier: GPL-2.0 */
/* Where Linux 6.1 and 7.2 differ. The only place with tests of the version. */
#ifndef TDX_IOMMU_COMPAT_H
#define TDX_IOMMU_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif
