// SPDX-License-Identifier: Apache-2.0
/*
 * The module's half alone, called by a host that hands it anything: wild registers, root pages full of garbage, pages it has already. It may
 * only touch memory, never run into what lies outside, and must own exactly what its units hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../table/seamcall.h"
#include "world.h"

#define UNITS 3U
#define PAGES 47U /* odd: a queue's second page may be the first behind the end */
#define STEPS_MAX 120

struct module {
	struct sim_module sim;
	struct sim_head head;
	struct sim_unit units[UNITS];
	struct sim_page pages[PAGES];
	__u8 *memory;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static __u8 *at(void *ctx, __u64 address, __u32 bytes)
{
	if (address < HOST_BASE || address - HOST_BASE + bytes > PAGES * TDX_PAGE_SIZE)
		violated("the module touches %llx", (unsigned long long)address);
	return &((struct module *)ctx)->memory[address - HOST_BASE];
}

static void memory_read(void *ctx, __u64 address, void *to, __u32 bytes)
{
	memcpy(to, at(ctx, address, bytes), bytes);
}

static void memory_write(void *ctx, __u64 address, const void *from, __u32 bytes)
{
	memcpy(at(ctx, address, bytes), from, bytes);
}

static const struct sim_memory sim_memory = { .read = memory_read, .write = memory_write };

static void start(struct module *module, struct bytes *bytes)
{
	__u32 i;

	memset(module, 0, sizeof(*module));
	module->memory = calloc(PAGES, TDX_PAGE_SIZE);
	module->sim = (struct sim_module){
		.memory = &sim_memory, .ctx = module, .head = &module->head, .units = module->units, .pages = module->pages
	};
	module->head.memory_base = HOST_BASE;
	module->head.page_count = PAGES;
	module->head.unit_count = UNITS;
	module->head.interruptions = take_below(bytes, 3);
	module->head.identity.abi_profile = take_below(bytes, 3);
	module->head.identity.mt_page_count = take_below(bytes, 4);
	for (i = 0; i < UNITS; i++)
		module->units[i] =
			(struct sim_unit){ .reg_base = UNIT_A + i * 0x1000, .ecap = TDX_ECAP_CONNECT, .gsts = 0xC6000000, .present = 1 };
}

static __u64 any_address(struct bytes *bytes)
{
	static const __u64 odd[] = { 0, 1, 0xFFFFFFFFFFFFFFFFULL, 0xFFFFFFFFFFFFF000ULL, 0x7FFFFFFFFFFFF000ULL, HOST_BASE - TDX_PAGE_SIZE };
	__u8 what = take(bytes);

	/* Mostly pages, the first behind the end among them. */
	return what < 240 ? HOST_BASE + (__u64)(what % (PAGES + 1)) * TDX_PAGE_SIZE : odd[what % 6];
}

/* Fills a root page: right, but for what the bytes change. */
static void write_root(struct module *module, struct bytes *bytes)
{
	__u32 root = take_below(bytes, PAGES), next = take_below(bytes, PAGES), changes = take_below(bytes, 4), i;
	__u64 entries[TDX_MT_ENTRIES] = { 0 };

	if (module->pages[root].owner)
		return;
	for (i = 0; i < TDX_MT_QUEUES + module->head.identity.mt_page_count; i++) {
		next += i < TDX_MT_QUEUES ? next % 2 : 0;
		entries[i] = (HOST_BASE + (__u64)next * TDX_PAGE_SIZE) | (i < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 0);
		next += i < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 1;
	}
	for (i = 0; i < changes; i++)
		entries[take_below(bytes, 8)] = any_address(bytes) | take_below(bytes, 4);
	memcpy(&module->memory[root * TDX_PAGE_SIZE], entries, sizeof(entries));
}

static void call(struct module *module, struct bytes *bytes)
{
	static const __u64 leaves[] = { TDX_LEAF_IOMMU_SETUP, TDX_LEAF_IOMMU_SETUP, TDX_LEAF_IOMMU_CLEAR, 0 };
	struct tdx_regs regs = { .rax = leaves[take_below(bytes, 4)] }, before;

	regs.rcx = regs.rax == TDX_LEAF_IOMMU_SETUP ? UNIT_A + take_below(bytes, UNITS + 1) * 0x1000 : take_below(bytes, 6);
	regs.rdx = any_address(bytes);
	before = regs;
	sim_seamcall(&module->sim, &regs);
	if (regs.rax && (regs.rcx != before.rcx || regs.rdx != before.rdx))
		violated("a refused call changes registers");
}

static void check(const struct module *module)
{
	__u32 i, j;

	for (i = 0; i < UNITS; i++) {
		const struct sim_unit *unit = &module->units[i];
		__u32 owned = 0, holding = unit->phase == SIM_CONFIGURING || unit->phase == SIM_CONFIGURED || unit->phase == SIM_CLEARING;

		for (j = 0; j < PAGES; j++)
			owned += module->pages[j].owner == i + 1;
		if (owned != (holding ? TDX_MT_PAGES(module->head.identity.mt_page_count) : 0))
			violated("unit %u in phase %u has %u pages", i, unit->phase, owned);
		for (j = 0; j < i; j++) {
			if (unit->phase == SIM_CONFIGURED && module->units[j].phase == SIM_CONFIGURED && unit->id == module->units[j].id)
				violated("two units have id %llu", unit->id);
		}
	}
	if (module->head.corrupted)
		violated("page %llx is overwritten", module->head.corrupted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };
	static struct module module;
	__u32 steps;

	start(&module, &bytes);
	check(&module);
	sim_check_pages(&module.sim);
	for (steps = 0; steps < STEPS_MAX && bytes.left; steps++) {
		__u8 what = take(&bytes);

		if (what % 8 < 4)
			call(&module, &bytes);
		else if (what % 8 < 6)
			write_root(&module, &bytes);
		else if (what % 8 == 6)
			sim_present_set(&module.sim, UNIT_A + what / 8 % UNITS * 0x1000, what / 32 % 2);
		else
			sim_link_set(&module.sim, UNIT_A + what / 8 % UNITS * 0x1000, 1, what / 32 % 2);
		sim_check_pages(&module.sim);
		check(&module);
	}
	free(module.memory);
	return 0;
}
