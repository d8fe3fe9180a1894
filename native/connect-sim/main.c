// SPDX-License-Identifier: GPL-2.0
/*
 * tdx_connect_sim.ko: makes a machine without TDX look like one with TDX Connect. Nothing is
 * protected, and it says so wherever it shows.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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
MODULE_PARM_DESC(abi_profile,
		 "how CLEAR is called: 0 unsaid, 1 with the root page, 2 with the id only");

static char *pose;
module_param(pose, charp, 0444);
MODULE_PARM_DESC(pose, "tdx_host: as the driver of a kernel that owns SETUP, without tdx_iommu.ko");

static bool pose_log = true;
module_param(pose_log, bool, 0444);
MODULE_PARM_DESC(pose_log, "the pose says in the log which units it has set up");

static int start_answering(void)
{
	int rc = connect_sim_border_start();

	if (rc)
		return rc;
	rc = connect_sim_link_start(NULL);
	if (rc)
		connect_sim_border_stop();
	return rc;
}

static int __init connect_sim_start(void)
{
	int rc;

	if (pose && strcmp(pose, "tdx_host"))
		return -EINVAL;
	rc = connect_sim_answer_start(mt_page_count, abi_profile);
	if (rc)
		return rc;
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	pr_warn("SIMULATED TDX Connect: nothing on this machine is protected\n");
	rc = pose ? connect_sim_pose_start(pose_log) : start_answering();
	if (rc)
		connect_sim_answer_stop();
	else
		connect_sim_script_start();
	return rc;
}

/* Refused while a unit is not clean: tdx_iommu.ko holds this module then. */
static void __exit connect_sim_stop(void)
{
	connect_sim_script_stop();
	if (pose) {
		connect_sim_pose_stop();
	} else {
		connect_sim_link_stop();
		connect_sim_border_stop();
	}
	connect_sim_answer_stop();
	pr_info("gone\n");
}

module_init(connect_sim_start);
module_exit(connect_sim_stop);

MODULE_DESCRIPTION("Simulated TDX module for tests of tdx_iommu.ko");
MODULE_LICENSE("GPL");
