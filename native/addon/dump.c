// SPDX-License-Identifier: Apache-2.0
/* The simulated module's own truth as JavaScript values. */
#include "addon.h"
#include "values.h"

static napi_value fault_value(napi_env env, const struct sim_fault *fault)
{
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u32(env, object, "leaf", fault->leaf);
	set(env, object, "regBase", fault->any_unit ? value_null(env) : value_u64(env, fault->reg_base));
	set(env, object, "status", fault->has_status ? value_u64(env, fault->status) : value_null(env));
	set_u32(env, object, "delayMs", fault->delay_ms);
	set_u32(env, object, "count", fault->count);
	set_u32(env, object, "skip", fault->skip);
	set(env, object, "keepPages", value_bool(env, fault->keep_pages));
	return object;
}

static napi_value faults_value(napi_env env, const struct sim_head *head)
{
	napi_value array = NULL;
	__u32 i;

	napi_create_array(env, &array);
	for (i = 0; i < head->fault_count; i++)
		napi_set_element(env, array, i, fault_value(env, &head->faults[i]));
	return array;
}

static __u64 page_address(__u32 index)
{
	return STORE_MEMORY_BASE + (__u64)index * TDX_PAGE_SIZE;
}

static napi_value owned_value(napi_env env, const struct store *store, __u32 owner)
{
	napi_value array = NULL;
	__u32 i, count = 0;

	napi_create_array(env, &array);
	for (i = 0; i < store->header->page_count; i++) {
		if (store->sim.pages[i].owner == owner)
			napi_set_element(env, array, count++, value_u64(env, page_address(i)));
	}
	return array;
}

static napi_value links_value(napi_env env, const struct sim_head *head, __u64 reg_base)
{
	napi_value array = NULL;
	__u32 i, count = 0;

	napi_create_array(env, &array);
	for (i = 0; i < head->link_count; i++) {
		if (head->links[i].reg_base == reg_base)
			napi_set_element(env, array, count++, value_u32(env, head->links[i].device));
	}
	return array;
}

static napi_value unit_value(napi_env env, const struct store *store, __u32 index)
{
	const struct sim_unit *unit = &store->sim.units[index];
	bool has_id = unit->phase == SIM_CONFIGURED || unit->phase == SIM_CLEARING;
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u64(env, object, "regBase", unit->reg_base);
	set(env, object, "present", value_bool(env, unit->present));
	set_u32(env, object, "phase", unit->phase);
	set(env, object, "tdxIommuId", has_id ? value_u64(env, unit->id) : value_null(env));
	set(env, object, "ownedPages", owned_value(env, store, index + 1));
	set(env, object, "securedLinks", links_value(env, store->sim.head, unit->reg_base));
	set_u64(env, object, "setupCalls", unit->setup_calls);
	set_u64(env, object, "clearCalls", unit->clear_calls);
	return object;
}

static napi_value units_value(napi_env env, const struct store *store)
{
	napi_value array = NULL;
	__u32 i;

	napi_create_array(env, &array);
	for (i = 0; i < store->header->unit_count; i++)
		napi_set_element(env, array, i, unit_value(env, store, i));
	return array;
}

/* The module owns them, and the host would give them to another user. */
static napi_value freed_too_early_value(napi_env env, const struct store *store)
{
	napi_value array = NULL;
	__u32 i, count = 0;

	napi_create_array(env, &array);
	for (i = 0; i < store->header->page_count; i++) {
		if (store->sim.pages[i].owner && store->used[i] == STORE_FREE)
			napi_set_element(env, array, count++, value_u64(env, page_address(i)));
	}
	return array;
}

static __u32 pages_allocated(const struct store *store)
{
	__u32 i, count = 0;

	for (i = 0; i < store->header->page_count; i++)
		count += store->used[i] != STORE_FREE;
	return count;
}

napi_value dump_value(napi_env env, const struct store *store)
{
	const struct sim_head *head = store->sim.head;
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u64(env, object, "incarnation", head->identity.incarnation);
	set_u32(env, object, "environment", head->identity.environment);
	set_u32(env, object, "abiProfile", head->identity.abi_profile);
	set_u32(env, object, "mtPageCount", head->identity.mt_page_count);
	set(env, object, "corruptedPage", head->corrupted ? value_u64(env, head->corrupted) : value_null(env));
	set(env, object, "freedTooEarly", freed_too_early_value(env, store));
	set_u64(env, object, "setupCalls", head->setup_calls);
	set_u64(env, object, "clearCalls", head->clear_calls);
	set_u32(env, object, "pagesTotal", store->header->page_count);
	set_u32(env, object, "pagesAllocated", pages_allocated(store));
	set(env, object, "faults", faults_value(env, head));
	set(env, object, "units", units_value(env, store));
	return object;
}
