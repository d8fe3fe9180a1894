// SPDX-License-Identifier: GPL-2.0
/* The shape of the calls: sizes, flags, padding, tails, addresses, and what is written where. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

/* Each command with a struct that the driver accepts as to its shape; a unit that does not exist keeps SETUP and CLEAR from acting. */
struct shape {
	unsigned long command;
	uint32_t size;
	uint32_t first_size; /* of version 1 */
	uint32_t reserved; /* offset of padding, or 0 */
	int accepted; /* errno of the call as it is */
};

static const struct shape shapes[] = {
	{ TDX_IOMMU_IOC_INFO, sizeof(struct tdx_iommu_info), 96, offsetof(struct tdx_iommu_info, reserved), 0 },
	{ TDX_IOMMU_IOC_LIST, sizeof(struct tdx_iommu_list), 56, 0, 0 },
	{ TDX_IOMMU_IOC_SETUP, sizeof(struct tdx_iommu_setup), 120, offsetof(struct tdx_iommu_setup, reserved), ENOENT },
	{ TDX_IOMMU_IOC_CLEAR, sizeof(struct tdx_iommu_clear), TDX_IOMMU_CLEAR_SIZE_VER1, offsetof(struct tdx_iommu_clear, reserved),
	  ENOENT },
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define NO_UNIT 0x123450000ULL
#define ROOM 8192

static struct tdx_iommu_unit list_units[UNITS_MAX];

/* A well-formed struct at the start of room bytes of `tail`. */
static void form(void *at, const struct shape *shape, int tail)
{
	memset(at, tail, ROOM);
	memset(at, 0, shape->size);
	memcpy(at, &shape->size, sizeof(shape->size));
	if (shape->command == TDX_IOMMU_IOC_LIST) {
		struct tdx_iommu_list *list = at;

		list->entry_size = sizeof(list_units[0]);
		list->capacity = UNITS_MAX;
		list->entries = (uintptr_t)list_units;
	}
	if (shape->command == TDX_IOMMU_IOC_SETUP)
		((struct tdx_iommu_setup *)at)->reg_base = NO_UNIT;
	if (shape->command == TDX_IOMMU_IOC_CLEAR)
		((struct tdx_iommu_clear *)at)->reg_base = NO_UNIT;
}

static void set_u32(void *at, uint32_t offset, uint32_t value)
{
	memcpy((char *)at + offset, &value, sizeof(value));
}

/* The call is refused with this errno, and nothing of the caller's memory has changed. */
#define REFUSED(fd, shape, buffer, error)                            \
	do {                                                         \
		static char before[ROOM];                            \
		memcpy(before, buffer, ROOM);                        \
		CHECK_EQ(call(fd, (shape)->command, buffer), error); \
		CHECK(memcmp(before, buffer, ROOM) == 0);            \
	} while (0)

void sizes(void)
{
	static char buffer[ROOM];
	int fd = must_open(O_RDWR);
	uint32_t i, size;

	for (i = 0; i < SHAPES; i++) {
		const struct shape *shape = &shapes[i];

		form(buffer, shape, FILL);
		CHECK_EQ(call(fd, shape->command, buffer), shape->accepted);
		for (size = 0; size < shape->first_size; size += 4) {
			form(buffer, shape, FILL);
			set_u32(buffer, 0, size);
			REFUSED(fd, shape, buffer, EINVAL);
		}
		/* A caller who does not know of later members. */
		for (; size < shape->size; size += 4) {
			form(buffer, shape, FILL);
			set_u32(buffer, 0, size);
			CHECK_EQ(call(fd, shape->command, buffer), shape->accepted);
			CHECK_EQ(*(uint32_t *)buffer, size);
		}
		/* A tail that is not zero is something that the caller wants and the driver can't give. */
		for (size = shape->size + 1; size <= shape->size + 64; size += 9) {
			form(buffer, shape, 0);
			set_u32(buffer, 0, size);
			buffer[size - 1] = 1;
			REFUSED(fd, shape, buffer, E2BIG);
			buffer[size - 1] = 0;
			CHECK_EQ(call(fd, shape->command, buffer), shape->accepted);
			CHECK_EQ(*(uint32_t *)buffer, size);
		}
		form(buffer, shape, 0);
		set_u32(buffer, 0, 4097);
		REFUSED(fd, shape, buffer, E2BIG);
		set_u32(buffer, 0, 0xFFFFFFFF);
		REFUSED(fd, shape, buffer, E2BIG);
	}
	close(fd);
}

void flags_and_padding(void)
{
	static char buffer[ROOM];
	int fd = must_open(O_RDWR);
	uint32_t i, bit;

	for (i = 0; i < SHAPES; i++) {
		for (bit = 0; bit < 32; bit++) {
			form(buffer, &shapes[i], FILL);
			set_u32(buffer, 4, 1U << bit);
			REFUSED(fd, &shapes[i], buffer, EINVAL);
			form(buffer, &shapes[i], FILL);
			set_u32(buffer, shapes[i].reserved, 1U << bit);
			if (shapes[i].reserved)
				REFUSED(fd, &shapes[i], buffer, EINVAL);
		}
	}
	close(fd);
}

void commands(void)
{
	static char buffer[ROOM];
	int fd = must_open(O_RDWR);
	unsigned int number, i;

	for (number = 4; number < 256; number++)
		CHECK_EQ(call(fd, _IOWR(TDX_IOMMU_IOC_TYPE, number, struct tdx_iommu_info), buffer), ENOTTY);
	CHECK_EQ(call(fd, _IOWR(TDX_IOMMU_IOC_TYPE + 1, 0, struct tdx_iommu_info), buffer), ENOTTY);
	CHECK_EQ(call(fd, 0, buffer), ENOTTY);
	/* The size in a command's number belongs to the header that the caller was built with. */
	for (i = 0; i < SHAPES; i++) {
		form(buffer, &shapes[i], 0);
		CHECK_EQ(call(fd, _IOWR(TDX_IOMMU_IOC_TYPE, i, char[16]), buffer), shapes[i].accepted);
	}
	close(fd);
}

void addresses(void)
{
	char *page = pages_below_4g(4096);
	int fd = must_open(O_RDWR);
	uint32_t i;

	for (i = 0; i < SHAPES; i++) {
		const struct shape *shape = &shapes[i];
		char formed[ROOM];

		CHECK_EQ(call(fd, shape->command, NULL), EFAULT);
		CHECK_EQ(call(fd, shape->command, (void *)0xFFFFFFFFFFFFF000UL), EFAULT);
		CHECK_EQ(call(fd, shape->command, page + 4096), EFAULT);
		/* The struct runs into a hole; then it ends right before it. */
		form(formed, shape, 0);
		memcpy(page + 4096 - 16, formed, 16);
		CHECK_EQ(call(fd, shape->command, page + 4096 - 16), EFAULT);
		memcpy(page + 4096 - shape->size, formed, shape->size);
		CHECK_EQ(call(fd, shape->command, page + 4096 - shape->size), shape->accepted);
		/* The answer can't be written. */
		memcpy(page + 4096 - shape->size, formed, shape->size);
		mprotect(page, 4096, PROT_READ);
		CHECK_EQ(call(fd, shape->command, page + 4096 - shape->size), shape->accepted ? shape->accepted : EFAULT);
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
	}
	close(fd);
	munmap(page, 4096);
}

/* LIST with these in-members; 0 or the errno. */
static int list_into(int fd, struct tdx_iommu_list *list, uint32_t entry_size, uint32_t capacity, const void *entries)
{
	memset(list, FILL, sizeof(*list));
	list->size = sizeof(*list);
	list->flags = 0;
	list->entry_size = entry_size;
	list->capacity = capacity;
	list->entries = (uintptr_t)entries;
	return call(fd, TDX_IOMMU_IOC_LIST, list);
}

static int is_filled(const void *at, size_t bytes)
{
	const unsigned char *byte = at;

	for (; bytes; bytes--, byte++) {
		if (*byte != FILL)
			return 0;
	}
	return 1;
}

static int is_zero(const void *at, size_t bytes)
{
	const unsigned char *byte = at;

	for (; bytes; bytes--, byte++) {
		if (*byte)
			return 0;
	}
	return 1;
}

void list_shapes(void)
{
	enum { ENTRY = sizeof(struct tdx_iommu_unit), LONG = ENTRY + 24 };
	char *page = pages_below_4g(4096), *last = page + 4096 - ENTRY;
	struct tdx_iommu_list list;
	int fd = must_open(O_RDONLY);
	uint32_t total, size;

	CHECK_EQ(list_into(fd, &list, ENTRY, 0, NULL), 0);
	total = list.total;
	CHECK(total > 0);
	CHECK_EQ(list.count, 0);
	CHECK_EQ(list.entry_size, ENTRY);
	/* A partial copy is success. */
	memset(page, FILL, 4096);
	CHECK_EQ(list_into(fd, &list, ENTRY, total - 1, page), 0);
	CHECK_EQ(list.count, total - 1);
	CHECK_EQ(list.total, total);
	CHECK(is_filled(page + (total - 1) * ENTRY, 4096 - (total - 1) * ENTRY));
	/* Room for more than there is: nothing is written behind what there is. */
	CHECK_EQ(list_into(fd, &list, ENTRY, 4096 / ENTRY, page), 0);
	CHECK_EQ(list.count, total);
	CHECK(is_filled(page + total * ENTRY, 4096 - total * ENTRY));
	CHECK_EQ(list_into(fd, &list, ENTRY, 0xFFFFFFFF, page), 0);
	CHECK_EQ(list.count, total);
	for (size = 0; size < ENTRY; size += 8)
		CHECK_EQ(list_into(fd, &list, size, 1, page), EINVAL);
	CHECK_EQ(list_into(fd, &list, 4097, 1, page), E2BIG);
	CHECK_EQ(list_into(fd, &list, 0xFFFFFFFF, 0xFFFFFFFF, page), E2BIG);
	/* A newer caller's entries are longer: zeros. */
	memset(page, FILL, 4096);
	CHECK_EQ(list_into(fd, &list, LONG, 2, page), 0);
	CHECK(is_zero(page + ENTRY, LONG - ENTRY));
	CHECK(is_filled(page + LONG * list.count, 4096 - LONG * list.count));
	/* Entries that can't be written. */
	CHECK_EQ(list_into(fd, &list, ENTRY, 1, NULL), EFAULT);
	CHECK_EQ(list_into(fd, &list, ENTRY, 1, page + 4096), EFAULT);
	CHECK_EQ(list_into(fd, &list, ENTRY, 1, last + 8), EFAULT);
	CHECK_EQ(list_into(fd, &list, ENTRY, 1, last), 0);
	CHECK_EQ(list_into(fd, &list, ENTRY, 1, (void *)0xFFFFFFFFFFFFF000UL), EFAULT);
	close(fd);
	munmap(page, 4096);
}

void answers_leak_nothing(void)
{
	struct tdx_iommu_setup setup, other;
	struct tdx_iommu_info info;
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();

	memset(&info, FILL, sizeof(info));
	info.size = sizeof(info);
	info.flags = info.reserved = 0;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_INFO, &info), 0);
	CHECK_EQ(info.size, sizeof(info));
	CHECK_EQ(info.flags, TDX_IOMMU_INFO_SIMULATED | TDX_IOMMU_INFO_DID_UNRESERVED | TDX_IOMMU_INFO_NOT_AFTER);
	CHECK_EQ(info.abi_version, TDX_IOMMU_ABI_VERSION);
	CHECK_EQ(info.environment, TDX_IOMMU_ENV_OK);
	CHECK_EQ(info.valid, TDX_IOMMU_VALID_VERSION | TDX_IOMMU_VALID_FEATURES0 | TDX_IOMMU_VALID_MT_PAGE_COUNT);
	CHECK(info.features0 & TDX_FEATURES0_CONNECT);
	CHECK_EQ(info.reserved, 0);
	CHECK_EQ(info.pages_donated, 0);
	/* Two calls over different patterns give the same bytes: all of them are the driver's own. */
	memset(&setup, FILL, sizeof(setup));
	setup.size = sizeof(setup);
	setup.flags = setup.reserved = 0;
	setup.reg_base = reg_base;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_SETUP, &setup), 0);
	CHECK_EQ(setup.outcome, TDX_IOMMU_DONE);
	memset(&other, 0, sizeof(other));
	other.size = sizeof(other);
	other.reg_base = reg_base;
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_SETUP, &other), 0);
	CHECK_EQ(other.outcome, TDX_IOMMU_ALREADY);
	CHECK(memcmp(&setup.unit, &other.unit, sizeof(setup.unit)) == 0);
	CHECK_EQ(setup.unit.reserved, 0);
	CHECK_EQ(setup.reserved, 0);
	close(fd);
}

void compat_callers(void)
{
	struct tdx_iommu_info *info = pages_below_4g(4096);
	struct tdx_iommu_list *list = (void *)((char *)info + 512);
	struct tdx_iommu_setup *setup = (void *)((char *)info + 1024);
	struct tdx_iommu_clear *clear = (void *)((char *)info + 1536);
	struct tdx_iommu_unit *units = (void *)((char *)info + 2048);
	int fd = must_open(O_RDWR);

	*info = (struct tdx_iommu_info){ .size = sizeof(*info) };
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_INFO, info), 0);
	CHECK_EQ(info->abi_version, TDX_IOMMU_ABI_VERSION);
	*list = (struct tdx_iommu_list){ .size = sizeof(*list), .entry_size = sizeof(*units), .capacity = 8, .entries = (uintptr_t)units };
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_LIST, list), 0);
	CHECK(list->count > 0);
	*setup = (struct tdx_iommu_setup){ .size = sizeof(*setup), .reg_base = units[0].reg_base };
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_SETUP, setup), 0);
	CHECK_EQ(setup->outcome, TDX_IOMMU_DONE);
	*clear = (struct tdx_iommu_clear){ .size = sizeof(*clear),
					   .reg_base = units[0].reg_base,
					   .tdx_iommu_id = setup->unit.tdx_iommu_id,
					   .setup_seq = setup->unit.setup_seq };
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_CLEAR, clear), 0);
	CHECK_EQ(clear->outcome, TDX_IOMMU_DONE);
	CHECK_EQ(call_compat(fd, _IO(TDX_IOMMU_IOC_TYPE, 9), info), ENOTTY);
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_INFO, (char *)info + 4096), EFAULT);
	info->size = 8;
	CHECK_EQ(call_compat(fd, TDX_IOMMU_IOC_INFO, info), EINVAL);
	close(fd);
	munmap(info, 4096);
}
