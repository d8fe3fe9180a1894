// SPDX-License-Identifier: GPL-2.0
/* What this program does beside its cases: one cycle, a sweep of failures, a measurement. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

#define SWEEP_MAX 200
#define ROUNDS 20000

int run_setup(void)
{
	int fd = must_open(O_RDWR), outcome = set_up(fd, first_unit());

	close(fd);
	if (outcome >= ERRNO(0))
		fprintf(stderr, "SETUP: %s\n", strerror(outcome - ERRNO(0)));
	return outcome == TDX_IOMMU_DONE ? 0 : 1;
}

int run_setup_and_clear(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();

	if (set_up(fd, reg_base) != TDX_IOMMU_DONE || clear_up(fd, reg_base) != TDX_IOMMU_DONE)
		bail_out("SETUP and CLEAR: state %u, status 0x%llx", unit_now(fd).state, (unsigned long long)unit_now(fd).status);
	close(fd);
	return 0;
}

/* The kernel hands freed pages out again: what was freed too early is overwritten, and the simulator sees it. */
static void stir_memory(void)
{
	size_t bytes = 48UL << 20;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		bail_out("no memory to stir");
	memset(memory, FILL, bytes);
	munmap(memory, bytes);
}

/* What the table counts is what the module owns and what is set aside for a repeat; nothing is overwritten. */
static void check_books(int fd)
{
	struct tdx_iommu_unit unit = unit_now(fd);
	struct tdx_iommu_info info = info_now(fd);
	uint64_t owned = sim_table("pages_owned");

	CHECK_EQ(sim_table("corrupted"), 0);
	CHECK_EQ(info.pages_donated, unit.pages_donated);
	CHECK_EQ(info.pages_retained, unit.pages_retained);
	CHECK(owned <= info.pages_donated + info.pages_retained);
	if (unit.state == TDX_IOMMU_TRUSTED)
		CHECK_EQ(owned, unit.pages_donated);
	if (unit.state == TDX_IOMMU_UNTRUSTED)
		CHECK_EQ(owned + info.pages_donated + info.pages_retained, 0);
}

/* What can be made to fail, once, at the n-th time from now. */
struct seam {
	const char *name;
	void (*arm)(unsigned int n);
	/* Whether it came to the n-th. */
	bool (*has_failed)(void);
};

static void arm_alloc(unsigned int n)
{
	CHECK_EQ(knob(DRIVER_FOLDER, "fail_alloc", "%u", n), 0);
}

static bool alloc_has_failed(void)
{
	return knob_value(DRIVER_FOLDER, "fail_alloc") == 0;
}

static void arm_seamcall(unsigned int n)
{
	CHECK_EQ(knob(DRIVER_FOLDER, "fail_seamcall", "%u", n), 0);
}

static bool seamcall_has_failed(void)
{
	return knob_value(DRIVER_FOLDER, "fail_seamcall") == 0;
}

/* The module itself gives an unexpected status, and may or may not have done something. */
static void arm_status(unsigned int n)
{
	script("leaf=any unit=any status=0x%llx skip=%u", TDX_IOMMU_ECMD_ERROR, n - 1);
}

static bool status_has_come(void)
{
	return sim_faults() == 0;
}

static const struct seam seams[] = {
	{ "fail_alloc", arm_alloc, alloc_has_failed },
	{ "fail_seamcall", arm_seamcall, seamcall_has_failed },
	{ "status", arm_status, status_has_come },
};
#define SEAMS (sizeof(seams) / sizeof(seams[0]))

/* SETUP and CLEAR with two interruptions each while the n-th fails. Whether it came to the n-th. */
static bool fails_at(int fd, uint64_t reg_base, const struct seam *seam, unsigned int n)
{
	int tries;

	CHECK_EQ(knob(SIM_FOLDER, "interruptions", "2"), 0);
	seam->arm(n);
	for (tries = 0; tries < 4 && unit_now(fd).state != TDX_IOMMU_TRUSTED; tries++) {
		int outcome = set_up(fd, reg_base);

		CHECK(outcome <= TDX_IOMMU_OUT_FAILED || outcome == ERRNO(ENOMEM));
		stir_memory();
		check_books(fd);
	}
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	for (tries = 0; tries < 4 && unit_now(fd).state != TDX_IOMMU_UNTRUSTED; tries++) {
		CHECK(clear_up(fd, reg_base) <= TDX_IOMMU_OUT_FAILED);
		stir_memory();
		check_books(fd);
	}
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	return seam->has_failed();
}

static bool sweep(const struct seam *seam)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	unsigned int n = 1;

	tap_begin();
	while (n < SWEEP_MAX && !tap_case_has_failed() && fails_at(fd, reg_base, seam, n))
		n++;
	close(fd);
	clean_up();
	if (n < 3 || n == SWEEP_MAX)
		tap_differs(__FILE__, __LINE__, "%s: stopped at %u", seam->name, n);
	printf("%sok - %s: each of %u failed, nothing was lost\n", tap_case_has_failed() ? "not " : "", seam->name, n - 1);
	return tap_case_has_failed();
}

int run_sweep(void)
{
	unsigned int i;
	int failed = 0;

	printf("TAP version 13\n1..%zu\n", SEAMS);
	clean_up();
	for (i = 0; i < SEAMS; i++)
		failed += sweep(&seams[i]);
	return failed ? 1 : 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

int run_bench(void)
{
	static uint64_t rounds[ROUNDS];
	struct snapshot snapshot;
	int fd = must_open(O_RDONLY), i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t started = now_ns();

		if (take_snapshot(fd, &snapshot))
			bail_out("LIST fails");
		rounds[i] = now_ns() - started;
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), by_value);
	printf("LIST round trip in ns over %d calls: min %llu, p50 %llu, p99 %llu\n", ROUNDS, (unsigned long long)rounds[0],
	       (unsigned long long)rounds[ROUNDS / 2], (unsigned long long)rounds[ROUNDS / 100 * 99]);
	close(fd);
	return 0;
}
