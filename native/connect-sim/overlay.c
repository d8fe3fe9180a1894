// SPDX-License-Identifier: GPL-2.0
/*
 * Which root ports and endpoints read as capable, and how the PCI core comes to see it: it looks
 * when it enumerates a function. Endpoints are taken off the bus and found again, at the start and
 * at the end. A root port stays: each time it is found again its windows grow, until nothing fits.
 * It is told what the core would have found.
 *
 *   overlay.c --> bus.c (accessors of a bus) --> registers.c (functions) --> shadow.c --> doe.c
 */
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "bus.h"
#include "overlay.h"
#include "registers.h"
#include "shadow.h"

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
	/* A port without children would go to sleep, and no device behind it would answer. */
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

static void enumerate_below(struct pci_dev *port)
{
	remove_below(port);
	rescan_below(port);
}

static int add(struct pci_dev *pdev, bool is_port)
{
	int rc = connect_sim_registers_add(pdev, is_port);

	return rc ? rc : connect_sim_bus_take(pdev->bus);
}

static int add_with_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);
	int rc = 0;

	if (!connect_sim_registers_has(port->bus, port->devfn))
		rc = add(port, true);
	if (!rc)
		rc = add(pdev, false);
	if (rc)
		return rc;
	announce(port, true);
	pci_info(pdev, "SIMULATED: reads as capable of TEE-I/O and IDE\n");
	return 0;
}

int connect_sim_overlay_start(void)
{
	struct pci_dev *pdev = NULL;
	int rc = 0;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev) {
		rc = is_endpoint_below_port(pdev) ? add_with_port(pdev) : 0;
		if (rc) {
			pci_dev_put(pdev);
			break;
		}
	}
	if (!rc)
		connect_sim_registers_each_port(enumerate_below);
	pci_unlock_rescan_remove();
	if (rc)
		connect_sim_overlay_stop();
	return rc;
}

/* The port in this place, should it be another by now. */
static void conceal(const struct pci_dev *port)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(pci_domain_nr(port->bus),
							   port->bus->number, port->devfn);

	if (pdev)
		announce(pdev, false);
	pci_dev_put(pdev);
}

static void conceal_and_rescan(struct pci_dev *port)
{
	conceal(port);
	rescan_below(port);
}

void connect_sim_overlay_stop(void)
{
	pci_lock_rescan_remove();
	/* With the overlay on, so that the core takes down what it had made of it. */
	connect_sim_registers_each_port(remove_below);
	connect_sim_bus_return_all();
	connect_sim_registers_each_port(conceal_and_rescan);
	connect_sim_bus_forget();
	connect_sim_registers_forget();
	pci_unlock_rescan_remove();
}
