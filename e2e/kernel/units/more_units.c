// SPDX-License-Identifier: GPL-2.0
/*
 * more_units.ko, for tests only: shows two VT-d units that this machine does not have. QEMU makes
 * one unit, and a forged entry of ACPI's DMAR table would lead the kernel to registers that are
 * not there. So these exist for readers of /sys/class/iommu and for nobody else: no DMA goes
 * through them, and tdx_iommu.ko, which reads the DMAR table, does not know them.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

/* Registers of a unit of a Sapphire Rapids. */
#define CAP 0x19ed008c40780c66ULL
#define ECAP 0x3ee9e86f050dfULL
#define ECAP_TDX_CONNECT BIT_ULL(50)
#define DOMAINS 65536 /* what CAP.ND = 6 says */

static struct more_unit {
	struct iommu_device iommu;
	u64 reg_base;
	u64 ecap;
} units[] = {
	{ .reg_base = 0xfed91000, .ecap = ECAP | ECAP_TDX_CONNECT },
	{ .reg_base = 0xfed92000, .ecap = ECAP },
};

static char *behind;
module_param(behind, charp, 0444);
MODULE_PARM_DESC(behind, "DDDD:BB:DD.F: a function that is shown behind the first of the units");

static struct pci_dev *shown;

/*
 * Not by the device's driver data, as the kernel's own units do it: that is set after the device
 * has been announced, and taken away before it is removed, and an agent reads in between.
 */
static const struct more_unit *unit_of(const struct device *dev)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units) - 1; i++) {
		if (units[i].iommu.dev == dev)
			break;
	}
	return &units[i];
}

static ssize_t version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "6:0\n");
}
static DEVICE_ATTR_RO(version);

static ssize_t address_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llx\n", unit_of(dev)->reg_base);
}
static DEVICE_ATTR_RO(address);

static ssize_t cap_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llx\n", CAP);
}
static DEVICE_ATTR_RO(cap);

static ssize_t ecap_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llx\n", unit_of(dev)->ecap);
}
static DEVICE_ATTR_RO(ecap);

static ssize_t domains_supported_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", DOMAINS);
}
static DEVICE_ATTR_RO(domains_supported);

static ssize_t domains_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0\n");
}
static DEVICE_ATTR_RO(domains_used);

static struct attribute *unit_attrs[] = {
	&dev_attr_version.attr,
	&dev_attr_address.attr,
	&dev_attr_cap.attr,
	&dev_attr_ecap.attr,
	&dev_attr_domains_supported.attr,
	&dev_attr_domains_used.attr,
	NULL,
};

static const struct attribute_group unit_group = {
	.name = "intel-iommu",
	.attrs = unit_attrs,
};

static const struct attribute_group *unit_groups[] = { &unit_group, NULL };

static int show_behind(struct pci_dev *pdev, struct device *unit)
{
	int rc;

	sysfs_remove_link(&pdev->dev.kobj, "iommu");
	rc = sysfs_create_link(&pdev->dev.kobj, &unit->kobj, "iommu");
	/* It never happens, so no kernel announces it: only a reader's timer would find it. */
	kobject_uevent(&pdev->dev.kobj, KOBJ_CHANGE);
	return rc;
}

static int show_function(void)
{
	unsigned int segment, bus, slot, function;

	if (!behind)
		return 0;
	if (sscanf(behind, "%x:%x:%x.%u", &segment, &bus, &slot, &function) != 4)
		return -EINVAL;
	shown = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, function));
	if (!shown)
		return -ENODEV;
	/* Where it is to be shown again in the end. */
	if (!shown->dev.iommu || !shown->dev.iommu->iommu_dev) {
		pci_dev_put(shown);
		return -EINVAL;
	}
	return show_behind(shown, units[0].iommu.dev);
}

static void hide_function(void)
{
	if (!shown)
		return;
	show_behind(shown, shown->dev.iommu->iommu_dev->dev);
	pci_dev_put(shown);
}

static void remove_units(size_t count)
{
	while (count--)
		iommu_device_sysfs_remove(&units[count].iommu);
}

static int __init more_units_init(void)
{
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		rc = iommu_device_sysfs_add(&units[i].iommu, NULL, unit_groups, "dmar%zu", i + 1);
		if (rc)
			goto undo;
	}
	rc = show_function();
	if (!rc)
		return 0;
undo:
	remove_units(i);
	return rc;
}

static void __exit more_units_exit(void)
{
	hide_function();
	remove_units(ARRAY_SIZE(units));
}

module_init(more_units_init);
module_exit(more_units_exit);

MODULE_DESCRIPTION("For tests: VT-d units that are not there");
MODULE_LICENSE("GPL");
