// SPDX-License-Identifier: GPL-2.0
/*
 * Which functions read as capable, and what reading and writing their configuration does. Writes to
 * the registers on top stay here. As hardware does, a function-level reset clears an endpoint's
 * streams and mailbox, so does D3hot to D0 where that resets, and a reset of the bus below a root
 * port does so for every endpoint on it.
 *
 * Accessors are called by anything, with interrupts off, and at the same time: nothing of theirs
 * sleeps or allocates.
 */
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/slab.h>

#include "../module/compat.h"
#include "registers.h"
#include "shadow.h"
#include "sim.h"

struct overlaid {
	struct list_head entry;
	struct pci_bus *bus;
	struct pci_dev *port; /* a root port itself: else NULL */
	unsigned int devfn;
	u32 id; /* vendor and device: another function in its place reads as itself */
	struct shadow shadow;
};

static LIST_HEAD(functions);
/* The list, which changes under the rescan lock too, and the shadows. */
static DEFINE_RAW_SPINLOCK(registers_lock);

static struct overlaid *find(struct pci_bus *bus, unsigned int devfn)
{
	struct overlaid *one;

	lockdep_assert_held(&registers_lock);
	list_for_each_entry(one, &functions, entry) {
		if (one->bus == bus && one->devfn == devfn)
			return one;
	}
	return NULL;
}

/* NULL also when it is hot-unplugged. */
static struct overlaid *find_present(struct pci_bus *bus, unsigned int devfn, struct pci_ops *real)
{
	struct overlaid *one = find(bus, devfn);
	u32 id;

	if (!one || real->read(bus, devfn, PCI_VENDOR_ID, 4, &id) || id != one->id)
		return NULL;
	return one;
}

int connect_sim_registers_read(struct pci_bus *bus, unsigned int devfn, struct pci_ops *real,
			       int where, int size, u32 *value)
{
	int rc = real->read(bus, devfn, where, size, value);
	struct overlaid *one;
	unsigned long flags;
	u32 word;

	if (rc)
		return rc;
	raw_spin_lock_irqsave(&registers_lock, flags);
	one = find_present(bus, devfn, real);
	if (one && !real->read(bus, devfn, where & ~3, 4, &word)) {
		word = connect_sim_shadow_read(&one->shadow, where & ~3, word);
		word >>= (where & 3) * 8;
		*value = size == 4 ? word : word & ((1U << size * 8) - 1);
	}
	raw_spin_unlock_irqrestore(&registers_lock, flags);
	return rc;
}

/* By its own means. */
static void reset_function(struct overlaid *one)
{
	if (READ_ONCE(connect_sim.link.reset_keeps_streams))
		connect_sim_doe_reset(&one->shadow.doe);
	else
		connect_sim_shadow_reset(&one->shadow);
}

/* What a write to the device does besides, before it is carried out. */
static void note_reset(struct overlaid *one, struct pci_ops *real, int where, u32 value)
{
	struct overlaid *other;
	u32 before;

	lockdep_assert_held(&registers_lock);
	if (connect_sim_shadow_is_flr(&one->shadow, where, value) ||
	    (connect_sim_shadow_is_wake(&one->shadow, where, value) &&
	     !real->read(one->bus, one->devfn, where, 2, &before) &&
	     (before & PCI_PM_CTRL_STATE_MASK) == (__force u32)PCI_D3hot))
		reset_function(one);
	if (!connect_sim_shadow_is_bus_reset(&one->shadow, where, value))
		return;
	list_for_each_entry(other, &functions, entry) {
		if (other->bus == one->port->subordinate)
			connect_sim_shadow_reset(&other->shadow);
	}
}

int connect_sim_registers_write(struct pci_bus *bus, unsigned int devfn, struct pci_ops *real,
				int where, int size, u32 value)
{
	struct overlaid *one;
	unsigned long flags;
	bool ours;

	raw_spin_lock_irqsave(&registers_lock, flags);
	one = find_present(bus, devfn, real);
	ours = one && connect_sim_shadow_owns(&one->shadow, where);
	if (ours)
		connect_sim_shadow_write(&one->shadow, where, size, value);
	else if (one)
		note_reset(one, real, where, value);
	raw_spin_unlock_irqrestore(&registers_lock, flags);
	return ours ? PCIBIOS_SUCCESSFUL : real->write(bus, devfn, where, size, value);
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

/* Offset of the capability by which it goes from D3hot to D0 with a reset; 0: it has none. */
static int resetting_pm(struct pci_dev *pdev)
{
	u16 control;

	if (!pdev->pm_cap || pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &control))
		return 0;
	return control & PCI_PM_CTRL_NO_SOFT_RESET ? 0 : pdev->pm_cap;
}

int connect_sim_registers_add(struct pci_dev *pdev, bool is_port)
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
	one->shadow.pm = resetting_pm(pdev);
	one->shadow.last = last_capability(pdev);
	connect_sim_shadow_reset(&one->shadow);
	raw_spin_lock_irqsave(&registers_lock, flags);
	list_add_tail(&one->entry, &functions);
	raw_spin_unlock_irqrestore(&registers_lock, flags);
	return 0;
}

void connect_sim_registers_forget(void)
{
	struct overlaid *one, *next;

	list_for_each_entry_safe(one, next, &functions, entry) {
		pci_dev_put(one->port);
		kfree(one);
	}
	INIT_LIST_HEAD(&functions);
}

void connect_sim_registers_each_port(void (*visit)(struct pci_dev *port))
{
	struct overlaid *one;

	list_for_each_entry(one, &functions, entry) {
		if (one->port)
			visit(one->port);
	}
}

bool connect_sim_registers_has(struct pci_bus *bus, unsigned int devfn)
{
	unsigned long flags;
	bool has;

	raw_spin_lock_irqsave(&registers_lock, flags);
	has = find(bus, devfn);
	raw_spin_unlock_irqrestore(&registers_lock, flags);
	return has;
}

int connect_sim_registers_lose_streams(u32 segment, u8 bus, u8 devfn)
{
	struct overlaid *one;
	unsigned long flags;
	int rc = -ENODEV;

	raw_spin_lock_irqsave(&registers_lock, flags);
	list_for_each_entry(one, &functions, entry) {
		if (pci_domain_nr(one->bus) != segment || one->bus->number != bus ||
		    one->devfn != devfn)
			continue;
		one->shadow.lost = true;
		rc = 0;
	}
	raw_spin_unlock_irqrestore(&registers_lock, flags);
	return rc;
}
