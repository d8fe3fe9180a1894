// SPDX-License-Identifier: GPL-2.0
/* Callers that come and go while an operation is under way. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

/* Long beside anything that is waited for while it lasts, also on an emulated and busy machine. */
#define SLOW_MS 8000

/* A child in SETUP, once the unit is seen SETTING_UP. */
static pid_t slow_setup(int fd, uint64_t reg_base)
{
	pid_t child;

	script("leaf=setup unit=any delay_ms=%d", SLOW_MS);
	child = fork();
	if (!child)
		_exit(set_up(fd, reg_base));
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_SETTING_UP), 1);
	return child;
}

static int exit_code_of(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void readers_do_not_wait(void)
{
	int fd = must_open(O_RDWR), reader, i;
	uint64_t reg_base = first_unit();
	pid_t child = slow_setup(fd, reg_base);
	struct pollfd change;

	for (i = 0; i < 20; i++) {
		reader = must_open(O_RDONLY);
		change = (struct pollfd){ .fd = reader, .events = POLLIN };
		CHECK_EQ(poll(&change, 1, 0), 1);
		CHECK_EQ(info_now(reader).abi_version, TDX_IOMMU_ABI_VERSION);
		CHECK_EQ(unit_now(reader).state, TDX_IOMMU_SETTING_UP);
		close(reader);
	}
	CHECK_EQ(exit_code_of(child), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	close(fd);
}

void killed_caller(void)
{
	int fd = must_open(O_RDWR), again;
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls");
	pid_t child = slow_setup(fd, reg_base);

	kill(child, SIGKILL);
	CHECK_EQ(exit_code_of(child), -SIGKILL);
	/* It is gone, the operation is not, nor when its descriptor is closed too. */
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_SETTING_UP);
	close(fd);
	again = must_open(O_RDWR);
	CHECK_EQ(unit_now(again).state, TDX_IOMMU_SETTING_UP);
	CHECK_EQ(set_up(again, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(sim_table("setup_calls"), setups + 1);
	CHECK_EQ(unit_now(again).state, TDX_IOMMU_TRUSTED);
	close(again);
}

/* A call whose turn has not come when its caller is killed never happens: it was not visible in the table before. */
void dropped_caller(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups;
	struct tdx_iommu_clear last = { .size = sizeof(last), .reg_base = reg_base };
	pid_t clearing, waiting;

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	setups = sim_table("setup_calls");
	script("leaf=clear unit=any delay_ms=%d", SLOW_MS);
	clearing = fork();
	if (!clearing)
		_exit(clear_up(fd, reg_base));
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_CLEARING), 1);
	waiting = fork();
	if (!waiting)
		_exit(set_up(fd, reg_base));
	CHECK(waits_in_kernel(waiting));
	kill(waiting, SIGKILL);
	CHECK_EQ(exit_code_of(waiting), -SIGKILL);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_CLEARING);
	CHECK_EQ(exit_code_of(clearing), TDX_IOMMU_DONE);
	/* Behind it in the queue: it has had its turn. */
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &last), ESTALE);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(sim_table("setup_calls"), setups);
	close(fd);
}

void joined_callers(void)
{
	int fd = must_open(O_RDWR), i;
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls");
	pid_t first = slow_setup(fd, reg_base), others[3];

	for (i = 0; i < 3; i++) {
		others[i] = fork();
		if (!others[i])
			_exit(set_up(fd, reg_base));
	}
	CHECK_EQ(exit_code_of(first), TDX_IOMMU_DONE);
	/* One that comes after the end finds it done already. */
	for (i = 0; i < 3; i++)
		CHECK(exit_code_of(others[i]) <= TDX_IOMMU_ALREADY);
	CHECK_EQ(sim_table("setup_calls"), setups + 1);
	close(fd);
}
