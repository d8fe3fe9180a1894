// SPDX-License-Identifier: GPL-2.0
/* The border to tdx_iommu.ko. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "sim.h"

/* Looked up by name, not linked: the pose as tdx_host runs without tdx_iommu.ko. */
static int (*backend_register)(const struct tdx_iommu_backend *backend, void *ctx);
static void (*backend_unregister)(const struct tdx_iommu_backend *backend);
static void (*backend_notify)(const struct tdx_iommu_backend *backend);
static bool attached;

static void put_symbols(void)
{
	if (backend_register)
		symbol_put(tdx_iommu_backend_register);
	if (backend_unregister)
		symbol_put(tdx_iommu_backend_unregister);
	if (backend_notify)
		symbol_put(tdx_iommu_backend_notify);
}

int connect_sim_border_start(void)
{
	int rc;

	backend_register = symbol_get(tdx_iommu_backend_register);
	backend_unregister = symbol_get(tdx_iommu_backend_unregister);
	backend_notify = symbol_get(tdx_iommu_backend_notify);
	rc = backend_register && backend_unregister && backend_notify ? 0 : -ENOENT;
	if (rc)
		pr_err("load tdx_iommu.ko first\n");
	else
		rc = backend_register(&connect_sim_backend, &connect_sim);
	if (rc)
		put_symbols();
	attached = !rc;
	return rc;
}

void connect_sim_border_stop(void)
{
	attached = false;
	backend_unregister(&connect_sim_backend);
	put_symbols();
}

void connect_sim_border_notify(void)
{
	if (attached)
		backend_notify(&connect_sim_backend);
}
