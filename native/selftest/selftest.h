/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests of /dev/tdx_iommu from user space, over the simulated TDX module. Each prints one line of TAP; a test that ends on a failed check
 * goes on with the next.
 */
#ifndef TDX_SELFTEST_H
#define TDX_SELFTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../uapi/tdx_iommu.h"

#define DEVICE "/dev/tdx_iommu"

struct test {
	const char *name;
	void (*run)(void);
};

extern bool test_failed;

#define CHECK(condition)                                                                              \
	do {                                                                                          \
		if (!(condition)) {                                                                   \
			printf("# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);    \
			test_failed = true;                                                           \
			return;                                                                       \
		}                                                                                     \
	} while (0)

/* A call that fails with this errno, and changes nothing that could be seen. */
#define CHECK_ERRNO(call, wanted)            \
	do {                                 \
		errno = 0;                   \
		CHECK((call) == -1);         \
		CHECK(errno == (wanted));    \
	} while (0)

/* calls.c */
int device_open(int flags);
/* What a failed test left open, so that it fails alone. */
void close_all(void);
int call_info(int fd, struct tdx_iommu_info *info);
int call_list(int fd, struct tdx_iommu_unit *units, unsigned int capacity, struct tdx_iommu_list *list);
int call_setup(int fd, unsigned long long reg_base, struct tdx_iommu_setup *setup);
int call_clear(int fd, const struct tdx_iommu_unit *unit, struct tdx_iommu_clear *clear);
/* The first unit, as it is now; reg_base is 0 when there is none. */
struct tdx_iommu_unit first_unit(int fd);
/* Writes to a file of the simulator's (or the driver's) folder in debugfs. */
int script(const char *file, const char *line);
int script_driver(const char *file, const char *line);
/* A number behind a word in the simulated module's own table. */
unsigned long long module_says(const char *word);
double seconds_now(void);

extern const struct test field_tests[], state_tests[], process_tests[], loss_tests[];

int run_sweep(void);
int run_once(void);
int run_bench(void);

#endif
