// SPDX-License-Identifier: GPL-2.0
/*
 * tdx_connect_sim.ko: makes a machine without TDX look like one with TDX Connect. Nothing is
 * protected, and it says so wherever it shows.
 */
#include <linux/kernel.h>
#include <linux/module.h>

#include "link.h"
#include "pose.h"
#include "sim.h"

static uint mt_page_count = 4;
module_param(mt_page_count, uint, 0444);
MODULE_PARM_DESC(mt_page_count, "global metadata iommu_mt_page_count");

static uint abi_profile = TDX_IOMMU_PROFILE_NEWEST;
module_param(abi_profile, uint, 0444);
MODULE_PARM_DESC(abi_profile, "how CLEAR is called: 0 unsaid, 1 with the root page, 2 with the id only");

static char *pose;
module_param(pose, charp, 0444);
MODULE_PARM_DESC(pose, "tdx_host: as the driver of a kernel that owns SETUP, without tdx_iommu.ko");

bool pose_log = true;
module_param(pose_log, bool, 0444);
MODULE_PARM_DESC(pose_log, "the pose says in the log which units it has set up");

struct connect_sim connect_sim;
u32 link_auth_fails;
u32 link_exchanges;
u32 link_remove_ms;
bool link_before_setup;

/* Looked up by name, not linked: the pose as tdx_host runs without tdx_iommu.ko. */
static int (*backend_register)(const struct tdx_iommu_backend *backend, void *ctx);
static void (*backend_unregister)(const struct tdx_iommu_backend *backend);
static void (*backend_notify)(const struct tdx_iommu_backend *backend);

void connect_sim_changed(void)
{
	if (connect_sim.attached)
		backend_notify(&connect_sim_backend);
}

static void release_border(void)
{
	if (backend_register)
		symbol_put(tdx_iommu_backend_register);
	if (backend_unregister)
		symbol_put(tdx_iommu_backend_unregister);
	if (backend_notify)
		symbol_put(tdx_iommu_backend_notify);
}

static int attach(void)
{
	int rc;

	backend_register = symbol_get(tdx_iommu_backend_register);
	backend_unregister = symbol_get(tdx_iommu_backend_unregister);
	backend_notify = symbol_get(tdx_iommu_backend_notify);
	rc = backend_register && backend_unregister && backend_notify ? 0 : -ENOENT;
	if (rc)
		pr_err("tdx_connect_sim: load tdx_iommu.ko first\n");
	else
		rc = backend_register(&connect_sim_backend, &connect_sim);
	if (rc)
		release_border();
	connect_sim.attached = !rc;
	return rc;
}

static int start_answering(void)
{
	int rc = attach();

	if (rc)
		return rc;
	rc = link_start(NULL);
	if (rc) {
		backend_unregister(&connect_sim_backend);
		release_border();
	}
	return rc;
}

static int __init connect_sim_start(void)
{
	int rc;

	if (pose && strcmp(pose, "tdx_host"))
		return -EINVAL;
	rc = answer_start(mt_page_count, abi_profile);
	if (rc)
		return rc;
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	pr_warn("tdx_connect_sim: SIMULATED TDX Connect: nothing on this machine is protected\n");
	rc = pose ? pose_start() : start_answering();
	if (rc)
		answer_stop();
	else
		script_start();
	return rc;
}

/* Refused while a unit is not clean: tdx_iommu.ko holds this module then. */
static void __exit connect_sim_stop(void)
{
	script_stop();
	if (pose) {
		pose_stop();
	} else {
		link_stop();
		backend_unregister(&connect_sim_backend);
		release_border();
	}
	answer_stop();
	pr_info("tdx_connect_sim: gone\n");
}

module_init(connect_sim_start);
module_exit(connect_sim_stop);

MODULE_DESCRIPTION("Simulated TDX module for tests of tdx_iommu.ko");
MODULE_LICENSE("GPL");
