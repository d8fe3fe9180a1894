// SPDX-License-Identifier: Apache-2.0
/*
 * LIST from plain C, over the same backend as the addon's: prints the nanoseconds of each call, one a line.
 * Usage: list STATE-DIRECTORY COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "addon/backend.h"

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "%s: %d\n", what, rc);
	return 1;
}

static int measure(struct backend *backend, long count, long long *taken)
{
	long i;

	for (i = 0; i < count; i++) {
		struct tdx_iommu_list list = { .size = sizeof(list) };
		struct tdx_iommu_unit *units = NULL;
		long long began = now_ns();
		int rc = backend->ops->list(backend, &list, &units);

		taken[i] = now_ns() - began;
		free(units);
		if (rc)
			return rc;
	}
	return 0;
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0, i;
	struct backend *backend;
	long long *taken;
	int rc;

	if (count <= 0)
		return fail("usage: list STATE-DIRECTORY COUNT", 0);
	taken = calloc((size_t)count, sizeof(*taken));
	if (!taken)
		return fail("no memory", 0);
	rc = simulated_open(argv[1], 0, &backend);
	if (rc)
		return fail("open", rc);
	rc = measure(backend, count, taken);
	backend->ops->destroy(backend);
	for (i = 0; !rc && i < count; i++)
		printf("%lld\n", taken[i]);
	free(taken);
	return rc ? fail("LIST", rc) : 0;
}
