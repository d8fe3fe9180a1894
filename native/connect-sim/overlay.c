// SPDX-License-Identifier: GPL-2.0
/*
 * Answers configuration reads of root ports and endpoints with the registers of shadow.h on top of
 * their own. Writes to those stay here. As hardware does, a function-level reset clears an
 * endpoint's streams and mailbox, and a reset of the bus below a root port those of every endpoint
 * on it.
 *
 * The PCI core looks for them when it enumerates a function. Endpoints are taken off the bus
 * and found again, at the start and at the end. A root port stays: each time it is found again its
 * windows grow, until nothing fits. It is told what the core would have found.
 *
 * Accessors run with interrupts off, under the PCI core's lock: nothing here sleeps or allocates
 * after the start.
 */
#include <linux/list.h>
#include <linux/pm_runtime.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../module/compat.h"
#include "overlay.h"
#include "shadow.h"

struct overlaid {
	struct list_head entry;
	struct pci_bus *bus;
	struct pci_dev *port; /* a root port itself: else NULL */
	unsigned int devfn;
	u32 id; /* vendor and device: another function in its place reads as itself */
	struct shadow shadow;
};

struct replaced {
	struct list_head entry;
	struct pci_bus *bus;
	struct pci_ops *real;
};

static LIST_HEAD(functions);
static LIST_HEAD(buses);
static DEFINE_RAW_SPINLOCK(overlay_lock);
static struct pci_ops overlay_ops;

static struct pci_ops *real_ops(struct pci_bus *bus)
{
	struct replaced *one;

	list_for_each_entry_rcu(one, &buses, entry, true) {
		if (one->bus == bus)
			return one->real;
	}
	return NULL;
}

static struct overlaid *find(struct pci_bus *bus, unsigned int devfn)
{
	struct overlaid *one;

	list_for_each_entry(one, &functions, entry) {
		if (one->bus == bus && one->devfn == devfn)
			return one;
	}
	return NULL;
}

/* Not when it is hot-unplugged. */
static bool is_there(const struct overlaid *one, struct pci_ops *real)
{
	u32 id;

	return !real->read(one->bus, one->devfn, PCI_VENDOR_ID, 4, &id) && id == one->id;
}

static int overlay_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	struct pci_ops *real = real_ops(bus);
	struct overlaid *one;
	unsigned long flags;
	u32 word;
	int rc;

	if (!real)
		return PCIBIOS_DEVICE_NOT_FOUND;
	one = find(bus, devfn);
	rc = real->read(bus, devfn, where, size, value);
	if (!one || rc || !is_there(one, real))
		return rc;
	if (real->read(bus, devfn, where & ~3, 4, &word))
		return rc;
	raw_spin_lock_irqsave(&overlay_lock, flags);
	word = shadow_read(&one->shadow, where & ~3, word);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	word >>= (where & 3) * 8;
	*value = size == 4 ? word : word & ((1U << size * 8) - 1);
	return rc;
}

/* What a write to the device does besides. */
static void note_reset(struct overlaid *one, int where, u32 value)
{
	struct overlaid *other;

	if (shadow_is_flr(&one->shadow, where, value))
		shadow_reset(&one->shadow);
	if (!shadow_is_bus_reset(&one->shadow, where, value))
		return;
	list_for_each_entry(other, &functions, entry) {
		if (other->bus == one->port->subordinate)
			shadow_reset(&other->shadow);
	}
}

static int overlay_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	struct pci_ops *real = real_ops(bus);
	struct overlaid *one;
	unsigned long flags;
	bool ours;

	if (!real)
		return PCIBIOS_DEVICE_NOT_FOUND;
	one = find(bus, devfn);
	if (one && !is_there(one, real))
		one = NULL;
	ours = one && shadow_owns(&one->shadow, where);
	if (one) {
		raw_spin_lock_irqsave(&overlay_lock, flags);
		if (ours)
			shadow_write(&one->shadow, where, size, value);
		else
			note_reset(one, where, value);
		raw_spin_unlock_irqrestore(&overlay_lock, flags);
	}
	return ours ? PCIBIOS_SUCCESSFUL : real->write(bus, devfn, where, size, value);
}

static int overlay_add_bus(struct pci_bus *bus);

static void overlay_remove_bus(struct pci_bus *bus)
{
	struct pci_ops *real = real_ops(bus);

	if (real && real->remove_bus)
		real->remove_bus(bus);
}

static struct pci_ops overlay_ops = {
	.read = overlay_read,
	.write = overlay_write,
	.add_bus = overlay_add_bus,
	.remove_bus = overlay_remove_bus,
};

/* Remembers whose ops a bus has below ours. It may go before we do, and is held until then. */
static int keep_ops(struct pci_bus *bus, struct pci_ops *real)
{
	struct replaced *one = kzalloc_obj(*one, GFP_KERNEL);
	unsigned long flags;

	if (!one)
		return -ENOMEM;
	get_device(&bus->dev);
	one->bus = bus;
	one->real = real;
	raw_spin_lock_irqsave(&overlay_lock, flags);
	list_add_tail_rcu(&one->entry, &buses);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	return 0;
}

/* A new bus has the ops of the one above it, so ours. */
static int overlay_add_bus(struct pci_bus *bus)
{
	struct pci_ops *real = real_ops(bus->parent);
	int rc = real ? keep_ops(bus, real) : -ENODEV;

	return !rc && real->add_bus ? real->add_bus(bus) : rc;
}

static int replace_ops(struct pci_bus *bus)
{
	int rc;

	if (real_ops(bus))
		return 0;
	rc = keep_ops(bus, bus->ops);
	if (rc)
		return rc;
	overlay_ops.map_bus = bus->ops->map_bus;
	pci_bus_set_ops(bus, &overlay_ops);
	return 0;
}

static int last_capability(struct pci_dev *pdev)
{
	int at = PCI_CFG_SPACE_SIZE, next = at;
	u32 header;

	while (next) {
		at = next;
		if (pci_read_config_dword(pdev, at, &header) || !header || header == U32_MAX)
			return 0;
		next = PCI_EXT_CAP_NEXT(header);
	}
	return at;
}

static int add(struct pci_dev *pdev, bool is_port)
{
	struct overlaid *one = kzalloc_obj(*one, GFP_KERNEL);
	unsigned long flags;

	if (!one)
		return -ENOMEM;
	one->bus = pdev->bus;
	one->devfn = pdev->devfn;
	one->port = is_port ? pci_dev_get(pdev) : NULL;
	one->id = pdev->vendor | (u32)pdev->device << 16;
	one->shadow.is_port = is_port;
	one->shadow.devcap = pdev->pcie_cap;
	one->shadow.last = last_capability(pdev);
	shadow_reset(&one->shadow);
	raw_spin_lock_irqsave(&overlay_lock, flags);
	list_add_tail(&one->entry, &functions);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	return replace_ops(pdev->bus);
}

/* What the core would have found when it enumerated the root port. */
static void announce(struct pci_dev *port, bool yes)
{
	port->ide_cap = yes ? SHADOW_IDE_AT : 0;
	port->nr_sel_ide = yes ? SHADOW_STREAMS : 0;
	port->nr_link_ide = 0;
	port->nr_ide_mem = yes ? 1 : 0;
	port->ide_tee_limit = yes;
}

static bool is_endpoint_below_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	return pci_is_pcie(pdev) && !pdev->is_virtfn &&
	       pci_pcie_type(pdev) == PCI_EXP_TYPE_ENDPOINT && PCI_FUNC(pdev->devfn) == 0 && port &&
	       pci_is_pcie(port) && pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT &&
	       pdev->cfg_size > PCI_CFG_SPACE_SIZE;
}

/*
 * Takes every function below a port off the bus; waits for drivers and their users to let go. A
 * port that is itself gone has no bus.
 */
static void remove_below(struct pci_dev *port)
{
	struct pci_dev *pdev, *next;

	if (!port->subordinate)
		return;
	/* A port without children would go to sleep, and nobody would answer behind it. */
	pm_runtime_get_sync(&port->dev);
	/* Backwards: a physical function takes its virtual ones with it, which are behind it. */
	list_for_each_entry_safe_reverse(pdev, next, &port->subordinate->devices, bus_list)
		pci_stop_and_remove_bus_device(pdev);
}

static void rescan_below(struct pci_dev *port)
{
	if (!port->subordinate)
		return;
	pci_rescan_bus(port->subordinate);
	pm_runtime_put(&port->dev);
}

static int add_with_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);
	int rc = 0;

	if (!find(port->bus, port->devfn))
		rc = add(port, true);
	if (!rc)
		rc = add(pdev, false);
	if (rc)
		return rc;
	announce(port, true);
	pci_info(pdev, "SIMULATED: reads as capable of TEE-I/O and IDE\n");
	return 0;
}

int overlay_start(void)
{
	struct pci_dev *pdev = NULL;
	struct overlaid *one;
	int rc = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev) {
		rc = is_endpoint_below_port(pdev) ? add_with_port(pdev) : 0;
		if (rc) {
			pci_dev_put(pdev);
			break;
		}
	}
	list_for_each_entry(one, &functions, entry) {
		if (rc || !one->port)
			continue;
		remove_below(one->port);
		rescan_below(one->port);
	}
	pci_unlock_rescan_remove();
	if (rc)
		overlay_stop();
	return rc;
}

/* The port in this place, should it be another by now. */
static void conceal(const struct overlaid *port)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(pci_domain_nr(port->bus),
							   port->bus->number, port->devfn);

	if (pdev)
		announce(pdev, false);
	pci_dev_put(pdev);
}

static void forget_all(void)
{
	struct overlaid *one, *next;
	struct replaced *bus, *after;

	list_for_each_entry_safe(bus, after, &buses, entry) {
		put_device(&bus->bus->dev);
		kfree(bus);
	}
	INIT_LIST_HEAD(&buses);
	list_for_each_entry_safe(one, next, &functions, entry) {
		pci_dev_put(one->port);
		kfree(one);
	}
	INIT_LIST_HEAD(&functions);
}

void overlay_stop(void)
{
	struct overlaid *one;
	struct replaced *bus;

	pci_lock_rescan_remove();
	/* With the overlay on, so that the core takes down what it had made of it. */
	list_for_each_entry(one, &functions, entry) {
		if (one->port)
			remove_below(one->port);
	}
	list_for_each_entry(bus, &buses, entry)
		pci_bus_set_ops(bus->bus, bus->real);
	/*
	 * An accessor that began with our ops has ended when every task has slept or left the
	 * kernel.
	 */
	synchronize_rcu_tasks();
	list_for_each_entry(one, &functions, entry) {
		if (!one->port)
			continue;
		conceal(one);
		rescan_below(one->port);
	}
	forget_all();
	pci_unlock_rescan_remove();
}

bool overlay_has(struct pci_dev *pdev)
{
	return find(pdev->bus, pdev->devfn);
}

int overlay_lose_streams(u32 segment, u8 bus, u8 devfn)
{
	struct overlaid *one;
	unsigned long flags;
	int rc = -ENODEV;

	raw_spin_lock_irqsave(&overlay_lock, flags);
	list_for_each_entry(one, &functions, entry) {
		if (pci_domain_nr(one->bus) != segment || one->bus->number != bus ||
		    one->devfn != devfn)
			continue;
		one->shadow.lost = true;
		rc = 0;
	}
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	return rc;
}
