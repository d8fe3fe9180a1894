// SPDX-License-Identifier: GPL-2.0
/* SETUP and CLEAR: outcomes by scripted status, keys, and who is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

void setup_and_clear(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls");
	struct tdx_iommu_info info = info_now(fd);
	uint32_t given = TDX_MT_PAGES(info.mt_page_count);
	struct tdx_iommu_unit unit, next;

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	unit = unit_now(fd);
	CHECK_EQ(unit.state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_ID_VALID);
	CHECK_EQ(unit.leaf, TDX_LEAF_IOMMU_SETUP);
	CHECK_EQ(unit.attempts, 1);
	CHECK_EQ(unit.status, TDX_SUCCESS);
	CHECK(unit.duration_ns > 0);
	CHECK_EQ(unit.pages_donated, given);
	CHECK_EQ(unit.pages_retained, 0);
	CHECK_EQ(info_now(fd).pages_donated, given);
	CHECK_EQ(sim_table("pages_owned"), given);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_ALREADY);
	CHECK_EQ(sim_table("setup_calls"), setups + 1);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	next = unit_now(fd);
	CHECK_EQ(next.state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(next.flags, 0);
	CHECK_EQ(next.tdx_iommu_id, 0);
	CHECK_EQ(next.leaf, TDX_LEAF_IOMMU_CLEAR);
	CHECK_EQ(info_now(fd).pages_donated, 0);
	CHECK_EQ(sim_table("pages_owned"), 0);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK(unit_now(fd).setup_seq > unit.setup_seq);
	CHECK_EQ(set_up(fd, reg_base ^ 0x1000), ERRNO(ENOENT));
	CHECK_EQ(set_up(fd, reg_base + 1), ERRNO(ENOENT));
	close(fd);
	/* Units outlive the process that opened the device. */
	fd = must_open(O_RDWR);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	close(fd);
}

void stale_keys(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), clears = sim_table("clear_calls");
	struct tdx_iommu_clear good, clear;
	struct tdx_iommu_unit unit;

	/* Before any SETUP there is no id to name, not even 0. */
	good = (struct tdx_iommu_clear){ .size = sizeof(good), .reg_base = reg_base };
	clear = good;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	unit = unit_now(fd);
	good.tdx_iommu_id = unit.tdx_iommu_id;
	good.setup_seq = unit.setup_seq;
	clear = good;
	clear.tdx_iommu_id++;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	clear = good;
	clear.setup_seq--;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	clear = good;
	clear.setup_seq++;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	clear = good;
	clear.reg_base += 0x1000;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ENOENT);
	CHECK_EQ(sim_table("clear_calls"), clears);
	clear = good;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), 0);
	clear = good;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	/* The next trust may get the same id: the old sequence does not end it. */
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	clear = good;
	clear.tdx_iommu_id = unit_now(fd).tdx_iommu_id;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	close(fd);
}

struct refusal {
	uint64_t status;
	int outcome;
	int taken; /* the module may have the pages */
};

static const struct refusal setup_refusals[] = {
	{ TDX_OPERAND_BUSY | TDX_OPERAND_RCX, TDX_IOMMU_RETRY, 0 },
	{ TDX_SYS_BUSY, TDX_IOMMU_RETRY, 0 },
	{ TDX_PREVIOUS_TLB_EPOCH_BUSY, TDX_IOMMU_RETRY, 0 },
	{ TDX_INTERRUPTED_RESTARTABLE, TDX_IOMMU_RETRY, 1 },
	{ TDX_IOMMU_ECMD_TIMEOUT, TDX_IOMMU_RETRY, 1 },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_RCX, TDX_IOMMU_OUT_UNSUPPORTED, 0 },
	{ TDX_OPERAND_INVALID | TDX_OPERAND_RDX, TDX_IOMMU_OUT_FAILED, 1 },
	{ TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX, TDX_IOMMU_OUT_FAILED, 1 },
	{ TDX_IOMMU_RP_IDE_MUST_BE_DISABLED | TDX_OPERAND_R8, TDX_IOMMU_OUT_FAILED, 1 },
	{ TDX_IOMMU_ECMD_ERROR, TDX_IOMMU_OUT_FAILED, 1 },
	{ 0xC0000F5800000000ULL, TDX_IOMMU_OUT_FAILED, 1 },
	{ 0xFFFFFFFFFFFFFFFFULL, TDX_IOMMU_OUT_FAILED, 1 },
};

void refused_setups(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	uint32_t given = TDX_MT_PAGES(info_now(fd).mt_page_count), i;

	for (i = 0; i < sizeof(setup_refusals) / sizeof(setup_refusals[0]); i++) {
		const struct refusal *refusal = &setup_refusals[i];
		int retry = refusal->outcome == TDX_IOMMU_RETRY;
		struct tdx_iommu_unit unit;

		script("leaf=setup unit=0x%llx status=0x%llx", (unsigned long long)reg_base, (unsigned long long)refusal->status);
		CHECK_EQ(set_up(fd, reg_base), refusal->outcome);
		unit = unit_now(fd);
		CHECK_EQ(unit.status, refusal->status);
		CHECK_EQ(unit.attempts, 1);
		CHECK_EQ(unit.state, refusal->outcome == TDX_IOMMU_OUT_UNSUPPORTED ? TDX_IOMMU_UNSUPPORTED : TDX_IOMMU_FAILED);
		CHECK_EQ(unit.flags, (retry ? TDX_IOMMU_UNIT_RETRYABLE : 0U) | (refusal->taken ? TDX_IOMMU_UNIT_PAGES_RETAINED : 0U));
		CHECK_EQ(unit.pages_retained, refusal->taken ? given : 0);
		CHECK_EQ(unit.pages_donated, retry && !refusal->taken ? given : 0);
		CHECK_EQ(info_now(fd).pages_retained, unit.pages_retained);
		/* A repeat uses the same pages, and they come back under the id. */
		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		unit = unit_now(fd);
		CHECK_EQ(unit.pages_retained, 0);
		CHECK_EQ(unit.pages_donated, given);
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(sim_table("pages_owned"), 0);
		CHECK_EQ(sim_table("corrupted"), 0);
	}
	close(fd);
}

void refused_clears(void)
{
	static const struct refusal refusals[] = {
		{ TDX_OPERAND_BUSY | TDX_OPERAND_RCX, TDX_IOMMU_RETRY, 0 },
		{ TDX_IOMMU_ECMD_TIMEOUT, TDX_IOMMU_RETRY, 0 },
		{ TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX, TDX_IOMMU_OUT_FAILED, 1 },
		{ 0xFFFFFFFFFFFFFFFFULL, TDX_IOMMU_OUT_FAILED, 0 },
	};
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups;
	uint32_t given = TDX_MT_PAGES(info_now(fd).mt_page_count), i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct tdx_iommu_unit before, unit;

		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		before = unit_now(fd);
		setups = sim_table("setup_calls");
		script("leaf=clear unit=any status=0x%llx", (unsigned long long)refusals[i].status);
		CHECK_EQ(clear_up(fd, reg_base), refusals[i].outcome);
		unit = unit_now(fd);
		CHECK_EQ(unit.state, TDX_IOMMU_FAILED);
		CHECK_EQ(unit.flags & ~TDX_IOMMU_UNIT_RETRYABLE, TDX_IOMMU_UNIT_ID_VALID);
		CHECK_EQ(unit.tdx_iommu_id, before.tdx_iommu_id);
		CHECK_EQ(unit.setup_seq, before.setup_seq);
		CHECK_EQ(unit.pages_donated, given);
		CHECK_EQ(unit.status, refusals[i].status);
		/* A SETUP of what still has an id would lose it. */
		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
		CHECK_EQ(sim_table("setup_calls"), setups);
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(sim_table("pages_owned"), 0);
	}
	close(fd);
}

void interruptions(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();

	CHECK_EQ(knob(SIM_FOLDER, "interruptions", "7"), 0);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).attempts, 8);
	CHECK_EQ(unit_now(fd).pages_retained, 0);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).attempts, 8);
	CHECK_EQ(knob(SIM_FOLDER, "interruptions", "0"), 0);
	/* Want of entropy is repeated, but not for ever. */
	script("leaf=setup unit=any status=0x%llx count=10", TDX_RND_NO_ENTROPY);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_RETRY);
	CHECK_EQ(unit_now(fd).attempts, 10);
	/* A refusal after the module has begun: the pages are its own until the repeat. */
	script("leaf=setup unit=any status=0x%llx", TDX_INTERRUPTED_RESUMABLE);
	script("leaf=setup unit=any status=0x%llx", TDX_OPERAND_BUSY);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_RETRY);
	CHECK(unit_now(fd).pages_retained > 0);
	CHECK_EQ(sim_table("pages_owned"), unit_now(fd).pages_retained);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).pages_retained, 0);
	close(fd);
}

static int is_readable(int fd)
{
	struct pollfd change = { .fd = fd, .events = POLLIN };
	int rc = poll(&change, 1, 0);

	return rc == 1 && (change.revents & POLLIN);
}

void poll_tells(void)
{
	int fd = must_open(O_RDWR), reader = must_open(O_RDONLY);
	uint64_t reg_base = first_unit();

	CHECK(is_readable(reader));
	CHECK(is_readable(reader));
	unit_now(reader);
	CHECK(!is_readable(reader));
	/* Each open file has its own. */
	CHECK(is_readable(fd));
	unit_now(fd);
	CHECK(!is_readable(fd));
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK(is_readable(reader));
	unit_now(reader);
	CHECK(!is_readable(reader));
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_ALREADY);
	CHECK(!is_readable(reader));
	info_now(reader);
	CHECK(!is_readable(reader));
	/* The TDX module has changed, and the table was made under the old one. */
	CHECK_EQ(knob(SIM_FOLDER, "environment", "not_ready"), 0);
	CHECK(is_readable(reader));
	CHECK_EQ(unit_now(reader).state, TDX_IOMMU_UNKNOWN);
	CHECK(!is_readable(reader));
	CHECK_EQ(knob(SIM_FOLDER, "environment", "ok"), 0);
	CHECK(is_readable(reader));
	unit_now(fd);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK(is_readable(reader));
	close(reader);
	close(fd);
}

/* Whether a sleeper in poll is woken by what the parent does. */
static void wakes(int fd, void (*change)(int fd))
{
	struct pollfd sleeper = { .events = POLLIN };
	int end[2], status;
	char byte = 0;
	pid_t child;

	CHECK_EQ(pipe(end), 0);
	child = fork();
	if (!child) {
		sleeper.fd = must_open(O_RDONLY);
		unit_now(sleeper.fd);
		if (write(end[1], &byte, 1) != 1)
			_exit(2);
		_exit(poll(&sleeper, 1, 60000) == 1 ? 0 : 1);
	}
	CHECK_EQ(read(end[0], &byte, 1), 1);
	change(fd);
	waitpid(child, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(end[0]);
	close(end[1]);
}

static void change_by_setup(int fd)
{
	CHECK_EQ(set_up(fd, first_unit()), TDX_IOMMU_DONE);
}

static void change_by_loss(int fd)
{
	(void)fd;
	CHECK_EQ(knob(SIM_FOLDER, "environment", "not_ready"), 0);
}

static void change_by_detaching(int fd)
{
	(void)fd;
	CHECK_EQ(knob(SIM_FOLDER, "environment", "ok"), 0);
	CHECK_EQ(knob(SIM_FOLDER, "detached", "1"), 0);
}

void poll_wakes(void)
{
	int fd = must_open(O_RDWR);

	wakes(fd, change_by_setup);
	wakes(fd, change_by_loss);
	CHECK_EQ(knob(SIM_FOLDER, "environment", "ok"), 0);
	wakes(fd, change_by_detaching);
	close(fd);
}
