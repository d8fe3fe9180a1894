// SPDX-License-Identifier: GPL-2.0
/*
 * Neither sleep nor hibernation keeps TDX mode, and a kernel started by kexec would find units it
 * can't program: sleep is vetoed while a unit is not clean, and before a reboot units are cleared
 * and caches written back. A crash kernel gets no such care: kdump is not supported on a machine
 * with trusted units.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/reboot.h>
#include <linux/suspend.h>
#include <asm/special_insns.h>
#include <asm/smp.h>

#include "driver.h"

/* Clean, and from now on until it wakes up it stays so. Not while an operation is under way. */
static bool may_sleep(struct tdx_driver *driver)
{
	if (!mutex_trylock(&driver->change))
		return false;
	driver->sleeping = tdx_driver_is_clean(driver);
	mutex_unlock(&driver->change);
	return driver->sleeping;
}

static void wake_up_again(struct tdx_driver *driver)
{
	mutex_lock(&driver->change);
	driver->sleeping = false;
	mutex_unlock(&driver->change);
}

static int on_sleep(struct notifier_block *block, unsigned long event, void *data)
{
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		if (may_sleep(&tdx_driver))
			return NOTIFY_OK;
		pr_warn("no sleep while a unit is in TDX mode or its pages are the TDX module's\n");
		return notifier_from_errno(-EBUSY);
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		wake_up_again(&tdx_driver);
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static int on_reboot(struct notifier_block *block, unsigned long event, void *data)
{
	tdx_worker_clear_all();
	wbinvd_on_all_cpus();
	return NOTIFY_DONE;
}

static struct notifier_block sleep_block = { .notifier_call = on_sleep };
static struct notifier_block reboot_block = { .notifier_call = on_reboot };

int tdx_power_start(void)
{
	int rc = register_pm_notifier(&sleep_block);

	if (rc)
		return rc;
	rc = register_reboot_notifier(&reboot_block);
	if (rc)
		unregister_pm_notifier(&sleep_block);
	return rc;
}

void tdx_power_stop(void)
{
	unregister_reboot_notifier(&reboot_block);
	unregister_pm_notifier(&sleep_block);
}
