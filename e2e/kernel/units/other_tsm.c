// SPDX-License-Identifier: GPL-2.0
/*
 * other_tsm.ko, for tests only: a link TSM that is loaded after the project's own. It knows no
 * device. As one that simulates its endpoints does, it stands in front of the bus below a port, and
 * passes on what it is asked to the accessors of the port's own bus, whosever they are.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-tsm.h>
#include <linux/platform_device.h>
#include <linux/rcupdate.h>
#include <linux/tsm.h>

static char *below;
module_param(below, charp, 0444);
MODULE_PARM_DESC(below, "DDDD:BB:DD.F: the port");

static struct pci_dev *port;
static struct pci_ops *replaced;
static struct platform_device *own;
static struct tsm_dev *tsm;

static int read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	return port->bus->ops->read(bus, devfn, where, size, value);
}

static int write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	return port->bus->ops->write(bus, devfn, where, size, value);
}

static struct pci_ops accessors = { .read = read, .write = write };

static struct pci_tsm *probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	return NULL;
}

static struct pci_tsm_ops operations = { .link_ops = { .probe = probe } };

static int find_port(void)
{
	unsigned int segment, bus, slot, function;

	if (!below || sscanf(below, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return -EINVAL;
	port = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, function));
	if (port && port->subordinate)
		return 0;
	pci_dev_put(port);
	return -ENODEV;
}

static int __init other_start(void)
{
	int rc = find_port();

	if (rc)
		return rc;
	own = platform_device_register_simple("other_tsm", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(own)) {
		rc = PTR_ERR(own);
		goto put_port;
	}
	tsm = tsm_register(&own->dev, &operations);
	if (IS_ERR(tsm)) {
		rc = PTR_ERR(tsm);
		goto remove_own;
	}
	replaced = pci_bus_set_ops(port->subordinate, &accessors);
	return 0;

remove_own:
	platform_device_unregister(own);
put_port:
	pci_dev_put(port);
	return rc;
}

static void __exit other_stop(void)
{
	pci_bus_set_ops(port->subordinate, replaced);
	/* No task is in an accessor of ours any more. */
	synchronize_rcu_tasks();
	tsm_unregister(tsm);
	platform_device_unregister(own);
	pci_dev_put(port);
}

module_init(other_start);
module_exit(other_stop);

MODULE_DESCRIPTION("Another link TSM, for tests");
MODULE_LICENSE("GPL");
