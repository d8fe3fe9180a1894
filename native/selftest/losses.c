// SPDX-License-Identifier: GPL-2.0
/* The TDX module, or whoever answers for it, goes. Last, since pages that may be the module's stay lost. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "selftest.h"

static int is_readable(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, 2000) == 1;
}

static void a_detached_backend_is_eio_and_trust_is_gone(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	struct tdx_iommu_info info;
	struct tdx_iommu_unit unit;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	unit = first_unit(fd);
	CHECK(unit.state == TDX_IOMMU_TRUSTED);
	CHECK(script("detached", "1") == 0);
	CHECK(is_readable(fd));
	CHECK_ERRNO(call_info(fd, &info), EIO);
	CHECK_ERRNO(call_setup(fd, unit.reg_base, &setup), EIO);
	CHECK_ERRNO(call_clear(fd, &unit, &clear), EIO);
	CHECK(script("detached", "0") == 0);
	unit = first_unit(fd);
	CHECK(unit.state == TDX_IOMMU_UNKNOWN);
	CHECK(unit.flags & TDX_IOMMU_UNIT_ID_VALID);
	CHECK(call_clear(fd, &unit, &clear) == 0 && clear.outcome == TDX_IOMMU_DONE);
	close(fd);
}

static void without_a_module_there_is_enodev(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_info info;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(script("environment", "ud") == 0);
	CHECK(call_info(fd, &info) == 0 && info.environment == TDX_IOMMU_ENV_UD && info.valid == 0);
	CHECK_ERRNO(call_setup(fd, first_unit(fd).reg_base, &setup), ENODEV);
	CHECK(script("environment", "not_opted_in") == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_OUT_UNSUPPORTED);
	CHECK(script("environment", "ok") == 0);
	CHECK(first_unit(fd).state == TDX_IOMMU_UNTRUSTED);
	close(fd);
}

static void pages_of_an_unknown_status_are_retained(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_info info;
	unsigned int lost;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(script("fault", "leaf=setup status=0xC0000F6600000000 keep_pages=1") == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_OUT_FAILED && setup.unit.flags & TDX_IOMMU_UNIT_PAGES_RETAINED);
	lost = setup.unit.pages_retained;
	CHECK(lost > 0);
	CHECK(call_info(fd, &info) == 0 && info.pages_retained == lost);
	CHECK(module_says("corrupted ") == 0);
	close(fd);
}

static void another_load_of_the_module_knows_no_id(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_unit unit;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(script("environment", "lost") == 0);
	CHECK(is_readable(fd));
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_DONE);
	CHECK(first_unit(fd).state == TDX_IOMMU_TRUSTED);
	CHECK(script("environment", "lost") == 0);
	CHECK(is_readable(fd));
	unit = first_unit(fd);
	CHECK(unit.state == TDX_IOMMU_UNKNOWN && !(unit.flags & TDX_IOMMU_UNIT_ID_VALID));
	CHECK(unit.pages_retained > 0);
	close(fd);
}

const struct test loss_tests[] = {
	{ "a detached backend is EIO, and trust is gone", a_detached_backend_is_eio_and_trust_is_gone },
	{ "without a module there is ENODEV", without_a_module_there_is_enodev },
	{ "pages of an unknown status are retained", pages_of_an_unknown_status_are_retained },
	{ "another load of the module knows no id", another_load_of_the_module_knows_no_id },
	{ NULL, NULL },
};
