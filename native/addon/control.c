// SPDX-License-Identifier: Apache-2.0
#include "control.h"

#include <errno.h>
#include <string.h>

/* Room for three sets of pages for each unit: held, tried, and some retained. */
#define SETS_PER_UNIT 3U
#define SPARE_PAGES 64U
#define SET_EXTRA 4U /* root, ledger, and what alignment costs */
#define MAX_NODES 64U

static const struct tdx_identity module_2_0_18 = {
	.module_major = 2,
	.module_update = 18,
	.build_num = 1094,
	.build_date = 20260401,
	.valid = TDX_IOMMU_VALID_VERSION | TDX_IOMMU_VALID_FEATURES0 | TDX_IOMMU_VALID_MT_PAGE_COUNT,
	.incarnation = 1,
};

static struct store_shape shape_of(const struct control_options *options)
{
	struct store_shape shape = { .unit_count = options->unit_count, .numa_nodes = 1 };
	__u32 i, pages;

	for (i = 0; i < options->unit_count; i++) {
		__s32 node = options->units[i].numa_node;

		if (node >= (__s32)shape.numa_nodes && node < (__s32)MAX_NODES)
			shape.numa_nodes = (__u32)node + 1;
	}
	pages = options->unit_count * SETS_PER_UNIT * (TDX_MT_PAGES(options->mt_page_count) + SET_EXTRA) + SPARE_PAGES;
	shape.page_count = (pages + 2 * shape.numa_nodes) / (2 * shape.numa_nodes) * (2 * shape.numa_nodes);
	return shape;
}

static int add_units(struct store *store, const struct control_options *options)
{
	__u32 i;

	for (i = 0; i < options->unit_count; i++) {
		const struct tdx_unit_facts *facts = &options->units[i];
		int rc = tdx_table_add(&store->table, facts);

		if (rc)
			return rc;
		store->sim.units[i] = (struct sim_unit){
			.reg_base = facts->reg_base,
			.ecap = facts->ecap,
			.gsts = facts->gsts,
			.phase = facts->foreign ? SIM_FOREIGN : SIM_NONE,
			.present = 1,
		};
	}
	return 0;
}

static int fill(struct store *store, const struct control_options *options)
{
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	int rc = store_random(instance, sizeof(instance));

	if (rc)
		return rc;
	store->sim.head->identity = module_2_0_18;
	store->sim.head->identity.abi_profile = options->abi_profile;
	store->sim.head->identity.mt_page_count = options->mt_page_count;
	store->sim.head->identity.environment = options->environment;
	store->sim.head->identity.features0 = options->features0;
	store->sim.head->memory_base = STORE_MEMORY_BASE;
	store->sim.head->page_count = store->header->page_count;
	store->sim.head->unit_count = store->header->unit_count;
	store->sim.head->latency_ms = options->latency_ms;
	store->sim.head->interruptions = options->interruptions;
	store->table.head->flags = TDX_IOMMU_INFO_SIMULATED;
	store->table.head->next_seq = 1;
	rc = add_units(store, options);
	if (!rc)
		tdx_table_reset(&store->table, instance);
	return rc;
}

int control_create(const char *path, const struct control_options *options)
{
	const struct store_shape shape = shape_of(options);
	struct store store;
	int rc;

	if (options->unit_count > STORE_MAX_UNITS || options->mt_page_count > 0xFFFF)
		return -EINVAL;
	rc = store_open(&store, path, -1);
	if (rc)
		return rc;
	rc = store_lock(&store);
	if (!rc)
		rc = store_shape(&store, &shape);
	if (!rc)
		rc = fill(&store, options);
	if (!rc)
		rc = store_commit(&store);
	store_close(&store);
	return rc;
}

static int begin_at(struct store *store, const char *path)
{
	int rc = store_open(store, path, -1);

	if (rc)
		return rc;
	rc = store_begin(store);
	if (rc)
		store_close(store);
	return rc;
}

/* Stores the step unless it failed. */
static int end_at(struct store *store, int rc)
{
	if (rc)
		store_abort(store);
	else
		rc = store_commit(store);
	store_close(store);
	return rc;
}

int control_add_fault(const char *path, const struct sim_fault *fault)
{
	struct store store;
	int rc = begin_at(&store, path);

	return rc ? rc : end_at(&store, sim_fault_add(&store.sim, fault));
}

int control_clear_faults(const char *path)
{
	struct store store;
	int rc = begin_at(&store, path);

	if (rc)
		return rc;
	sim_faults_clear(&store.sim);
	return end_at(&store, 0);
}

int control_set_link(const char *path, __u64 reg_base, __u32 device, int secured)
{
	struct store store;
	int rc = begin_at(&store, path);

	return rc ? rc : end_at(&store, sim_link_set(&store.sim, reg_base, device, secured));
}

int control_set_present(const char *path, __u64 reg_base, int present)
{
	struct store store;
	int rc = begin_at(&store, path);

	if (rc)
		return rc;
	rc = sim_present_set(&store.sim, reg_base, present);
	if (!rc)
		rc = tdx_table_set_present(&store.table, reg_base, present);
	return end_at(&store, rc);
}

int control_reboot(const char *path)
{
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	struct store store;
	int rc = store_random(instance, sizeof(instance));

	if (!rc)
		rc = begin_at(&store, path);
	if (rc)
		return rc;
	sim_reboot(&store.sim);
	memset(store.used, STORE_FREE, store.header->page_count);
	tdx_table_reset(&store.table, instance);
	return end_at(&store, 0);
}

int control_set_environment(const char *path, __u32 environment, int lost)
{
	struct store store;
	int rc = begin_at(&store, path);

	if (rc)
		return rc;
	sim_environment_set(&store.sim, environment, lost);
	return end_at(&store, 0);
}

int control_look(const char *path, struct store *store)
{
	int rc = begin_at(store, path);

	if (rc)
		return rc;
	sim_check_pages(&store->sim);
	rc = store_commit(store);
	if (rc)
		store_close(store);
	return rc;
}
