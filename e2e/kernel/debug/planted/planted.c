// SPDX-License-Identifier: GPL-2.0
/*
 * Defects on demand, to see that a kernel's detectors find them: `echo leak > /sys/module/planted/parameters/fault`.
 * Each leaves the kernel usable.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

#define BYTES 100
/* One of them may look reachable: its address may stand on a stack by chance. */
#define COPIES 8

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spinning);

struct timed {
	struct timer_list timer;
};

static noinline void leak(void)
{
	int i;

	for (i = 0; i < COPIES; i++)
		memset(kmalloc(BYTES, GFP_KERNEL), i, BYTES);
}

static noinline void lost_pages(void)
{
	alloc_pages(GFP_KERNEL, 1);
	/* Else this function ends with a jump, and is in no stack. */
	barrier();
}

static noinline void use_after_free(void)
{
	char *bytes = kzalloc(BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
	kfree(bytes);
	WRITE_ONCE(bytes[BYTES / 2], 1);
}

static noinline void out_of_bounds(void)
{
	char *bytes = kzalloc(BYTES, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
	(void)READ_ONCE(bytes[BYTES]);
	kfree(bytes);
}

static noinline void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static noinline void sleep_in_atomic(void)
{
	spin_lock(&spinning);
	might_sleep();
	spin_unlock(&spinning);
}

static void ring(struct timer_list *unused) {}

static noinline void freed_timer(void)
{
	struct timed *timed = kzalloc(sizeof(*timed), GFP_KERNEL);

	timer_setup(&timed->timer, ring, 0);
	mod_timer(&timed->timer, jiffies + MAX_JIFFY_OFFSET);
	/* Who notices takes it off the wheel. */
	kfree(timed);
}

static noinline void broken_list(void)
{
	struct list_head head = LIST_HEAD_INIT(head), entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static noinline void wide_shift(void)
{
	int bits = 40;
	int value = 1;

	OPTIMIZER_HIDE_VAR(bits);
	value <<= bits;
	OPTIMIZER_HIDE_VAR(value);
}

static noinline void warning(void)
{
	WARN_ON(1);
}

static const struct {
	const char *name;
	void (*plant)(void);
} faults[] = {
	{ "leak", leak },
	{ "lost_pages", lost_pages },
	{ "use_after_free", use_after_free },
	{ "out_of_bounds", out_of_bounds },
	{ "lock_inversion", lock_inversion },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "freed_timer", freed_timer },
	{ "broken_list", broken_list },
	{ "wide_shift", wide_shift },
	{ "warning", warning },
};

static int fault_set(const char *value, const struct kernel_param *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (sysfs_streq(value, faults[i].name)) {
			faults[i].plant();
			return 0;
		}
	}
	return -EINVAL;
}

static const struct kernel_param_ops fault_operations = { .set = fault_set };

module_param_cb(fault, &fault_operations, NULL, 0200);
MODULE_DESCRIPTION("Defects on demand");
MODULE_LICENSE("GPL");
