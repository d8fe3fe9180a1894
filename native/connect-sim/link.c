// SPDX-License-Identifier: GPL-2.0
/*
 * The link TSM: what writing to a device's tsm/connect does. A session needs a trusted unit
 * (TDH.SPDM.CREATE answers IOMMU_INVALID_STATE otherwise), and while one exists the unit can't be
 * cleared: the model is told of each. Of SPDM the endpoint's mailbox speaks the first message; when
 * that is answered, the stream is set up.
 *
 * All of it runs under PCI/TSM's semaphore. It never takes the rescan lock: removal of a device
 * takes that one first.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/pci-ide.h>
#include <linux/pci-tsm.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/tsm.h>

#include "../module/compat.h"
#include "doe.h"
#include "link.h"
#include "overlay.h"
#include "registers.h"
#include "sim.h"

#define SLICE_MS 50

/* One function below the TSM. Only function 0 has a session. */
struct link {
	struct pci_tsm_pf0 pf0;
	struct pci_ide *ide;
	u64 reg_base; /* the unit that was told of the session */
};

static struct platform_device *own; /* NULL below another owner's device */
static struct tsm_dev *tsm;

static struct link *link_of(struct pci_dev *pdev)
{
	return container_of(pdev->tsm, struct link, pf0.base_tsm);
}

/*
 * A context is wrapped in ours, and freed by remove. NULL, never an error pointer: the core looks
 * for NULL only.
 */
static struct pci_tsm *link_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	bool is_zero = is_pci_tsm_pf0(pdev);
	struct link *link;
	int rc;

	if (is_zero && !connect_sim_registers_has(pdev->bus, pdev->devfn))
		return NULL;
	link = kzalloc_obj(*link, GFP_KERNEL);
	if (!link)
		return NULL;
	if (is_zero)
		rc = pci_tsm_pf0_constructor(pdev, &link->pf0, tsm_dev);
	else
		rc = pci_tsm_link_constructor(pdev, &link->pf0.base_tsm, tsm_dev);
	if (rc) {
		kfree(link);
		return NULL;
	}
	return &link->pf0.base_tsm;
}

static void link_remove(struct pci_tsm *base)
{
	struct link *link = container_of(base, struct link, pf0.base_tsm);

	msleep(connect_sim.link.remove_ms);
	if (base->dsm_dev == base->pdev)
		pci_tsm_pf0_destructor(&link->pf0);
	kfree(link);
}

/*
 * Tells the model. 0, or why it refuses. All devices are below the one unit that a virtual machine
 * has.
 */
static int note_session(struct link *link, struct pci_dev *pdev)
{
	struct connect_sim *sim = &connect_sim;
	struct sim_unit *unit = sim->module.units;
	int rc = -ENXIO;

	spin_lock(&sim->lock);
	if (unit && sim->head.unit_count == 1) {
		link->reg_base = unit->reg_base;
		rc = unit->phase == SIM_CONFIGURED || sim->link.before_setup ? 0 : -EPERM;
		if (!rc)
			rc = sim_link_set(&sim->module, unit->reg_base, pci_dev_id(pdev), 1);
	}
	spin_unlock(&sim->lock);
	return rc;
}

static void forget_session(struct link *link, struct pci_dev *pdev)
{
	spin_lock(&connect_sim.lock);
	sim_link_set(&connect_sim.module, link->reg_base, pci_dev_id(pdev), 0);
	spin_unlock(&connect_sim.lock);
}

/* The first exchange of a session. */
static int authenticate(struct pci_dev *pdev)
{
	__le32 request = cpu_to_le32(SPDM_VERSION_1_0 | FIELD_PREP(SPDM_CODE, SPDM_GET_VERSION));
	__le32 answer[2] = {};
	int bytes = pci_tsm_doe_transfer(pdev, PCI_DOE_FEATURE_CMA, &request, sizeof(request),
					 answer, sizeof(answer));

	if (bytes < 0)
		return bytes;
	if (FIELD_GET(SPDM_CODE, le32_to_cpu(answer[0])) == SPDM_VERSION &&
	    bytes == sizeof(answer) && FIELD_GET(SPDM_VERSION_COUNT, le32_to_cpu(answer[1])))
		return 0;
	pci_warn(pdev, "SIMULATED: no session, GET_VERSION was answered by %08x\n",
		 le32_to_cpu(answer[0]));
	return -EKEYREJECTED;
}

static int secure(struct link *link, struct pci_dev *pdev)
{
	struct pci_dev *port = pcie_find_root_port(pdev);
	struct pci_ide *ide = pci_ide_stream_alloc(pdev);
	int rc;

	if (!ide)
		return -ENOMEM;
	ide->stream_id = ide->host_bridge_stream;
	rc = pci_ide_stream_register(ide);
	if (rc)
		goto release;
	pci_ide_stream_setup(port, ide);
	pci_ide_stream_setup(pdev, ide);
	rc = pci_ide_stream_enable(port, ide);
	if (!rc)
		rc = pci_ide_stream_enable(pdev, ide);
	if (rc)
		goto release;
	link->ide = ide;
	return 0;

release:
	pci_ide_stream_release(ide);
	return rc;
}

/* No signal cuts it short, but who writes a smaller number does. */
static void take_time(void)
{
	u32 passed;

	for (passed = 0; passed < READ_ONCE(connect_sim.link.connect_ms); passed += SLICE_MS)
		msleep(SLICE_MS);
}

static int link_connect(struct pci_dev *pdev)
{
	struct link *link = link_of(pdev);
	int rc = note_session(link, pdev);

	if (rc) {
		pci_warn(pdev, "SIMULATED: no session, its unit is not trusted (%d)\n", rc);
		return rc;
	}
	take_time();
	rc = authenticate(pdev);
	if (!rc)
		rc = secure(link, pdev);
	if (rc)
		forget_session(link, pdev);
	return rc;
}

static void link_disconnect(struct pci_dev *pdev)
{
	struct link *link = link_of(pdev);

	pci_ide_stream_release(link->ide);
	link->ide = NULL;
	forget_session(link, pdev);
}

static struct pci_tdi *link_bind(struct pci_dev *pdev, struct kvm *kvm, u32 tdi_id)
{
	struct pci_tdi *tdi = kzalloc_obj(*tdi, GFP_KERNEL);

	if (!tdi)
		return ERR_PTR(-ENOMEM);
	pci_tsm_tdi_constructor(pdev, tdi, kvm, tdi_id);
	return tdi;
}

static void link_unbind(struct pci_tdi *tdi)
{
	kfree(tdi);
}

static ssize_t link_guest_req(struct pci_tdi *tdi, enum pci_tsm_req_scope scope, sockptr_t req_in,
			      size_t in_len, sockptr_t req_out, size_t out_len, u64 *tsm_code)
{
	return -ENXIO;
}

static struct pci_tsm_ops operations = {
	.link_ops = {
		.probe = link_probe,
		.remove = link_remove,
		.connect = link_connect,
		.disconnect = link_disconnect,
		.bind = link_bind,
		.unbind = link_unbind,
		.guest_req = link_guest_req,
	},
};

int connect_sim_link_start(struct device *parent)
{
	int rc = connect_sim_overlay_start();

	if (rc)
		return rc;
	if (!parent) {
		own = platform_device_register_simple("tdx_connect_sim", PLATFORM_DEVID_NONE, NULL,
						      0);
		if (IS_ERR(own)) {
			rc = PTR_ERR(own);
			goto stop_overlay;
		}
		parent = &own->dev;
	}
	tsm = tsm_register(parent, &operations);
	if (IS_ERR(tsm)) {
		rc = PTR_ERR(tsm);
		goto remove_own;
	}
	return 0;

remove_own:
	platform_device_unregister(own);
stop_overlay:
	own = NULL;
	connect_sim_overlay_stop();
	return rc;
}

/* Unregistering disconnects every device: no operation runs after it. */
void connect_sim_link_stop(void)
{
	tsm_unregister(tsm);
	platform_device_unregister(own);
	connect_sim_overlay_stop();
}

int connect_sim_link_lose(const char *address)
{
	unsigned int segment, bus, slot, function;

	if (sscanf(address, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return -EINVAL;
	return connect_sim_registers_lose_streams(segment, bus, PCI_DEVFN(slot, function));
}
