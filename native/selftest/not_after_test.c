// SPDX-License-Identifier: GPL-2.0
/* Until when a CLEAR may begin. The older driver is this one, built with TDX_TESTING=1 and told to be of version 1. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

/* Long beside what must happen while it lasts, also on an emulated and busy machine. */
#define SLOW_MS 8000
#define HOUR_MS 3600000

static uint64_t ms_from_now(int ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((int64_t)now.tv_sec * 1000000000 + now.tv_nsec + (int64_t)ms * 1000000);
}

/* The unit's present key. */
static struct tdx_iommu_clear clear_of(int fd, uint64_t not_after)
{
	struct tdx_iommu_unit unit = unit_now(fd);

	return (struct tdx_iommu_clear){
		.size = sizeof(struct tdx_iommu_clear),
		.reg_base = unit.reg_base,
		.tdx_iommu_id = unit.tdx_iommu_id,
		.setup_seq = unit.setup_seq,
		.not_after = not_after,
	};
}

void late_clear(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), clears = sim_table("clear_calls");
	struct tdx_iommu_unit before, after;
	struct tdx_iommu_clear clear;

	CHECK_EQ(info_now(fd).flags & TDX_IOMMU_INFO_NOT_AFTER, TDX_IOMMU_INFO_NOT_AFTER);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	before = unit_now(fd);
	clear = clear_of(fd, ms_from_now(-1));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ETIME);
	after = unit_now(fd);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
	CHECK_EQ(sim_table("clear_calls"), clears);
	/* A stale key is said first. */
	clear.setup_seq--;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	clear = clear_of(fd, ms_from_now(HOUR_MS));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), 0);
	CHECK_EQ(clear.outcome, TDX_IOMMU_DONE);
	close(fd);
}

/* A CLEAR that has begun is resumed to its end. */
void begun_clear(void)
{
	int fd = must_open(O_RDWR);
	struct tdx_iommu_clear clear;

	CHECK_EQ(set_up(fd, first_unit()), TDX_IOMMU_DONE);
	script("leaf=clear unit=any status=0x%llx delay_ms=1000 count=3", TDX_INTERRUPTED_RESUMABLE);
	clear = clear_of(fd, ms_from_now(1500));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), 0);
	CHECK_EQ(clear.outcome, TDX_IOMMU_DONE);
	CHECK_EQ(clear.unit.attempts, 4);
	close(fd);
}

/* Exits with the errno, or the outcome. */
static pid_t calling(int fd, struct tdx_iommu_clear clear)
{
	pid_t child = fork();

	if (!child)
		_exit(call(fd, TDX_IOMMU_IOC_CLEAR, &clear) ? errno : (int)clear.outcome);
	return child;
}

static int exit_code_of(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A slow SETUP under way, and the key that it will give: numbers go up by one. */
static pid_t slow_setup(int fd, struct tdx_iommu_clear *next)
{
	pid_t child;

	CHECK_EQ(set_up(fd, first_unit()), TDX_IOMMU_DONE);
	*next = clear_of(fd, 0);
	next->tdx_iommu_id++;
	next->setup_seq++;
	CHECK_EQ(clear_up(fd, first_unit()), TDX_IOMMU_DONE);
	script("leaf=setup unit=any delay_ms=%d", SLOW_MS);
	child = fork();
	if (!child)
		_exit(set_up(fd, first_unit()));
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_SETTING_UP), 1);
	return child;
}

void clear_behind_setup(void)
{
	int fd = must_open(O_RDWR);
	uint64_t clears;
	struct tdx_iommu_clear clear;
	pid_t setup = slow_setup(fd, &clear);

	clears = sim_table("clear_calls");
	clear.not_after = ms_from_now(SLOW_MS / 8);
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ETIME);
	CHECK_EQ(exit_code_of(setup), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(unit_now(fd).tdx_iommu_id, clear.tdx_iommu_id);
	CHECK_EQ(unit_now(fd).setup_seq, clear.setup_seq);
	CHECK_EQ(sim_table("clear_calls"), clears);
	close(fd);
}

/* Who joins a CLEAR that waits gives it the later time, or none. */
static void joined(uint64_t first, uint64_t second, int expected)
{
	int fd = must_open(O_RDWR);
	uint64_t clears;
	struct tdx_iommu_clear clear;
	pid_t setup = slow_setup(fd, &clear), callers[2];

	clears = sim_table("clear_calls");
	clear.not_after = first;
	callers[0] = calling(fd, clear);
	CHECK(waits_in_kernel(callers[0]));
	clear.not_after = second;
	callers[1] = calling(fd, clear);
	CHECK_EQ(exit_code_of(setup), TDX_IOMMU_DONE);
	CHECK_EQ(exit_code_of(callers[0]), expected);
	CHECK_EQ(exit_code_of(callers[1]), expected);
	CHECK_EQ(sim_table("clear_calls"), clears + (expected == TDX_IOMMU_DONE));
	close(fd);
	clean_up();
}

void joined_clear(void)
{
	joined(ms_from_now(100), ms_from_now(HOUR_MS), TDX_IOMMU_DONE);
	joined(ms_from_now(HOUR_MS), ms_from_now(100), TDX_IOMMU_DONE);
	joined(ms_from_now(100), 0, TDX_IOMMU_DONE);
	joined(ms_from_now(100), ms_from_now(200), ETIME);
}

/* A program built before there was a not_after: nothing is read or written behind its struct. */
void older_caller(void)
{
	struct {
		struct tdx_iommu_clear clear;
		uint8_t behind[64];
	} memory;
	int fd = must_open(O_RDWR);

	CHECK_EQ(set_up(fd, first_unit()), TDX_IOMMU_DONE);
	memory.clear = clear_of(fd, 0);
	memory.clear.size = TDX_IOMMU_CLEAR_SIZE_VER1;
	/* If it were read, it would be over. */
	memory.clear.not_after = 1;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &memory.clear), 0);
	CHECK_EQ(memory.clear.outcome, TDX_IOMMU_DONE);
	CHECK_EQ(memory.clear.size, TDX_IOMMU_CLEAR_SIZE_VER1);
	CHECK_EQ(memory.clear.not_after, 1);
	close(fd);
}

void older_driver(void)
{
	int fd = must_open(O_RDWR);
	uint64_t clears = sim_table("clear_calls");
	struct tdx_iommu_clear clear;

	CHECK_EQ(knob(DRIVER_FOLDER, "version_1", "Y"), 0);
	CHECK_EQ(info_now(fd).abi_version, 1);
	CHECK_EQ(info_now(fd).flags & TDX_IOMMU_INFO_NOT_AFTER, 0);
	CHECK_EQ(set_up(fd, first_unit()), TDX_IOMMU_DONE);
	clear = clear_of(fd, ms_from_now(HOUR_MS));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), E2BIG);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(sim_table("clear_calls"), clears);
	/* A tail of zeros asks for nothing that it does not know. */
	clear.not_after = 0;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), 0);
	CHECK_EQ(clear.outcome, TDX_IOMMU_DONE);
	CHECK_EQ(knob(DRIVER_FOLDER, "version_1", "N"), 0);
	CHECK_EQ(info_now(fd).abi_version, TDX_IOMMU_ABI_VERSION);
	close(fd);
}
