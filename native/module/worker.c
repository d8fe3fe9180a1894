// SPDX-License-Identifier: GPL-2.0
/*
 * SETUP and CLEAR, one at a time, on a worker of their own. A caller that is killed goes; an
 * operation that has begun goes on, and the same request made again while it runs waits for it
 * instead of issuing another. One whose turn had not come is dropped: no reader of the table
 * could know of it, and a CLEAR that comes out of the past may find a guest on the unit.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "driver.h"

struct request {
	struct work_struct work;
	struct list_head entry; /* in pending, under pending_lock, until it has been carried out */
	struct kref users;
	u32 waiting; /* callers, under pending_lock */
	u64 not_after; /* of a CLEAR: the latest of theirs, 0 = none, under pending_lock */
	struct completion done;
	int rc;
	bool is_setup;
	union {
		struct tdx_iommu_setup setup;
		struct tdx_iommu_clear clear;
	};
};

static struct workqueue_struct *queue;
static LIST_HEAD(pending);
static DEFINE_SPINLOCK(pending_lock);

static void request_release(struct kref *users)
{
	kfree(container_of(users, struct request, users));
}

static int carry_out_setup(struct tdx_driver *driver, struct tdx_iommu_setup *setup)
{
	lockdep_assert_held(&driver->change);
	if (READ_ONCE(driver->stopping) || driver->sleeping)
		return -EIO;
	tdx_registers_look(driver);
	return tdx_table_setup(&driver->table, setup);
}

static bool is_later(u64 not_after, u64 than)
{
	return than && (!not_after || not_after > than);
}

/*
 * A caller that joined meanwhile may have given it more time. False: none has, and none can
 * join it from now on.
 */
static bool has_more_time(struct request *request)
{
	bool later;

	spin_lock(&pending_lock);
	later = is_later(request->not_after, request->clear.not_after);
	request->clear.not_after = request->not_after;
	if (!later)
		list_del_init(&request->entry);
	spin_unlock(&pending_lock);
	return later;
}

static int carry_out_clear(struct tdx_driver *driver, struct request *request)
{
	int rc;

	lockdep_assert_held(&driver->change);
	do
		rc = tdx_table_clear(&driver->table, &request->clear);
	while (rc == -ETIME && has_more_time(request));
	return rc;
}

static int carry_out_request(struct tdx_driver *driver, struct request *request)
{
	int rc = request->is_setup ? carry_out_setup(driver, &request->setup)
				   : carry_out_clear(driver, request);

	/* The table can't tell a backend that has gone from a TDX module that is not ready. */
	if (rc == -ENODEV && READ_ONCE(driver->backend_gone))
		return -EIO;
	return rc == -ECANCELED ? -EIO : rc;
}

/* Its turn has come. False: no caller waits for it any more, and none can join it from now on. */
static bool begins(struct request *request)
{
	bool wanted;

	spin_lock(&pending_lock);
	wanted = request->waiting;
	if (!wanted)
		list_del_init(&request->entry);
	else if (!request->is_setup)
		request->clear.not_after = request->not_after;
	spin_unlock(&pending_lock);
	return wanted;
}

static void carry_out(struct work_struct *work)
{
	struct request *request = container_of(work, struct request, work);
	struct tdx_driver *driver = &tdx_driver;

	mutex_lock(&driver->change);
	if (begins(request)) {
		tdx_driver_pin(driver, true);
		request->rc = carry_out_request(driver, request);
		tdx_driver_pin(driver, !tdx_driver_is_clean(driver));
	}
	mutex_unlock(&driver->change);
	spin_lock(&pending_lock);
	list_del_init(&request->entry);
	spin_unlock(&pending_lock);
	/*
	 * Before the caller wakes, who may unload the module next. That waits for this function to
	 * return (tdx_worker_stop).
	 */
	module_put(THIS_MODULE);
	complete_all(&request->done);
	kref_put(&request->users, request_release);
}

static bool is_same(const struct request *one, const struct request *other)
{
	if (one->is_setup != other->is_setup)
		return false;
	if (one->is_setup)
		return one->setup.reg_base == other->setup.reg_base;
	return one->clear.reg_base == other->clear.reg_base &&
	       one->clear.tdx_iommu_id == other->clear.tdx_iommu_id &&
	       one->clear.setup_seq == other->clear.setup_seq;
}

/*
 * The request that is to be waited for: an equal one under way, or this one, queued. The caller's
 * reference comes with it.
 */
static struct request *join(struct request *fresh)
{
	struct request *known;

	spin_lock(&pending_lock);
	list_for_each_entry(known, &pending, entry) {
		if (!is_same(known, fresh))
			continue;
		kref_get(&known->users);
		known->waiting++;
		if (is_later(fresh->not_after, known->not_after))
			known->not_after = fresh->not_after;
		spin_unlock(&pending_lock);
		kref_put(&fresh->users, request_release);
		return known;
	}
	list_add_tail(&fresh->entry, &pending);
	kref_get(&fresh->users);
	fresh->waiting = 1;
	/* Its caller may be gone, and the file with it, before the worker comes to it. */
	__module_get(THIS_MODULE);
	queue_work(queue, &fresh->work);
	spin_unlock(&pending_lock);
	return fresh;
}

/* 0 and the answer in the request, or an errno of the contract. */
static int answer_of(struct request *request)
{
	int rc = wait_for_completion_killable(&request->done) ? -EINTR : request->rc;

	spin_lock(&pending_lock);
	request->waiting--;
	spin_unlock(&pending_lock);
	return rc;
}

static struct request *request_new(bool is_setup)
{
	struct request *request = kzalloc_obj(*request, GFP_KERNEL);

	if (!request)
		return NULL;
	INIT_WORK(&request->work, carry_out);
	INIT_LIST_HEAD(&request->entry);
	kref_init(&request->users);
	init_completion(&request->done);
	request->is_setup = is_setup;
	return request;
}

int tdx_worker_setup(struct tdx_iommu_setup *setup)
{
	struct request *request = request_new(true);
	int rc;

	if (!request)
		return -ENOMEM;
	request->setup = *setup;
	request = join(request);
	rc = answer_of(request);
	if (!rc)
		*setup = request->setup;
	kref_put(&request->users, request_release);
	return rc;
}

int tdx_worker_clear(struct tdx_iommu_clear *clear)
{
	struct request *request = request_new(false);
	int rc;

	if (!request)
		return -ENOMEM;
	request->clear = *clear;
	request->not_after = clear->not_after;
	request = join(request);
	rc = answer_of(request);
	if (!rc)
		*clear = request->clear;
	kref_put(&request->users, request_release);
	return rc;
}

static void clear_for_reboot(struct tdx_driver *driver, const struct tdx_unit *unit)
{
	struct tdx_iommu_clear clear = {
		.size = sizeof(clear),
		.reg_base = unit->reg_base,
		.tdx_iommu_id = unit->id,
		.setup_seq = unit->setup_seq,
	};

	lockdep_assert_held(&driver->change);
	if (unit->flags & TDX_UNIT_ID_VALID && !tdx_table_clear(&driver->table, &clear) &&
	    clear.outcome == TDX_IOMMU_DONE)
		pr_info("unit 0x%llx is cleared for the reboot\n", unit->reg_base);
	else
		pr_warn("unit 0x%llx may be in TDX mode over the reboot\n", unit->reg_base);
}

void tdx_worker_clear_all(void)
{
	struct tdx_driver *driver = &tdx_driver;
	u32 i;

	/* Before the lock: a SETUP under way ends at its next attempt. */
	WRITE_ONCE(driver->stopping, jiffies | 1);
	mutex_lock(&driver->change);
	for (i = 0; i < driver->head.unit_count; i++) {
		const struct tdx_unit *unit = &driver->table.units[i];

		if (unit->flags & TDX_UNIT_ID_VALID || unit->op_leaf || unit->tried.root)
			clear_for_reboot(driver, unit);
	}
	mutex_unlock(&driver->change);
}

int tdx_worker_start(void)
{
	queue = alloc_ordered_workqueue("tdx_iommu", 0);
	return queue ? 0 : -ENOMEM;
}

void tdx_worker_stop(void)
{
	destroy_workqueue(queue);
}
