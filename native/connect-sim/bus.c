// SPDX-License-Identifier: GPL-2.0
/* Puts accessors of our own in front of a bus's, and takes them away again. */
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../module/compat.h"
#include "bus.h"
#include "registers.h"

struct replaced {
	struct list_head entry;
	struct pci_bus *bus;
	struct pci_ops *real;
};

/* Entries are added under the lock, and go when no accessor of ours runs any more. */
static LIST_HEAD(buses);
static DEFINE_SPINLOCK(buses_lock);
static struct pci_ops our_ops;

static struct pci_ops *ops_kept(struct pci_bus *bus)
{
	struct replaced *one;

	list_for_each_entry_rcu(one, &buses, entry, true) {
		if (one->bus == bus)
			return one->real;
	}
	return NULL;
}

/*
 * A bus that we have not taken comes here when somebody else has, and passes on to what a bus above
 * it has, which may be ours. Its functions are none of ours.
 */
static struct pci_ops *real_ops(struct pci_bus *bus)
{
	struct pci_ops *real = NULL;

	for (; bus && !real; bus = bus->parent)
		real = ops_kept(bus);
	return real;
}

static int read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct pci_ops *real = real_ops(bus);

	if (!real)
		return PCIBIOS_DEVICE_NOT_FOUND;
	return connect_sim_registers_read(bus, devfn, real, where, size, value);
}

static int write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct pci_ops *real = real_ops(bus);

	if (!real)
		return PCIBIOS_DEVICE_NOT_FOUND;
	return connect_sim_registers_write(bus, devfn, real, where, size, value);
}

/* Remembers whose ops a bus has below ours. It may go before we do, and is held until then. */
static int keep_ops(struct pci_bus *bus, struct pci_ops *real)
{
	struct replaced *one = kzalloc_obj(*one, GFP_KERNEL);

	if (!one)
		return -ENOMEM;
	get_device(&bus->dev);
	one->bus = bus;
	one->real = real;
	spin_lock(&buses_lock);
	list_add_tail_rcu(&one->entry, &buses);
	spin_unlock(&buses_lock);
	return 0;
}

/* A new bus has the ops of the one above it, so ours. */
static int add_bus(struct pci_bus *bus)
{
	struct pci_ops *real = real_ops(bus->parent);
	int rc = real ? keep_ops(bus, real) : -ENODEV;

	return !rc && real->add_bus ? real->add_bus(bus) : rc;
}

static void remove_bus(struct pci_bus *bus)
{
	struct pci_ops *real = real_ops(bus);

	if (real && real->remove_bus)
		real->remove_bus(bus);
}

static struct pci_ops our_ops = {
	.read = read,
	.write = write,
	.add_bus = add_bus,
	.remove_bus = remove_bus,
};

int connect_sim_bus_take(struct pci_bus *bus)
{
	int rc;

	if (ops_kept(bus))
		return 0;
	rc = keep_ops(bus, bus->ops);
	if (rc)
		return rc;
	our_ops.map_bus = bus->ops->map_bus;
	pci_bus_set_ops(bus, &our_ops);
	return 0;
}

void connect_sim_bus_return_all(void)
{
	struct replaced *one;

	list_for_each_entry(one, &buses, entry)
		pci_bus_set_ops(one->bus, one->real);
	/*
	 * An accessor that began with our ops has ended when every task has slept or left the
	 * kernel.
	 */
	synchronize_rcu_tasks();
}

void connect_sim_bus_forget(void)
{
	struct replaced *one, *next;

	list_for_each_entry_safe(one, next, &buses, entry) {
		put_device(&one->bus->dev);
		kfree(one);
	}
	INIT_LIST_HEAD(&buses);
}
