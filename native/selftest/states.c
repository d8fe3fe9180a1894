// SPDX-License-Identifier: GPL-2.0
/* What SETUP and CLEAR do to a unit. Each test ends with the unit clear. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "selftest.h"

#define RESUMABLE "0x8000000300000000"
#define BUSY_RCX "0x8000020000000001"
#define INVALID_RCX "0xC000010000000001"
#define ECMD_TIMEOUT "0x80000F5100000000"

static void cleared(int fd)
{
	struct tdx_iommu_unit unit = first_unit(fd);
	struct tdx_iommu_clear clear;

	CHECK(call_clear(fd, &unit, &clear) == 0);
	CHECK(clear.outcome == TDX_IOMMU_DONE && clear.unit.state == TDX_IOMMU_UNTRUSTED);
	CHECK(!(clear.unit.flags & TDX_IOMMU_UNIT_ID_VALID));
	CHECK(module_says("pages_owned ") == 0 && module_says("corrupted ") == 0);
	close(fd);
}

static void info_says_what_it_is(void)
{
	struct tdx_iommu_info info;
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	CHECK(call_info(fd, &info) == 0);
	CHECK(info.flags == (TDX_IOMMU_INFO_SIMULATED | TDX_IOMMU_INFO_DID_UNRESERVED));
	CHECK(info.environment == TDX_IOMMU_ENV_OK && info.mt_page_count > 0);
	CHECK(info.pages_donated == 0 && info.pages_retained == 0);
	close(fd);
}

static void setup_and_clear_are_a_round_trip(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_info info;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(call_info(fd, &info) == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_DONE && setup.unit.state == TDX_IOMMU_TRUSTED);
	CHECK(setup.unit.flags & TDX_IOMMU_UNIT_ID_VALID);
	CHECK(setup.unit.pages_donated == info.mt_page_count + 4);
	CHECK(module_says("pages_owned ") == setup.unit.pages_donated);
	CHECK(call_setup(fd, setup.reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_ALREADY);
	cleared(fd);
}

static void sequence_numbers_are_never_reused(void)
{
	struct tdx_iommu_setup setup;
	unsigned long long last = 0;
	int i, fd;

	for (i = 0; i < 5; i++) {
		fd = device_open(O_RDWR);
		CHECK(fd >= 0);
		CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
		CHECK(setup.unit.setup_seq > last);
		last = setup.unit.setup_seq;
		cleared(fd);
	}
}

static void clear_wants_the_id_and_the_sequence(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	struct tdx_iommu_unit wrong;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	wrong = first_unit(fd);
	CHECK_ERRNO(call_clear(fd, &wrong, &clear), ESTALE);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	wrong = setup.unit;
	wrong.tdx_iommu_id++;
	CHECK_ERRNO(call_clear(fd, &wrong, &clear), ESTALE);
	wrong = setup.unit;
	wrong.setup_seq++;
	CHECK_ERRNO(call_clear(fd, &wrong, &clear), ESTALE);
	CHECK(first_unit(fd).state == TDX_IOMMU_TRUSTED);
	cleared(fd);
}

static void unknown_units_are_refused(void)
{
	struct tdx_iommu_unit nobody = { .reg_base = 0x1000 };
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK_ERRNO(call_setup(fd, 0x1000, &setup), ENOENT);
	CHECK_ERRNO(call_setup(fd, first_unit(fd).reg_base + 1, &setup), ENOENT);
	CHECK_ERRNO(call_clear(fd, &nobody, &clear), ENOENT);
	close(fd);
}

static void resumable_calls_are_resumed(void)
{
	struct tdx_iommu_setup setup;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(script("fault", "leaf=any status=" RESUMABLE " count=7") == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_DONE && setup.unit.attempts == 8);
	cleared(fd);
}

static void a_busy_module_is_no_failure(const char *status)
{
	struct tdx_iommu_setup setup;
	int fd = device_open(O_RDWR);
	char line[128];

	CHECK(fd >= 0);
	snprintf(line, sizeof(line), "leaf=setup status=%s", status);
	CHECK(script("fault", line) == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_RETRY && setup.unit.flags & TDX_IOMMU_UNIT_RETRYABLE);
	CHECK(setup.unit.state == TDX_IOMMU_FAILED);
	CHECK(setup.unit.pages_donated + setup.unit.pages_retained > 0);
	CHECK(call_setup(fd, setup.reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_DONE);
	CHECK(setup.unit.pages_retained == 0);
	cleared(fd);
}

static void busy_is_retried_with_the_same_pages(void)
{
	a_busy_module_is_no_failure(BUSY_RCX);
}

static void a_timeout_is_retried_with_the_same_pages(void)
{
	a_busy_module_is_no_failure(ECMD_TIMEOUT);
}

static void a_refused_unit_is_unsupported(void)
{
	struct tdx_iommu_setup setup;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(script("fault", "leaf=setup status=" INVALID_RCX) == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_OUT_UNSUPPORTED && setup.unit.state == TDX_IOMMU_UNSUPPORTED);
	CHECK(setup.unit.pages_donated == 0 && setup.unit.pages_retained == 0);
	CHECK(call_setup(fd, setup.reg_base, &setup) == 0);
	CHECK(setup.outcome == TDX_IOMMU_DONE);
	cleared(fd);
}

static void a_refused_clear_keeps_id_and_pages(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(script("fault", "leaf=clear status=" BUSY_RCX) == 0);
	CHECK(call_clear(fd, &setup.unit, &clear) == 0);
	CHECK(clear.outcome == TDX_IOMMU_RETRY);
	CHECK(clear.unit.tdx_iommu_id == setup.unit.tdx_iommu_id && clear.unit.setup_seq == setup.unit.setup_seq);
	CHECK(clear.unit.pages_donated == setup.unit.pages_donated);
	cleared(fd);
}

static int polled(int fd, int timeout_ms)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, timeout_ms);
}

static void poll_tells_of_changes(void)
{
	struct tdx_iommu_setup setup;
	int reader = device_open(O_RDONLY);
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0 && reader >= 0);
	CHECK(polled(reader, 0) == 1);
	CHECK(first_unit(reader).reg_base);
	CHECK(polled(reader, 0) == 0);
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(polled(reader, 0) == 1);
	CHECK(first_unit(reader).state == TDX_IOMMU_TRUSTED);
	CHECK(polled(reader, 0) == 0);
	close(reader);
	cleared(fd);
}

const struct test state_tests[] = {
	{ "INFO says what it is", info_says_what_it_is },
	{ "SETUP and CLEAR are a round trip", setup_and_clear_are_a_round_trip },
	{ "sequence numbers are never reused", sequence_numbers_are_never_reused },
	{ "CLEAR wants the id and the sequence", clear_wants_the_id_and_the_sequence },
	{ "unknown units are refused", unknown_units_are_refused },
	{ "resumable calls are resumed", resumable_calls_are_resumed },
	{ "busy is retried with the same pages", busy_is_retried_with_the_same_pages },
	{ "a timeout is retried with the same pages", a_timeout_is_retried_with_the_same_pages },
	{ "a refused unit is unsupported", a_refused_unit_is_unsupported },
	{ "a refused CLEAR keeps id and pages", a_refused_clear_keeps_id_and_pages },
	{ "poll tells of changes", poll_tells_of_changes },
	{ NULL, NULL },
};
