/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One opened driver, whichever it is. All functions return 0 or a negative errno of the contract.
 *
 * setup, clear and resume are called by one thread at a time; info and list by another one; wait by a third.
 */
#ifndef ADDON_BACKEND_H
#define ADDON_BACKEND_H

#include "../uapi/tdx_iommu.h"

struct backend;

struct backend_ops {
	int (*info)(struct backend *backend, struct tdx_iommu_info *info);
	/* *units is malloc'ed, NULL when there are none. */
	int (*list)(struct backend *backend, struct tdx_iommu_list *list, struct tdx_iommu_unit **units);
	int (*setup)(struct backend *backend, struct tdx_iommu_setup *setup);
	int (*clear)(struct backend *backend, struct tdx_iommu_clear *clear);
	/* Finishes what another process left under way; NULL where a kernel does it. */
	int (*resume)(struct backend *backend);
	/* Returns when the table may differ from what the last list gave; -ECANCELED after interrupt. */
	int (*wait)(struct backend *backend);
	/* Makes wait and, where possible, setup, clear and resume return soon. From any thread; for good. */
	void (*interrupt)(struct backend *backend);
	/* No call is in flight any more. */
	void (*destroy)(struct backend *backend);
	/* setup and clear can't be interrupted: close does not wait for them. */
	int blocking;
};

struct backend {
	const struct backend_ops *ops;
};

int device_open(const char *path, int writable, struct backend **backend);
int simulated_open(const char *path, int writable, struct backend **backend);
/* Only waits: for news from the kernel about devices. */
int uevents_open(struct backend **backend);
/* wait that also returns, with -ECANCELED, when `other` is readable. */
int simulated_wait(struct backend *backend, int other);

#endif
