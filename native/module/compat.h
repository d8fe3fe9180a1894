/* SPDX-License-Identifier: GPL-2.0 */
/* Where Linux 6.1 and 7.2 differ; tests of the version belong here only. */
#ifndef TDX_IOMMU_COMPAT_H
#define TDX_IOMMU_COMPAT_H

#include <linux/slab.h>

#ifndef kzalloc_obj
#define kzalloc_obj(object, flags) kzalloc(sizeof(object), flags)
#endif

#endif
