// SPDX-License-Identifier: GPL-2.0
/* How long an ioctl takes, there and back. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "selftest.h"

#define ROUNDS 20000

static double samples[ROUNDS];

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return a < b ? -1 : a > b;
}

int run_bench(void)
{
	int fd = device_open(O_RDONLY), i;

	if (fd < 0)
		return 1;
	for (i = 0; i < ROUNDS; i++) {
		double begun = seconds_now();

		if (!first_unit(fd).reg_base)
			return 1;
		samples[i] = (seconds_now() - begun) * 1e6;
	}
	qsort(samples, ROUNDS, sizeof(samples[0]), compare);
	printf("LIST from C: p50 %.1f us, p99 %.1f us, least %.1f us (%d calls)\n", samples[ROUNDS / 2], samples[ROUNDS * 99 / 100], samples[0],
	       ROUNDS);
	close(fd);
	return 0;
}
