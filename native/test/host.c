// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static int step(struct host *host)
{
	if (host->steps_until_kill && --host->steps_until_kill == 0)
		host->dead = 1;
	return host->dead;
}

static void lock(void *ctx)
{
	struct host *host = ctx;

	host->mistakes += host->locked++;
}

static void unlock(void *ctx)
{
	struct host *host = ctx;

	host->mistakes += --host->locked;
}

static void assert_locked(void *ctx)
{
	struct host *host = ctx;

	host->mistakes += !host->locked;
}

static int begin(void *ctx)
{
	struct host *host = ctx;

	if (step(host))
		return -EIO;
	host->mistakes += host->in_step++;
	return 0;
}

/* A page keeps its content until the step that frees it is stored: the step may yet not have happened. */
#define FREED_IN_STEP 2

static int commit(void *ctx)
{
	struct host *host = ctx;
	__u32 i;

	host->mistakes += --host->in_step;
	if (step(host))
		return -EIO;
	for (i = 0; i < HOST_PAGES; i++) {
		if (host->now.used[i] != FREED_IN_STEP)
			continue;
		host->now.used[i] = 0;
		memset(host->memory[i], 0x6b, TDX_PAGE_SIZE);
	}
	host->stored = host->now;
	return 0;
}

/* An attempt that repeats another one has the same registers, whatever has been read of the module in between. */
static int is_repetition(const struct host *host, const struct tdx_call *call)
{
	__u32 i;

	for (i = 0; i < host->now.table_head.unit_count; i++) {
		if (host->now.units[i].op_leaf == call->leaf)
			return host->now.units[i].op_attempts > 0;
	}
	return 0;
}

static int seamcall(void *ctx, struct tdx_call *call)
{
	struct host *host = ctx;
	struct tdx_regs before = call->regs;

	host->mistakes += host->locked + host->in_step;
	if (step(host))
		return -ECANCELED;
	if (host->before_call)
		host->before_call(host);
	if (host->backend_gone)
		return -EIO;
	if (!tdx_table_expects(&host->table, call))
		return -EIO;
	sim_identity(&host->sim, &call->identity);
	if (call->incarnation && call->incarnation != call->identity.incarnation)
		return -ESTALE;
	host->mistakes += is_repetition(host, call) && memcmp(&host->issued, &before, sizeof(before)) != 0;
	host->issued = before;
	sim_seamcall(&host->sim, &call->regs);
	if (call->regs.rax & TDX_STATUS_ERROR && (call->regs.rcx != before.rcx || call->regs.rdx != before.rdx))
		host->mistakes++;
	host->in_step++;
	return 0;
}

static int write_back(void *ctx, __u64 page)
{
	struct host *host = ctx;
	struct tdx_regs regs = { .rax = TDX_LEAF_PHYMEM_PAGE_WBINVD, .rcx = page };

	host->mistakes += host->locked || !host->in_step;
	sim_seamcall(&host->sim, &regs);
	return regs.rax != TDX_SUCCESS;
}

static void identity(void *ctx, struct tdx_identity *out)
{
	sim_identity(&((struct host *)ctx)->sim, out);
}

static __u64 pages_alloc(void *ctx, __s32 numa_node, __u32 order)
{
	struct host *host = ctx;
	__u32 count = 1U << order, i;

	(void)numa_node;
	host->mistakes += host->locked || !host->in_step;
	if (host->allocs_until_failure && --host->allocs_until_failure == 0)
		return 0;
	for (i = 0; i < HOST_PAGES; i += count) {
		if (host->now.used[i] || host->now.used[i + count - 1])
			continue;
		memset(&host->now.used[i], 1, count);
		memset(host->memory[i], 0, (size_t)count * TDX_PAGE_SIZE);
		return HOST_BASE + (__u64)i * TDX_PAGE_SIZE;
	}
	return 0;
}

static __u32 index_of(__u64 address)
{
	return (__u32)((address - HOST_BASE) / TDX_PAGE_SIZE);
}

static void pages_free(void *ctx, __u64 address, __u32 order)
{
	struct host *host = ctx;
	__u32 i;

	host->mistakes += host->locked || !host->in_step;
	for (i = index_of(address); i < index_of(address) + (1U << order); i++) {
		host->mistakes += host->now.used[i] != 1;
		host->now.used[i] = FREED_IN_STEP;
	}
}

static __u64 entry_read(void *ctx, __u64 page, __u32 index)
{
	__u64 value;

	memcpy(&value, &((struct host *)ctx)->memory[index_of(page)][index * 8], sizeof(value));
	return value;
}

static void entry_write(void *ctx, __u64 page, __u32 index, __u64 value)
{
	memcpy(&((struct host *)ctx)->memory[index_of(page)][index * 8], &value, sizeof(value));
}

static __u64 now_ns(void *ctx)
{
	return ((struct host *)ctx)->clock += 1000;
}

static void changed(void *ctx)
{
	(void)ctx;
}

static const struct tdx_table_ops table_ops = {
	.lock = lock,
	.unlock = unlock,
	.assert_locked = assert_locked,
	.begin = begin,
	.commit = commit,
	.seamcall = seamcall,
	.identity = identity,
	.pages_alloc = pages_alloc,
	.pages_free = pages_free,
	.entry_read = entry_read,
	.entry_write = entry_write,
	.write_back = write_back,
	.now_ns = now_ns,
	.changed = changed,
};

static void memory_read(void *ctx, __u64 address, void *to, __u32 bytes)
{
	__u64 at = address - HOST_BASE;

	memcpy(to, &((struct host *)ctx)->memory[at / TDX_PAGE_SIZE][at % TDX_PAGE_SIZE], bytes);
}

static void memory_write(void *ctx, __u64 address, const void *from, __u32 bytes)
{
	__u64 at = address - HOST_BASE;

	memcpy(&((struct host *)ctx)->memory[at / TDX_PAGE_SIZE][at % TDX_PAGE_SIZE], from, bytes);
}

static const struct sim_memory sim_memory = { .read = memory_read, .write = memory_write };

static const struct tdx_identity module_2_0_18 = {
	.module_major = 2,
	.module_update = 18,
	.build_num = 700,
	.build_date = 20260401,
	.valid = TDX_IOMMU_VALID_VERSION | TDX_IOMMU_VALID_FEATURES0 | TDX_IOMMU_VALID_MT_PAGE_COUNT,
	.features0 = TDX_FEATURES0_CONNECT,
	.incarnation = 1,
};

static void add_unit(struct host *host, __u64 reg_base)
{
	struct tdx_unit_facts facts = { .reg_base = reg_base, .ecap = TDX_ECAP_CONNECT, .gsts = 0xC6000000 };
	struct sim_unit *unit = &host->now.sim_units[host->now.sim_head.unit_count++];

	*unit = (struct sim_unit){ .reg_base = reg_base, .ecap = facts.ecap, .gsts = facts.gsts, .present = 1 };
	CHECK_EQ(tdx_table_add(&host->table, &facts), 0);
}

void host_start(struct host *host, __u32 profile, __u32 mt_page_count)
{
	static const __u8 instance[TDX_IOMMU_INSTANCE_BYTES] = { 1 };

	memset(host, 0, sizeof(*host));
	host->memory = calloc(HOST_PAGES, TDX_PAGE_SIZE);
	host->table = (struct tdx_table){ &table_ops, host, &host->now.table_head, host->now.units };
	host->sim.memory = &sim_memory;
	host->sim.ctx = host;
	host->sim.head = &host->now.sim_head;
	host->sim.units = host->now.sim_units;
	host->sim.pages = host->now.sim_pages;
	host->now.sim_head.identity = module_2_0_18;
	host->now.sim_head.identity.abi_profile = profile;
	host->now.sim_head.identity.mt_page_count = mt_page_count;
	host->now.sim_head.memory_base = HOST_BASE;
	host->now.sim_head.page_count = HOST_PAGES;
	host->now.table_head.flags = TDX_IOMMU_INFO_SIMULATED;
	host->now.table_head.next_seq = 1;
	add_unit(host, UNIT_B);
	add_unit(host, UNIT_C);
	add_unit(host, UNIT_A);
	host->table.ops->lock(host);
	tdx_table_reset(&host->table, instance);
	host->table.ops->unlock(host);
	host->stored = host->now;
}

void host_stop(struct host *host)
{
	free(host->memory);
	host->memory = NULL;
}

void host_restart(struct host *host)
{
	host->now = host->stored;
	host->dead = host->steps_until_kill = host->locked = host->in_step = 0;
}
