// SPDX-License-Identifier: GPL-2.0
/*
 * What tests make the simulated TDX module do, by lines in /sys/kernel/debug/tdx_connect_sim:
 *
 * fault: `leaf=setup|clear|wbinvd|any unit=0x...|any [status=0x...] [delay_ms=] [count=] [skip=]
 *	[keep_pages=1] [list=]`, list being enum sim_list; `clear` empties the script
 * environment: ok, ud, gp, vmfailinvalid, not_ready, not_opted_in; `lost` is a module loaded anew,
 *	which knows nothing
 * detached: 1: it does not answer any more
 * latency_ms, interruptions: of every call
 * link_auth_fails, link_connect_ms, link_remove_ms, link_before_setup, reset_keeps_streams: see
 *	link in sim.h
 * link_exchanges: read only; see there
 * stream_lost, tdi_bind, tdi_unbind: `0000:01:00.0`
 * table: read only; the module's own units and pages
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "link.h"
#include "sim.h"

#define LINE 256

static struct dentry *folder;

/* One line from user space, without its end. */
static int line_from(char *line, const char __user *from, size_t bytes)
{
	if (bytes >= LINE)
		return -E2BIG;
	if (copy_from_user(line, from, bytes))
		return -EFAULT;
	line[bytes] = '\0';
	strim(line);
	return 0;
}

static const struct {
	const char *name;
	u32 number;
} leaves[] = {
	{ "any", 0 },
	{ "setup", TDX_LEAF_IOMMU_SETUP },
	{ "clear", TDX_LEAF_IOMMU_CLEAR },
	{ "wbinvd", TDX_LEAF_PHYMEM_PAGE_WBINVD },
};

static int leaf_from(const char *text, u32 *leaf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (strcmp(text, leaves[i].name))
			continue;
		*leaf = leaves[i].number;
		return 0;
	}
	return -EINVAL;
}

static int word_from(char *word, struct sim_fault *fault)
{
	char *value = strchr(word, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "leaf"))
		return leaf_from(value, &fault->leaf);
	if (!strcmp(word, "unit") && !strcmp(value, "any"))
		return 0;
	if (!strcmp(word, "unit")) {
		fault->any_unit = 0;
		return kstrtou64(value, 0, &fault->reg_base);
	}
	if (!strcmp(word, "status")) {
		fault->has_status = 1;
		return kstrtou64(value, 0, &fault->status);
	}
	if (!strcmp(word, "delay_ms"))
		return kstrtou32(value, 0, &fault->delay_ms);
	if (!strcmp(word, "count"))
		return kstrtou32(value, 0, &fault->count);
	if (!strcmp(word, "skip"))
		return kstrtou32(value, 0, &fault->skip);
	if (!strcmp(word, "keep_pages"))
		return kstrtou32(value, 0, &fault->keep_pages);
	if (!strcmp(word, "list"))
		return kstrtou32(value, 0, &fault->list);
	return -EINVAL;
}

static int fault_from(char *line, struct sim_fault *fault)
{
	char *word;
	int rc = 0;

	*fault = (struct sim_fault){ .any_unit = 1, .count = 1 };
	while (!rc && (word = strsep(&line, " "))) {
		if (*word)
			rc = word_from(word, fault);
	}
	return rc;
}

static ssize_t fault_write(struct file *file, const char __user *from, size_t bytes, loff_t *offset)
{
	struct sim_fault fault;
	char line[LINE];
	int rc = line_from(line, from, bytes);

	if (rc)
		return rc;
	if (!strcmp(line, "clear")) {
		spin_lock(&connect_sim.lock);
		sim_faults_clear(&connect_sim.module);
		spin_unlock(&connect_sim.lock);
		return bytes;
	}
	rc = fault_from(line, &fault);
	if (rc)
		return rc;
	spin_lock(&connect_sim.lock);
	rc = sim_fault_add(&connect_sim.module, &fault);
	spin_unlock(&connect_sim.lock);
	return rc ? rc : bytes;
}

static int fault_show(struct seq_file *file, void *unused)
{
	u32 i;

	for (i = 0; i < connect_sim.head.fault_count; i++) {
		const struct sim_fault *fault = &connect_sim.head.faults[i];

		seq_printf(file, "leaf=%u unit=0x%llx status=0x%llx delay_ms=%u", fault->leaf,
			   fault->reg_base, fault->status, fault->delay_ms);
		seq_printf(file, " count=%u skip=%u keep_pages=%u list=%u\n", fault->count,
			   fault->skip, fault->keep_pages, fault->list);
	}
	return 0;
}

static int fault_open(struct inode *inode, struct file *file)
{
	return single_open(file, fault_show, NULL);
}

static const struct file_operations fault_operations = {
	.owner = THIS_MODULE,
	.open = fault_open,
	.read = seq_read,
	.write = fault_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static const char *const environments[] = {
	[TDX_IOMMU_ENV_OK] = "ok",
	[TDX_IOMMU_ENV_UD] = "ud",
	[TDX_IOMMU_ENV_GP] = "gp",
	[TDX_IOMMU_ENV_VMFAILINVALID] = "vmfailinvalid",
	[TDX_IOMMU_ENV_NOT_READY] = "not_ready",
	[TDX_IOMMU_ENV_NOT_OPTED_IN] = "not_opted_in",
};

static ssize_t environment_write(struct file *file, const char __user *from, size_t bytes,
				 loff_t *offset)
{
	bool lost;
	char line[LINE];
	int environment, rc = line_from(line, from, bytes);

	if (rc)
		return rc;
	lost = !strcmp(line, "lost");
	environment = lost ? TDX_IOMMU_ENV_OK
			   : match_string(environments, ARRAY_SIZE(environments), line);
	if (environment < 0)
		return environment;
	spin_lock(&connect_sim.lock);
	sim_environment_set(&connect_sim.module, environment, lost);
	spin_unlock(&connect_sim.lock);
	connect_sim_border_notify();
	return bytes;
}

static int environment_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%s\n", environments[connect_sim.head.identity.environment]);
	return 0;
}

static int environment_open(struct inode *inode, struct file *file)
{
	return single_open(file, environment_show, NULL);
}

static const struct file_operations environment_operations = {
	.owner = THIS_MODULE,
	.open = environment_open,
	.read = seq_read,
	.write = environment_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int detached_get(void *data, u64 *value)
{
	*value = connect_sim.detached;
	return 0;
}

static int detached_set(void *data, u64 value)
{
	spin_lock(&connect_sim.lock);
	connect_sim.detached = value;
	spin_unlock(&connect_sim.lock);
	connect_sim_border_notify();
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(detached_operations, detached_get, detached_set, "%llu\n");

/* Files that take the address of a function. */
static struct address_file {
	const char *name;
	int (*act)(const char *address);
} address_files[] = {
	{ "stream_lost", connect_sim_link_lose },
	{ "tdi_bind", connect_sim_tdi_bind },
	{ "tdi_unbind", connect_sim_tdi_unbind },
};

static ssize_t address_write(struct file *file, const char __user *from, size_t bytes,
			     loff_t *offset)
{
	const struct address_file *which = file->private_data;
	char line[LINE];
	int rc = line_from(line, from, bytes);

	if (!rc)
		rc = which->act(line);
	return rc ? rc : bytes;
}

static const struct file_operations address_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = address_write,
	.llseek = noop_llseek,
};

static u64 owned_pages(const struct connect_sim *sim)
{
	u64 owned = 0;
	u32 i;

	lockdep_assert_held(&sim->lock);
	for (i = 0; i < sim->head.page_count; i++)
		owned += sim->module.pages[i].owner != 0;
	return owned;
}

static int table_show(struct seq_file *file, void *unused)
{
	struct connect_sim *sim = &connect_sim;
	u64 owned;
	u32 i;

	spin_lock(&sim->lock);
	sim_check_pages(&sim->module);
	owned = owned_pages(sim);
	spin_unlock(&sim->lock);
	seq_printf(file, "pages_owned %llu\ncorrupted 0x%llx\nsetup_calls %llu\nclear_calls %llu\n",
		   owned, sim->head.corrupted, sim->head.setup_calls, sim->head.clear_calls);
	seq_printf(file, "write_backs %llu\nwrite_backs_refused %llu\n", sim->head.write_backs,
		   sim->head.write_backs_refused);
	for (i = 0; i < sim->head.unit_count; i++) {
		const struct sim_unit *unit = &sim->module.units[i];

		seq_printf(file, "unit 0x%llx phase %u id 0x%llx links %u\n", unit->reg_base,
			   unit->phase, unit->id, sim_links_below(&sim->module, unit->reg_base));
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(table);

void connect_sim_script_start(void)
{
	unsigned int i;

	folder = debugfs_create_dir("tdx_connect_sim", NULL);
	debugfs_create_file("fault", 0600, folder, NULL, &fault_operations);
	debugfs_create_file("environment", 0600, folder, NULL, &environment_operations);
	debugfs_create_file("detached", 0600, folder, NULL, &detached_operations);
	debugfs_create_u32("latency_ms", 0600, folder, &connect_sim.head.latency_ms);
	debugfs_create_u32("interruptions", 0600, folder, &connect_sim.head.interruptions);
	debugfs_create_u32("link_auth_fails", 0600, folder, &connect_sim.link.auth_fails);
	debugfs_create_u32("link_exchanges", 0400, folder, &connect_sim.link.exchanges);
	debugfs_create_u32("link_connect_ms", 0600, folder, &connect_sim.link.connect_ms);
	debugfs_create_u32("link_remove_ms", 0600, folder, &connect_sim.link.remove_ms);
	debugfs_create_bool("link_before_setup", 0600, folder, &connect_sim.link.before_setup);
	debugfs_create_bool("reset_keeps_streams", 0600, folder,
			    &connect_sim.link.reset_keeps_streams);
	for (i = 0; i < ARRAY_SIZE(address_files); i++)
		debugfs_create_file(address_files[i].name, 0200, folder, &address_files[i],
				    &address_operations);
	debugfs_create_file("table", 0400, folder, NULL, &table_fops);
}

void connect_sim_script_stop(void)
{
	debugfs_remove_recursive(folder);
}
