// SPDX-License-Identifier: GPL-2.0
/*
 * Binds functions to a virtual machine, as the monitor of a TD will: no kernel has a caller of
 * pci_tsm_bind() yet. There is no virtual machine; the core only compares which it is.
 */
#include <linux/pci.h>
#include <linux/pci-tsm.h>

#include "link.h"

static char machine;

/* The function of a line `0000:01:00.0`, which the caller puts; NULL. */
static struct pci_dev *function_at(const char *address)
{
	unsigned int segment, bus, slot, function;

	if (sscanf(address, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, function));
}

int connect_sim_tdi_bind(const char *address)
{
	struct pci_dev *pdev = function_at(address);
	int rc = pdev ? pci_tsm_bind(pdev, (struct kvm *)&machine, pci_dev_id(pdev)) : -ENODEV;

	pci_dev_put(pdev);
	return rc;
}

int connect_sim_tdi_unbind(const char *address)
{
	struct pci_dev *pdev = function_at(address);

	if (!pdev)
		return -ENODEV;
	pci_tsm_unbind(pdev);
	pci_dev_put(pdev);
	return 0;
}
