// SPDX-License-Identifier: GPL-2.0
/* Structs, sizes, flags, addresses: what is refused, and that nothing else is written. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest.h"

#define PATTERN 0xA5

/* The largest of the four structs, and room behind it. */
union argument {
	__u32 size;
	struct tdx_iommu_info info;
	struct tdx_iommu_list list;
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	unsigned char bytes[8192];
};

static const struct {
	unsigned long command;
	unsigned int size;
} commands[] = {
	{ TDX_IOMMU_IOC_INFO, sizeof(struct tdx_iommu_info) },
	{ TDX_IOMMU_IOC_LIST, sizeof(struct tdx_iommu_list) },
	{ TDX_IOMMU_IOC_SETUP, sizeof(struct tdx_iommu_setup) },
	{ TDX_IOMMU_IOC_CLEAR, sizeof(struct tdx_iommu_clear) },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int call(int fd, unsigned int at, unsigned int size, union argument *argument)
{
	argument->size = size;
	return ioctl(fd, commands[at].command, argument);
}

static void sizes_are_checked(void)
{
	int fd = device_open(O_RDWR);
	unsigned int at;

	CHECK(fd >= 0);
	for (at = 0; at < COMMANDS; at++) {
		union argument argument = { 0 };

		CHECK_ERRNO(call(fd, at, 0, &argument), EINVAL);
		CHECK_ERRNO(call(fd, at, commands[at].size - 8, &argument), EINVAL);
		CHECK_ERRNO(call(fd, at, 1U << 30, &argument), E2BIG);
		argument.bytes[commands[at].size] = 1;
		CHECK_ERRNO(call(fd, at, commands[at].size + 8, &argument), E2BIG);
	}
	close(fd);
}

static void longer_structs_with_a_zero_tail_are_accepted(void)
{
	union argument argument = { 0 };
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	CHECK(call(fd, 0, sizeof(struct tdx_iommu_info) + 64, &argument) == 0);
	CHECK(argument.info.abi_version == TDX_IOMMU_ABI_VERSION);
	CHECK(argument.size == sizeof(struct tdx_iommu_info) + 64);
	close(fd);
}

static void unknown_flags_are_refused(void)
{
	int fd = device_open(O_RDWR);
	unsigned int at;

	CHECK(fd >= 0);
	for (at = 0; at < COMMANDS; at++) {
		union argument argument = { 0 };

		argument.info.flags = 1U << 31; /* the second member of each */
		argument.list.entry_size = sizeof(struct tdx_iommu_unit);
		CHECK_ERRNO(call(fd, at, commands[at].size, &argument), EINVAL);
	}
	close(fd);
}

static void padding_that_is_not_zero_is_refused(void)
{
	struct tdx_iommu_setup setup = { .size = sizeof(setup), .reserved = 1 };
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reserved = 1 };
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	setup.reg_base = first_unit(fd).reg_base;
	CHECK(setup.reg_base);
	CHECK_ERRNO(ioctl(fd, TDX_IOMMU_IOC_SETUP, &setup), EINVAL);
	CHECK_ERRNO(ioctl(fd, TDX_IOMMU_IOC_CLEAR, &clear), EINVAL);
	CHECK(first_unit(fd).state == TDX_IOMMU_UNTRUSTED);
	close(fd);
}

static void bad_addresses_are_refused(void)
{
	struct tdx_iommu_list list = { .size = sizeof(list), .entry_size = sizeof(struct tdx_iommu_unit), .capacity = 4, .entries = 8 };
	int fd = device_open(O_RDWR);
	unsigned int at;
	void *page;

	CHECK(fd >= 0);
	for (at = 0; at < COMMANDS; at++) {
		CHECK_ERRNO(ioctl(fd, commands[at].command, NULL), EFAULT);
		CHECK_ERRNO(ioctl(fd, commands[at].command, (void *)-4096L), EFAULT);
	}
	CHECK_ERRNO(ioctl(fd, TDX_IOMMU_IOC_LIST, &list), EFAULT);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED);
	((struct tdx_iommu_info *)page)->size = sizeof(struct tdx_iommu_info);
	CHECK(mprotect(page, 4096, PROT_READ) == 0);
	CHECK_ERRNO(ioctl(fd, TDX_IOMMU_IOC_INFO, page), EFAULT);
	munmap(page, 4096);
	close(fd);
}

static void unknown_commands_are_refused(void)
{
	union argument argument = { 0 };
	int fd = device_open(O_RDWR);

	CHECK(fd >= 0);
	CHECK_ERRNO(ioctl(fd, _IOWR(TDX_IOMMU_IOC_TYPE, 4, argument.info), &argument), ENOTTY);
	CHECK_ERRNO(ioctl(fd, _IOWR(TDX_IOMMU_IOC_TYPE, 255, argument.info), &argument), ENOTTY);
	CHECK_ERRNO(ioctl(fd, _IOWR(0xE6, 0, argument.info), &argument), ENOTTY);
	close(fd);
}

static void a_command_is_known_by_type_and_number(void)
{
	union argument argument = { .size = sizeof(struct tdx_iommu_info) };
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	CHECK(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, TDX_IOMMU_IOC_TYPE, 0, 256), &argument) == 0);
	close(fd);
}

static bool is_untouched(const unsigned char *from, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at++) {
		if (from[at] != PATTERN)
			return false;
	}
	return true;
}

static void nothing_is_written_beyond_the_struct(void)
{
	union argument argument;
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	memset(&argument, PATTERN, sizeof(argument));
	argument.info.flags = 0;
	CHECK(call(fd, 0, sizeof(argument.info), &argument) == 0);
	CHECK(argument.info.reserved == 0);
	CHECK(is_untouched(argument.bytes + sizeof(argument.info), sizeof(argument) - sizeof(argument.info)));
	close(fd);
}

static void list_writes_as_many_as_fit(void)
{
	unsigned char room[4 * sizeof(struct tdx_iommu_unit)];
	struct tdx_iommu_list list;
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	memset(room, PATTERN, sizeof(room));
	CHECK(call_list(fd, (void *)room, 0, &list) == 0);
	CHECK(list.count == 0 && list.total >= 1);
	CHECK(is_untouched(room, sizeof(room)));
	CHECK(call_list(fd, (void *)room, 1, &list) == 0);
	CHECK(list.count == 1 && list.entry_size == sizeof(struct tdx_iommu_unit));
	CHECK(is_untouched(room + sizeof(struct tdx_iommu_unit), sizeof(room) - sizeof(struct tdx_iommu_unit)));
	close(fd);
}

static void list_fills_longer_entries_with_zeros(void)
{
	struct {
		struct tdx_iommu_unit unit;
		unsigned char more[24];
	} entry;
	struct tdx_iommu_list list = { .size = sizeof(list), .entry_size = sizeof(entry), .capacity = 1, .entries = (unsigned long)&entry };
	static const unsigned char zeros[24];
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	memset(&entry, PATTERN, sizeof(entry));
	CHECK(ioctl(fd, TDX_IOMMU_IOC_LIST, &list) == 0);
	CHECK(list.count == 1 && list.entry_size == sizeof(struct tdx_iommu_unit));
	CHECK(memcmp(entry.more, zeros, sizeof(zeros)) == 0);
	list = (struct tdx_iommu_list){ .size = sizeof(list), .entry_size = sizeof(entry.unit) - 8, .capacity = 1, .entries = (unsigned long)&entry };
	CHECK_ERRNO(ioctl(fd, TDX_IOMMU_IOC_LIST, &list), EINVAL);
	close(fd);
}

/* ioctl is number 54 of the 32-bit table; its pointers must lie below 4 GiB. */
static long ioctl_32(int fd, unsigned long command, void *argument)
{
	long answer;

	asm volatile("int $0x80" : "=a"(answer) : "a"(54L), "b"((long)fd), "c"(command), "d"(argument) : "memory", "r8", "r9", "r10", "r11");
	return answer;
}

static void callers_of_32_bit_get_the_same(void)
{
	union argument *low = mmap(NULL, sizeof(*low), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct tdx_iommu_info wide;
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	CHECK(low != MAP_FAILED);
	CHECK(call_info(fd, &wide) == 0);
	low->size = sizeof(low->info);
	CHECK(ioctl_32(fd, TDX_IOMMU_IOC_INFO, low) == 0);
	CHECK(memcmp(&wide, &low->info, sizeof(wide)) == 0);
	munmap(low, sizeof(*low));
	close(fd);
}

const struct test field_tests[] = {
	{ "sizes are checked for each command", sizes_are_checked },
	{ "longer structs with a zero tail are accepted", longer_structs_with_a_zero_tail_are_accepted },
	{ "unknown flags are refused for each command", unknown_flags_are_refused },
	{ "padding that is not zero is refused", padding_that_is_not_zero_is_refused },
	{ "bad addresses are refused for each command", bad_addresses_are_refused },
	{ "unknown commands are refused", unknown_commands_are_refused },
	{ "a command is known by type and number", a_command_is_known_by_type_and_number },
	{ "nothing is written beyond the struct", nothing_is_written_beyond_the_struct },
	{ "LIST writes as many entries as fit", list_writes_as_many_as_fit },
	{ "LIST fills longer entries with zeros", list_fills_longer_entries_with_zeros },
	{ "callers of 32 bit get the same", callers_of_32_bit_get_the_same },
	{ NULL, NULL },
};
