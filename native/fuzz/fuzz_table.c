// SPDX-License-Identifier: Apache-2.0
/* Bytes are a history of calls and mishaps. After each step the table, the allocator and the module are held against one another. */
#include <stdint.h>

#include "world.h"

#define STEPS_MAX 200
/* What the host has never must run out in a way that calm could not heal. */
#define PAGES_FOR_CALM 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = { data, size };
	static struct world world;
	__u32 steps;

	world_start(&world, &bytes);
	for (steps = 0; steps < STEPS_MAX && bytes.left; steps++)
		world_step(&world);
	if (host_pages_used(&world.host) + PAGES_FOR_CALM < HOST_PAGES)
		world_calm(&world);
	world_stop(&world);
	return 0;
}
