// SPDX-License-Identifier: GPL-2.0
/* /dev/tdx_iommu: the contract of uapi/tdx_iommu.h, checked and copied. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "driver.h"

/* One open file. */
struct reader {
	u64 generation; /* that its last LIST gave */
	bool has_listed;
	bool is_writer;
};

static int device_open(struct inode *inode, struct file *file)
{
	bool wants_write = file->f_mode & FMODE_WRITE;
	struct reader *reader;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	reader = kzalloc_obj(*reader, GFP_KERNEL_ACCOUNT);
	if (!reader)
		return -ENOMEM;
	if (wants_write && test_and_set_bit(0, &tdx_driver.writer)) {
		kfree(reader);
		return -EBUSY;
	}
	reader->is_writer = wants_write;
	file->private_data = reader;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct reader *reader = file->private_data;

	if (reader->is_writer)
		clear_bit(0, &tdx_driver.writer);
	kfree(reader);
	return 0;
}

/*
 * Structs are extensible: shorter than version 1 is EINVAL, members that the caller does not know
 * are zero, and an unknown tail must be zero (E2BIG).
 */
static int fetch_from(void *to, size_t known, size_t least, const void __user *from, u32 *size)
{
	if (get_user(*size, (const u32 __user *)from))
		return -EFAULT;
	if (*size < least)
		return -EINVAL;
	if (*size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(to, known, from, *size);
}

/* Of a struct that has not grown since version 1. */
static int fetch(void *to, size_t known, const void __user *from, u32 *size)
{
	return fetch_from(to, known, known, from, size);
}

static int give(void __user *to, const void *from, size_t known)
{
	return copy_to_user(to, from, known) ? -EFAULT : 0;
}

/* Reads the units' status and the TDX module's identity; -EIO when the backend is gone. */
static int refresh(void)
{
	tdx_registers_look(&tdx_driver);
	tdx_table_refresh(&tdx_driver.table);
	return READ_ONCE(tdx_driver.backend_gone) ? -EIO : 0;
}

static int device_info(void __user *user)
{
	struct tdx_iommu_info info;
	u32 size;
	int rc;

	rc = fetch(&info, sizeof(info), user, &size);
	if (rc)
		return rc;
	if (info.flags || info.reserved)
		return -EINVAL;
	rc = refresh();
	if (rc)
		return rc;
	tdx_table_info(&tdx_driver.table, &info);
	tdx_testing_info(&info);
	return give(user, &info, sizeof(info));
}

/* Entries may be longer than ours: what we do not know of them is zero. */
static int give_units(const struct tdx_iommu_list *list, const struct tdx_iommu_unit *units,
		      u32 stride)
{
	u8 __user *to = u64_to_user_ptr(list->entries);
	u32 i;

	for (i = 0; i < list->count; i++, to += stride) {
		if (copy_to_user(to, &units[i], sizeof(units[i])))
			return -EFAULT;
		if (clear_user(to + sizeof(units[i]), stride - sizeof(units[i])))
			return -EFAULT;
	}
	return 0;
}

static int device_list(struct reader *reader, void __user *user)
{
	struct tdx_iommu_unit *units;
	struct tdx_iommu_list list;
	u32 size, stride, room;
	int rc;

	rc = fetch(&list, sizeof(list), user, &size);
	if (rc)
		return rc;
	stride = list.entry_size;
	if (list.flags || stride < sizeof(*units))
		return -EINVAL;
	if (stride > PAGE_SIZE)
		return -E2BIG;
	rc = refresh();
	if (rc)
		return rc;
	room = min(list.capacity, tdx_driver.fact_count);
	units = kvcalloc(max(room, 1U), sizeof(*units), GFP_KERNEL_ACCOUNT);
	if (!units)
		return -ENOMEM;
	tdx_table_fill(&tdx_driver.table, units, room, &list);
	rc = give_units(&list, units, stride);
	kvfree(units);
	if (!rc)
		rc = give(user, &list, sizeof(list));
	if (!rc) {
		WRITE_ONCE(reader->generation, list.generation);
		WRITE_ONCE(reader->has_listed, true);
	}
	return rc;
}

static int device_setup(void __user *user)
{
	struct tdx_iommu_setup setup;
	u32 size;
	int rc;

	rc = fetch(&setup, sizeof(setup), user, &size);
	if (rc)
		return rc;
	if (setup.flags || setup.reserved)
		return -EINVAL;
	rc = tdx_worker_setup(&setup);
	setup.size = size;
	return rc ? rc : give(user, &setup, sizeof(setup));
}

static int device_clear(void __user *user)
{
	size_t known = tdx_testing_clear_size(sizeof(struct tdx_iommu_clear));
	struct tdx_iommu_clear clear = {};
	u32 size;
	int rc;

	rc = fetch_from(&clear, known, TDX_IOMMU_CLEAR_SIZE_VER1, user, &size);
	if (rc)
		return rc;
	if (clear.flags || clear.reserved)
		return -EINVAL;
	rc = tdx_worker_clear(&clear);
	clear.size = size;
	return rc ? rc : give(user, &clear, min_t(size_t, size, known));
}

/* A command is known by its type and number: the size in it may grow with the struct. */
static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct reader *reader = file->private_data;
	u32 number = _IOC_NR(command);

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (_IOC_TYPE(command) != TDX_IOMMU_IOC_TYPE)
		return -ENOTTY;
	if (number == _IOC_NR(TDX_IOMMU_IOC_INFO))
		return device_info(user);
	if (number == _IOC_NR(TDX_IOMMU_IOC_LIST))
		return device_list(reader, user);
	if (number != _IOC_NR(TDX_IOMMU_IOC_SETUP) && number != _IOC_NR(TDX_IOMMU_IOC_CLEAR))
		return -ENOTTY;
	if (!reader->is_writer)
		return -EBADF;
	return number == _IOC_NR(TDX_IOMMU_IOC_SETUP) ? device_setup(user) : device_clear(user);
}

static __poll_t device_poll(struct file *file, poll_table *wait)
{
	struct tdx_driver *driver = &tdx_driver;
	struct reader *reader = file->private_data;
	bool changed;

	poll_wait(file, &driver->changed, wait);
	spin_lock(&driver->lock);
	changed = !READ_ONCE(reader->has_listed) ||
		  READ_ONCE(reader->generation) != driver->head.generation ||
		  tdx_table_stale(&driver->table) || driver->backend_gone;
	spin_unlock(&driver->lock);
	return changed ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = device_poll,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tdx_iommu",
	.fops = &device_operations,
	.mode = 0600,
};

int tdx_chardev_start(void)
{
	return misc_register(&device);
}

void tdx_chardev_stop(void)
{
	misc_deregister(&device);
}
