// SPDX-License-Identifier: Apache-2.0
/* What table and simulator ask of their host, over a store: steps, page allocation, page contents, the SEAMCALL. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

/* One thread per store: the short lock has nothing to keep out. */
static void no_lock(void *ctx)
{
	(void)ctx;
}

static int begin(void *ctx)
{
	return store_begin(ctx);
}

static int commit(void *ctx)
{
	return store_commit(ctx);
}

static __u64 now_ns(void *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

/* 0 when the time is over, -ECANCELED when the opener goes. */
static int wait_ms(struct store *store, __u32 ms)
{
	__u64 end = now_ns(store) + ms * 1000000ULL;

	for (;;) {
		struct pollfd stop = { .fd = store->stop, .events = POLLIN };
		__u64 now = now_ns(store);
		__u64 ms_left = now < end ? (end - now + 999999) / 1000000 : 0;
		int left = ms_left < INT_MAX ? (int)ms_left : INT_MAX;

		if (poll(&stop, 1, left) > 0)
			return -ECANCELED;
		if (now_ns(store) >= end)
			return 0;
	}
}

static int seamcall(void *ctx, struct tdx_call *call)
{
	struct store *store = ctx;
	int rc = store_load(store);

	if (rc)
		return rc;
	rc = wait_ms(store, sim_delay_ms(&store->sim, call->leaf, call->regs.rcx));
	if (rc)
		return rc;
	rc = store_begin(store);
	if (rc)
		return rc;
	/* The host may have booted while we waited: no caller waits for this call then. */
	if (!tdx_table_expects(&store->table, call)) {
		store_abort(store);
		return -EIO;
	}
	sim_identity(&store->sim, &call->identity);
	if (call->incarnation && call->incarnation != call->identity.incarnation) {
		store_abort(store);
		return -ESTALE;
	}
	sim_seamcall(&store->sim, &call->regs);
	return 0;
}

static int write_back(void *ctx, __u64 page)
{
	struct tdx_regs regs = { .rax = TDX_LEAF_PHYMEM_PAGE_WBINVD, .rcx = page };

	sim_seamcall(&((struct store *)ctx)->sim, &regs);
	return regs.rax != TDX_SUCCESS;
}

static void identity(void *ctx, struct tdx_identity *out)
{
	sim_identity(&((struct store *)ctx)->sim, out);
}

static off_t offset_of(__u64 address)
{
	return (off_t)(address - STORE_MEMORY_BASE);
}

/* Pages name pages, and anybody may have written what they contain: outside of the simulated memory there are zeros, which stay. */
static bool is_in(const struct store *store, __u64 address, __u64 bytes)
{
	__u64 size = (__u64)store->header->page_count * TDX_PAGE_SIZE;

	return address >= STORE_MEMORY_BASE && bytes <= size && address - STORE_MEMORY_BASE <= size - bytes;
}

static void memory_read(void *ctx, __u64 address, void *to, __u32 bytes)
{
	struct store *store = ctx;
	ssize_t got = is_in(store, address, bytes) ? pread(store->memory, to, bytes, offset_of(address)) : 0;

	if (got < (ssize_t)bytes)
		memset((char *)to + (got < 0 ? 0 : got), 0, bytes - (got < 0 ? 0 : (size_t)got));
}

/* A full disk shows as a page that lost its pattern: the simulator reports it as corruption, which it is. */
static void memory_write(void *ctx, __u64 address, const void *from, __u32 bytes)
{
	struct store *store = ctx;
	ssize_t written = is_in(store, address, bytes) ? pwrite(store->memory, from, bytes, offset_of(address)) : 0;

	(void)written;
}

static __u64 entry_read(void *ctx, __u64 page, __u32 index)
{
	__u64 value;

	memory_read(ctx, page + index * 8ULL, &value, sizeof(value));
	return value;
}

static void entry_write(void *ctx, __u64 page, __u32 index, __u64 value)
{
	memory_write(ctx, page + index * 8ULL, &value, sizeof(value));
}

static __u64 alloc_between(struct store *store, __u32 from, __u32 to, __u32 count)
{
	static const __u8 zeros[2 * TDX_PAGE_SIZE];
	__u32 i;

	for (i = (from + count - 1) / count * count; i + count <= to; i += count) {
		__u64 address = STORE_MEMORY_BASE + (__u64)i * TDX_PAGE_SIZE;

		if (store->used[i] != STORE_FREE || store->used[i + count - 1] != STORE_FREE)
			continue;
		memset(&store->used[i], STORE_USED, count);
		memory_write(store, address, zeros, count * TDX_PAGE_SIZE);
		return address;
	}
	return 0;
}

/* Order 0 or 1: first on the node, then anywhere. */
static __u64 pages_alloc(void *ctx, __s32 numa_node, __u32 order)
{
	struct store *store = ctx;
	__u32 total = store->header->page_count, nodes = store->header->numa_nodes, count = 1U << order;
	__u64 address = 0;

	if (numa_node >= 0 && (__u32)numa_node < nodes) {
		__u32 each = total / nodes;

		address = alloc_between(store, (__u32)numa_node * each, ((__u32)numa_node + 1) * each, count);
	}
	return address ? address : alloc_between(store, 0, total, count);
}

static void pages_free(void *ctx, __u64 address, __u32 order)
{
	struct store *store = ctx;

	if (!is_in(store, address, (__u64)TDX_PAGE_SIZE << order))
		return;
	memset(&store->used[(address - STORE_MEMORY_BASE) / TDX_PAGE_SIZE], STORE_FREED_IN_STEP, 1U << order);
}

const struct tdx_table_ops store_table_ops = {
	.lock = no_lock,
	.unlock = no_lock,
	.assert_locked = no_lock,
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
	.changed = no_lock,
};

const struct sim_memory store_sim_memory = { .read = memory_read, .write = memory_write };
