// SPDX-License-Identifier: GPL-2.0
/*
 * Answers configuration reads of root ports and endpoints: DEVCAP's TEE-I/O bit for endpoints, and
 * an IDE capability with two selective streams at the end of the extended capabilities. Writes to
 * it stay here. As hardware does, a function-level reset clears an endpoint's streams, and a reset
 * of the bus below a root port those of every endpoint on it.
 *
 * Accessors run with interrupts off, under the PCI core's lock: nothing here sleeps or allocates
 * after the start.
 */
#include <linux/bitfield.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../module/compat.h"
#include "overlay.h"

#define AT 0xe00 /* no device of QEMU has anything there */
#define STREAMS 2
#define BLOCK 32 /* with one address association */
#define WORDS ((PCI_IDE_LINK_STREAM_0 + STREAMS * BLOCK) / 4)
#define BRIDGE_CONTROL 0x3c /* in the upper half */
#define BRIDGE_RESET BIT(22)

struct overlaid {
	struct list_head entry;
	struct pci_bus *bus;
	struct pci_dev *port; /* a root port itself: else NULL */
	unsigned int devfn;
	int devcap; /* offset of the PCIe capability, 0 for none */
	int last; /* the extended capability before ours; 0: there is none */
	bool lost;
	u32 words[WORDS];
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

	list_for_each_entry(one, &buses, entry) {
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

static bool is_secure(const struct overlaid *one, int block)
{
	return !one->lost && (one->words[block + PCI_IDE_SEL_CTL / 4] & PCI_IDE_SEL_CTL_EN);
}

static void reset(struct overlaid *one)
{
	int stream;

	memset(one->words, 0, sizeof(one->words));
	one->words[0] = PCI_EXT_CAP_ID_IDE | 1 << 16;
	one->words[PCI_IDE_CAP / 4] = PCI_IDE_CAP_SELECTIVE |
				      FIELD_PREP(PCI_IDE_CAP_SEL_NUM, STREAMS - 1) |
				      PCI_IDE_CAP_TEE_LIMITED;
	for (stream = 0; stream < STREAMS; stream++) {
		int block = (PCI_IDE_LINK_STREAM_0 + stream * BLOCK) / 4;

		one->words[block + PCI_IDE_SEL_CAP / 4] = 1;
		one->words[block + PCI_IDE_SEL_CTL / 4] = FIELD_PREP(PCI_IDE_SEL_CTL_ID, 255);
	}
	one->lost = false;
}

/* One word as it reads with the overlay on it. */
static u32 overlaid_word(const struct overlaid *one, int where, u32 real)
{
	int at = (where - AT) / 4, block = PCI_IDE_LINK_STREAM_0 / 4;

	if (where >= AT && at < WORDS) {
		if (at < block || (at - block) % (BLOCK / 4) != PCI_IDE_SEL_STS / 4)
			return one->words[at];
		return is_secure(one, at - PCI_IDE_SEL_STS / 4) ? PCI_IDE_SEL_STS_STATE_SECURE
		       : one->lost				? PCI_IDE_SEL_STS_IDE_FAIL
								: 0;
	}
	if (one->devcap && where == one->devcap + PCI_EXP_DEVCAP && !one->port)
		return real | PCI_EXP_DEVCAP_TEE;
	/*
	 * A function without extended capabilities gets a null one, since the chain begins at this
	 * place.
	 */
	if (where == PCI_CFG_SPACE_SIZE && !one->last)
		return 1 << 16 | AT << 20;
	if (one->last && where == one->last)
		return (real & 0xfffff) | AT << 20;
	return real;
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
	if (!one || rc)
		return rc;
	/* Hot-unplugged, or never there. */
	if (real->read(bus, devfn, PCI_VENDOR_ID, 4, &word) || word == U32_MAX)
		return rc;
	if (real->read(bus, devfn, where & ~3, 4, &word))
		return rc;
	raw_spin_lock_irqsave(&overlay_lock, flags);
	word = overlaid_word(one, where & ~3, word);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	word >>= (where & 3) * 8;
	*value = size == 4 ? word : word & ((1U << size * 8) - 1);
	return rc;
}

static void overlay_store(struct overlaid *one, int where, int size, u32 value)
{
	int at = (where - AT) / 4, shift = (where & 3) * 8, block = PCI_IDE_LINK_STREAM_0 / 4;
	u32 mask = (size == 4 ? U32_MAX : (1U << size * 8) - 1) << shift;

	/* Headers, capabilities and states are read only. */
	if (at < PCI_IDE_CTL / 4)
		return;
	if (at >= block && ((at - block) % (BLOCK / 4) == PCI_IDE_SEL_CAP / 4 ||
			    (at - block) % (BLOCK / 4) == PCI_IDE_SEL_STS / 4))
		return;
	one->words[at] = (one->words[at] & ~mask) | (value << shift & mask);
	/* A stream that is taken down may be set up again. */
	if (at >= block && (at - block) % (BLOCK / 4) == PCI_IDE_SEL_CTL / 4 &&
	    !(one->words[at] & PCI_IDE_SEL_CTL_EN))
		one->lost = false;
}

/* What a write does besides: resets. */
static void note_reset(struct overlaid *one, int where, int size, u32 value)
{
	u64 written = (u64)value << (where & 3) * 8;
	struct overlaid *other;

	if (one->devcap && (where & ~3) == one->devcap + PCI_EXP_DEVCTL && !one->port &&
	    (written & PCI_EXP_DEVCTL_BCR_FLR))
		reset(one);
	if (!one->port || (where & ~3) != BRIDGE_CONTROL || !(written & BRIDGE_RESET))
		return;
	list_for_each_entry(other, &functions, entry) {
		if (other->bus == one->port->subordinate)
			reset(other);
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
	ours = one && where >= AT && (where - AT) / 4 < WORDS;
	if (one) {
		raw_spin_lock_irqsave(&overlay_lock, flags);
		if (ours)
			overlay_store(one, where, size, value);
		else
			note_reset(one, where, size, value);
		raw_spin_unlock_irqrestore(&overlay_lock, flags);
	}
	return ours ? PCIBIOS_SUCCESSFUL : real->write(bus, devfn, where, size, value);
}

static struct pci_ops overlay_ops = { .read = overlay_read, .write = overlay_write };

/* Our ops on a bus; the real ones are kept. */
static int replace_ops(struct pci_bus *bus)
{
	struct replaced *one;

	if (real_ops(bus))
		return 0;
	one = kzalloc_obj(*one, GFP_KERNEL);
	if (!one)
		return -ENOMEM;
	get_device(&bus->dev);
	one->bus = bus;
	one->real = bus->ops;
	overlay_ops.add_bus = bus->ops->add_bus;
	overlay_ops.remove_bus = bus->ops->remove_bus;
	overlay_ops.map_bus = bus->ops->map_bus;
	list_add_tail(&one->entry, &buses);
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
	one->devcap = pdev->pcie_cap;
	one->last = last_capability(pdev);
	reset(one);
	raw_spin_lock_irqsave(&overlay_lock, flags);
	list_add_tail(&one->entry, &functions);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	return replace_ops(pdev->bus);
}

/*
 * What the core would have found when it enumerated the function; a later one is enumerated with
 * the overlay in place.
 */
static void announce(struct pci_dev *pdev, bool is_port, bool yes)
{
	pdev->ide_cap = yes ? AT : 0;
	pdev->nr_sel_ide = yes ? STREAMS : 0;
	pdev->nr_link_ide = 0;
	pdev->nr_ide_mem = yes ? 1 : 0;
	pdev->ide_tee_limit = yes;
	if (is_port)
		return;
	if (yes)
		pdev->devcap |= PCI_EXP_DEVCAP_TEE;
	else
		pdev->devcap &= ~PCI_EXP_DEVCAP_TEE;
}

static bool is_endpoint_below_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	return pci_is_pcie(pdev) && !pdev->is_virtfn &&
	       pci_pcie_type(pdev) == PCI_EXP_TYPE_ENDPOINT && PCI_FUNC(pdev->devfn) == 0 && port &&
	       pci_is_pcie(port) && pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT &&
	       pdev->cfg_size > PCI_CFG_SPACE_SIZE;
}

int overlay_start(void)
{
	struct pci_dev *pdev = NULL;
	int rc = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev) {
		struct pci_dev *port = pci_upstream_bridge(pdev);

		if (!is_endpoint_below_port(pdev))
			continue;
		if (!find(port->bus, port->devfn))
			rc = add(port, true);
		if (!rc)
			rc = add(pdev, false);
		if (rc) {
			pci_dev_put(pdev);
			break;
		}
		announce(port, true, true);
		announce(pdev, false, true);
		pci_info(pdev, "SIMULATED: reads as capable of TEE-I/O and IDE\n");
	}
	pci_unlock_rescan_remove();
	if (rc)
		overlay_stop();
	return rc;
}

static void forget_all(struct list_head *gone)
{
	struct overlaid *one, *next;
	unsigned long flags;

	raw_spin_lock_irqsave(&overlay_lock, flags);
	list_splice_init(&functions, gone);
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	list_for_each_entry_safe(one, next, gone, entry) {
		struct pci_dev *pdev = pci_get_domain_bus_and_slot(pci_domain_nr(one->bus),
								   one->bus->number, one->devfn);

		if (pdev)
			announce(pdev, one->port, false);
		pci_dev_put(pdev);
	}
}

void overlay_stop(void)
{
	struct overlaid *one, *next;
	struct replaced *bus, *after;
	LIST_HEAD(gone);

	pci_lock_rescan_remove();
	list_for_each_entry(bus, &buses, entry)
		pci_bus_set_ops(bus->bus, bus->real);
	/*
	 * An accessor that began with our ops has ended when every task has slept or left the
	 * kernel.
	 */
	synchronize_rcu_tasks();
	forget_all(&gone);
	list_for_each_entry_safe(bus, after, &buses, entry) {
		put_device(&bus->bus->dev);
		kfree(bus);
	}
	INIT_LIST_HEAD(&buses);
	list_for_each_entry_safe(one, next, &gone, entry) {
		pci_dev_put(one->port);
		kfree(one);
	}
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
		one->lost = true;
		rc = 0;
	}
	raw_spin_unlock_irqrestore(&overlay_lock, flags);
	return rc;
}
