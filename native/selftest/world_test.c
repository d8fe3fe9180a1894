// SPDX-License-Identifier: GPL-2.0
/* What becomes of the device when the TDX module, its stand-in, or the driver itself changes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

void environments(void)
{
	static const struct {
		const char *name;
		uint32_t environment;
	} lost[] = {
		{ "ud", TDX_IOMMU_ENV_UD },
		{ "gp", TDX_IOMMU_ENV_GP },
		{ "vmfailinvalid", TDX_IOMMU_ENV_VMFAILINVALID },
		{ "not_ready", TDX_IOMMU_ENV_NOT_READY },
	};
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	uint32_t i;

	for (i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct tdx_iommu_info info;

		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(knob(SIM_FOLDER, "environment", "%s", lost[i].name), 0);
		info = info_now(fd);
		CHECK_EQ(info.environment, lost[i].environment);
		CHECK_EQ(info.valid, 0);
		CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
		CHECK(unit_now(fd).flags & TDX_IOMMU_UNIT_ID_VALID);
		CHECK_EQ(set_up(fd, reg_base), ERRNO(ENODEV));
		CHECK_EQ(clear_up(fd, reg_base), ERRNO(ENODEV));
		CHECK_EQ(knob(SIM_FOLDER, "environment", "ok"), 0);
		CHECK_EQ(info_now(fd).environment, TDX_IOMMU_ENV_OK);
		/* The same module again: the id still is the unit's, the trust is gone. */
		CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	}
	close(fd);
}

void not_opted_in(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls");

	CHECK_EQ(knob(SIM_FOLDER, "environment", "not_opted_in"), 0);
	CHECK_EQ(info_now(fd).environment, TDX_IOMMU_ENV_NOT_OPTED_IN);
	CHECK_EQ(info_now(fd).valid, TDX_IOMMU_VALID_VERSION | TDX_IOMMU_VALID_FEATURES0);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_UNSUPPORTED);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNSUPPORTED);
	CHECK_EQ(sim_table("setup_calls"), setups);
	CHECK_EQ(knob(SIM_FOLDER, "environment", "ok"), 0);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	close(fd);
}

void detached_backend(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	struct tdx_iommu_info info = { .size = sizeof(info) };
	struct pollfd change = { .fd = fd, .events = POLLIN };
	struct tdx_iommu_unit unit;
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };
	struct snapshot snapshot;

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	unit = unit_now(fd);
	CHECK_EQ(poll(&change, 1, 0), 0);
	CHECK_EQ(knob(SIM_FOLDER, "detached", "1"), 0);
	CHECK_EQ(poll(&change, 1, 0), 1);
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_INFO, &info), EIO);
	CHECK_EQ(take_snapshot(fd, &snapshot), EIO);
	CHECK_EQ(set_up(fd, reg_base), ERRNO(EIO));
	clear.tdx_iommu_id = unit.tdx_iommu_id;
	clear.setup_seq = unit.setup_seq;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), EIO);
	CHECK_EQ(knob(SIM_FOLDER, "detached", "0"), 0);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(unit_now(fd).tdx_iommu_id, unit.tdx_iommu_id);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}

/* It goes while a SETUP runs: the caller hears EIO, and the pages are kept. */
void detached_in_setup(void)
{
	int fd = must_open(O_RDWR), status;
	uint64_t reg_base = first_unit();
	pid_t child;

	script("leaf=setup unit=any delay_ms=3000");
	child = fork();
	if (!child)
		_exit(set_up(fd, reg_base) == ERRNO(EIO) ? 0 : 1);
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_SETTING_UP), 1);
	CHECK_EQ(knob(SIM_FOLDER, "detached", "1"), 0);
	waitpid(child, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_EQ(knob(SIM_FOLDER, "detached", "0"), 0);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(unit_now(fd).flags & TDX_IOMMU_UNIT_ID_VALID, 0);
	CHECK_EQ(info_now(fd).pages_donated, unit_now(fd).pages_donated);
	CHECK(unit_now(fd).pages_donated > 0);
	script("clear");
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(info_now(fd).pages_donated, 0);
	close(fd);
}

static int is_refused(int error)
{
	return error == EWOULDBLOCK || error == EBUSY;
}

void pinned_modules(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	pid_t child;

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
	CHECK(is_refused(unload_module("tdx_connect_sim")));
	CHECK(is_refused(unload_module("tdx_iommu")));
	fd = must_open(O_RDWR);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	/* In transition, and no process has the device open. */
	script("leaf=clear unit=any delay_ms=4000");
	child = fork();
	if (!child)
		_exit(clear_up(fd, reg_base));
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_CLEARING), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
	CHECK(is_refused(unload_module("tdx_connect_sim")));
	CHECK(is_refused(unload_module("tdx_iommu")));
	fd = must_open(O_RDWR);
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_UNTRUSTED), 1);
	close(fd);
}

/* Only the freezer is tried: a machine that did fall asleep would end the test. */
void no_sleep(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();

	if (knob("/sys/power/", "pm_test", "freezer")) {
		close(fd);
		printf("# no pm_test in this kernel: the veto is not shown\n");
		CHECK(0);
		return;
	}
	/* Nothing stands against it, and afterwards all is as before. */
	CHECK_EQ(knob("/sys/power/", "state", "freeze"), 0);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(knob("/sys/power/", "state", "freeze"), EBUSY);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(knob("/sys/power/", "pm_test", "none"), 0);
	close(fd);
}

/* Another load of the simulator: a new instance, other page counts, every way to call CLEAR. */
void other_backends(void)
{
	static const uint32_t profiles[] = { TDX_IOMMU_PROFILE_UNKNOWN, TDX_IOMMU_PROFILE_V2, TDX_IOMMU_PROFILE_NEWEST };
	uint64_t reg_base = first_unit(), seq = 0;
	struct tdx_iommu_info before, info;
	char parameters[64];
	uint32_t i;
	int fd;

	fd = must_open(O_RDONLY);
	before = info_now(fd);
	for (i = 0; i < 3; i++) {
		close(fd);
		CHECK_EQ(unload_module("tdx_connect_sim"), 0);
		snprintf(parameters, sizeof(parameters), "abi_profile=%u mt_page_count=%u", profiles[i], 1 + i * 3);
		if (load_module("tdx_connect_sim", parameters))
			bail_out("the simulator is not there to be loaded again");
		fd = must_open(O_RDWR);
		info = info_now(fd);
		CHECK(memcmp(info.instance, before.instance, sizeof(info.instance)) != 0);
		CHECK_EQ(info.abi_profile, profiles[i]);
		CHECK_EQ(info.mt_page_count, 1 + i * 3);
		before = info;
		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK(unit_now(fd).setup_seq > seq);
		seq = unit_now(fd).setup_seq;
		CHECK_EQ(unit_now(fd).pages_donated, TDX_MT_PAGES(1 + i * 3));
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(unit_now(fd).pages_retained, 0);
		CHECK_EQ(sim_table("pages_owned"), 0);
		/* In whatever order the released pages are listed, they are the same. */
		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		seq = unit_now(fd).setup_seq;
		script("leaf=clear unit=any list=2");
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(unit_now(fd).pages_retained, 0);
		CHECK_EQ(sim_table("write_backs"), profiles[i] == TDX_IOMMU_PROFILE_NEWEST ? 0 : 2 * TDX_MT_PAGES(1 + i * 3));
		CHECK_EQ(sim_table("write_backs_refused"), 0);
	}
	close(fd);
}

/* There is no TDX module on this machine, real or simulated, and QEMU's unit is an ordinary one. */
void no_backend(void)
{
	int fd = must_open(O_RDONLY);
	struct tdx_iommu_info before = info_now(fd), info;
	struct pollfd change = { .fd = fd, .events = POLLIN };
	uint64_t reg_base = unit_now(fd).reg_base;
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };

	CHECK_EQ(poll(&change, 1, 0), 0);
	CHECK_EQ(unload_module("tdx_connect_sim"), 0);
	CHECK_EQ(poll(&change, 1, 0), 1);
	info = info_now(fd);
	CHECK(memcmp(info.instance, before.instance, sizeof(info.instance)) != 0);
	CHECK_EQ(info.flags, TDX_IOMMU_INFO_DID_UNRESERVED | TDX_IOMMU_INFO_NOT_AFTER);
	CHECK_EQ(info.environment, TDX_IOMMU_ENV_UD);
	CHECK_EQ(unit_now(fd).ecap & TDX_ECAP_CONNECT, 0);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNSUPPORTED);
	close(fd);
	fd = must_open(O_RDWR);
	CHECK_EQ(set_up(fd, reg_base), ERRNO(EOPNOTSUPP));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), EOPNOTSUPP);
	CHECK_EQ(set_up(fd, 0x1000), ERRNO(ENOENT));
	close(fd);
	/* With real calls allowed there still is no TDX module. */
	CHECK_EQ(unload_module("tdx_iommu"), 0);
	if (load_module("tdx_iommu", "real_setup=1"))
		bail_out("the driver is not there to be loaded again");
	fd = must_open(O_RDWR);
	CHECK_EQ(info_now(fd).flags, TDX_IOMMU_INFO_DID_UNRESERVED | TDX_IOMMU_INFO_NOT_AFTER | TDX_IOMMU_INFO_REAL_SETUP);
	CHECK_EQ(set_up(fd, reg_base), ERRNO(ENODEV));
	close(fd);
	CHECK_EQ(unload_module("tdx_iommu"), 0);
	if (load_module("tdx_iommu", "") || load_module("tdx_connect_sim", ""))
		bail_out("the modules are not there to be loaded again");
}

/* The last cases: what is retained never comes back. */
void retained_pages(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	uint32_t given = TDX_MT_PAGES(info_now(fd).mt_page_count);

	script("leaf=setup unit=any status=0x%llx", TDX_PAGE_NOT_FREE | TDX_OPERAND_PAGE);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(unit_now(fd).flags, TDX_IOMMU_UNIT_PAGES_RETAINED);
	CHECK_EQ(unit_now(fd).pages_retained, given);
	CHECK_EQ(info_now(fd).pages_retained, given);
	CHECK_EQ(info_now(fd).pages_donated, 0);
	/* Other pages do, and those stay where they are. */
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(info_now(fd).pages_donated, given);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(info_now(fd).pages_retained, given);
	CHECK_EQ(info_now(fd).pages_donated, 0);
	close(fd);
	CHECK(is_refused(unload_module("tdx_connect_sim")));
	CHECK(is_refused(unload_module("tdx_iommu")));
}

void another_module(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();
	struct tdx_iommu_info before = info_now(fd);
	uint32_t given = TDX_MT_PAGES(before.mt_page_count);
	struct tdx_iommu_unit unit, now;
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	unit = unit_now(fd);
	CHECK_EQ(knob(SIM_FOLDER, "environment", "lost"), 0);
	now = unit_now(fd);
	CHECK_EQ(now.state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(now.flags, TDX_IOMMU_UNIT_PAGES_RETAINED);
	CHECK_EQ(now.pages_retained, before.pages_retained + given);
	/* The driver is the same, and so is its instance: the id is stale, not of another world. */
	CHECK(memcmp(info_now(fd).instance, before.instance, sizeof(before.instance)) == 0);
	clear.tdx_iommu_id = unit.tdx_iommu_id;
	clear.setup_seq = unit.setup_seq;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), ESTALE);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK(unit_now(fd).setup_seq > unit.setup_seq);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}
