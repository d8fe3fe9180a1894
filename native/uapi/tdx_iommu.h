/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/tdx_iommu: put VT-d remapping units into TDX mode (TDH.IOMMU.SETUP), take them out
 * (TDH.IOMMU.CLEAR), and tell which are in it.
 *
 * Every struct is extensible: its first member is its size as the caller knows it; a longer struct
 * is accepted when its unknown tail is zero (else E2BIG), a shorter one when it covers the members
 * of version 1 (else EINVAL). The driver recognises a command by type and number only, so that the
 * size inside a command number may grow. Unknown flags and padding that is not zero: EINVAL.
 * Unknown command: ENOTTY. All members have the same offsets for 32 and 64 bit callers.
 *
 * Return value 0 means: carried out, read @outcome. A SEAMCALL that was refused is not an errno.
 *
 * Errors, one meaning each for all commands:
 *   ENODEV      no TDX module can be called on this host (INFO says why in @environment)
 *   ENOENT      unknown unit
 *   EBUSY       open: the one writer is taken
 *   ESTALE      CLEAR: the id or the sequence number is not the unit's
 *   ENOMEM      no pages on any node
 *   EINTR       the caller was killed; an operation that has begun goes on, and a repeat joins it;
 *               one that waits for its turn is dropped, unless another caller waits for it, too
 *   EOPNOTSUPP  SETUP and CLEAR with real SEAMCALLs are not enabled
 *   EIO         the SEAMCALL backend is gone, or went while the operation ran
 *   ETIME       CLEAR: its turn came after @not_after, and nothing was issued
 *   EPERM       no CAP_SYS_ADMIN, at open and at each call
 *   EBADF       SETUP or CLEAR on a descriptor opened read-only
 *
 * open(O_RDWR): one at a time. open(O_RDONLY): any number, for INFO, LIST and poll.
 *
 * poll: POLLIN while the generation of the table differs from the one that this file's last LIST
 * gave, or the TDX module's identity is not the one the table was made under; true before the first
 * LIST.
 */
#ifndef _UAPI_LINUX_TDX_IOMMU_H
#define _UAPI_LINUX_TDX_IOMMU_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* 2: CLEAR has @not_after */
#define TDX_IOMMU_ABI_VERSION 2
#define TDX_IOMMU_INSTANCE_BYTES 16
#define TDX_IOMMU_IOC_TYPE 0xE7

/* tdx_iommu_info.flags */
#define TDX_IOMMU_INFO_SIMULATED 0x1U /* the SEAMCALLs are answered by a simulator */
#define TDX_IOMMU_INFO_REAL_SETUP 0x2U /* real SETUP and CLEAR are enabled */
/* The kernel does not keep the upper half of the domain ids free. */
#define TDX_IOMMU_INFO_DID_UNRESERVED 0x4U
#define TDX_IOMMU_INFO_NOT_AFTER 0x8U /* CLEAR honours @not_after; without it, it is E2BIG */

/* tdx_iommu_info.abi_profile: how this TDX module's CLEAR is called */
enum tdx_iommu_profile {
	/* With the root page; a list of released pages may be there, and must be right then. */
	TDX_IOMMU_PROFILE_UNKNOWN = 0,
	TDX_IOMMU_PROFILE_V2 = 1, /* with the root page, which lists the released pages */
	TDX_IOMMU_PROFILE_NEWEST = 2, /* with the id only */
};

/* tdx_iommu_info.environment: whether SEAMCALLs are possible */
enum tdx_iommu_environment {
	TDX_IOMMU_ENV_OK = 0,
	TDX_IOMMU_ENV_UD = 1, /* #UD: no VMX on this CPU, or no SEAM */
	TDX_IOMMU_ENV_GP = 2, /* #GP: TDX is not enabled by the firmware */
	TDX_IOMMU_ENV_VMFAILINVALID = 3, /* no TDX module is loaded */
	TDX_IOMMU_ENV_NOT_READY = 4, /* the module is not initialised */
	TDX_IOMMU_ENV_NOT_OPTED_IN = 5, /* the module runs without TDX Connect */
};

/* tdx_iommu_info.valid: which members could be read */
/* module_major .. module_internal, build_num, build_date */
#define TDX_IOMMU_VALID_VERSION 0x1U
#define TDX_IOMMU_VALID_FEATURES0 0x2U /* features0 */
#define TDX_IOMMU_VALID_MT_PAGE_COUNT 0x4U /* mt_page_count */

/**
 * struct tdx_iommu_info - identity and means of the driver and of the TDX module
 * @size: in: sizeof(struct tdx_iommu_info)
 * @flags: in: 0. out: TDX_IOMMU_INFO_*
 * @abi_version: TDX_IOMMU_ABI_VERSION
 * @abi_profile: enum tdx_iommu_profile
 * @environment: enum tdx_iommu_environment
 * @module_major: version of the TDX module
 * @module_minor: version of the TDX module
 * @module_update: version of the TDX module
 * @module_internal: version of the TDX module
 * @build_num: build number of the TDX module
 * @build_date: build date of the TDX module, decimal yyyymmdd
 * @mt_page_count: global metadata iommu_mt_page_count
 * @features0: global metadata TDX_FEATURES0; bit 6 is TDX Connect
 * @valid: TDX_IOMMU_VALID_*
 * @reserved: 0
 * @instance: random, new at each load of the driver: an id of another instance is history
 * @pages_donated: sum of the units' @pages_donated
 * @pages_retained: sum of the units' @pages_retained, and of units that are no more
 */
struct tdx_iommu_info {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 abi_profile;
	__u32 environment;
	__u32 module_major;
	__u32 module_minor;
	__u32 module_update;
	__u32 module_internal;
	__u32 build_num;
	__u32 build_date;
	__u32 mt_page_count;
	__aligned_u64 features0;
	__u32 valid;
	__u32 reserved;
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	__aligned_u64 pages_donated;
	__aligned_u64 pages_retained;
};

enum tdx_iommu_unit_state {
	TDX_IOMMU_UNKNOWN = 0, /* the module changed or can't be asked, or the unit is silent */
	TDX_IOMMU_UNSUPPORTED = 1, /* no ECAP bit 50, no TDX Connect, or refused by the module */
	TDX_IOMMU_UNTRUSTED = 2,
	TDX_IOMMU_SETTING_UP = 3,
	TDX_IOMMU_TRUSTED = 4,
	TDX_IOMMU_CLEARING = 5,
	TDX_IOMMU_FAILED = 6, /* the last call was refused; the flags say what is left */
	TDX_IOMMU_FOREIGN = 7, /* in TDX mode without an id of ours: never touched */
};

/* tdx_iommu_unit.flags */
#define TDX_IOMMU_UNIT_ID_VALID 0x1U /* tdx_iommu_id is an id; 0 may be one */
#define TDX_IOMMU_UNIT_PAGES_RETAINED 0x2U /* pages_retained is not 0 */
/* The last call ended in RETRY: a repeat uses the same pages. */
#define TDX_IOMMU_UNIT_RETRYABLE 0x4U

/**
 * struct tdx_iommu_unit - one VT-d remapping unit
 * @reg_base: key: physical base of its registers (DRHD)
 * @segment: PCI segment
 * @numa_node: -1 when the firmware names none
 * @cap: capability register
 * @ecap: extended capability register; bit 50 is TDX Connect
 * @gsts: global status register
 * @state: enum tdx_iommu_unit_state
 * @flags: TDX_IOMMU_UNIT_*
 * @leaf: SEAMCALL leaf of the last finished call, 0 for none
 * @tdx_iommu_id: the module's handle, with ID_VALID only
 * @setup_seq: names the last SETUP that gave an id; never reused
 * @status: full RAX of the last attempt of that call; the operand id is in bits 31:0
 * @duration_ns: how long that call took, all attempts
 * @attempts: how often the leaf was issued for it
 * @reserved: 0
 * @pages_donated: IOMMU_MT pages under the id, or set aside for a call that goes on or may be
 * repeated
 * @pages_retained: further pages which the TDX module may own although no id holds them; never
 * freed
 *
 * leaf, status, attempts and duration_ns change when a call ends, together with the generation.
 */
struct tdx_iommu_unit {
	__aligned_u64 reg_base;
	__u32 segment;
	__s32 numa_node;
	__aligned_u64 cap;
	__aligned_u64 ecap;
	__u32 gsts;
	__u32 state;
	__u32 flags;
	__u32 leaf;
	__aligned_u64 tdx_iommu_id;
	__aligned_u64 setup_seq;
	__aligned_u64 status;
	__aligned_u64 duration_ns;
	__u32 attempts;
	__u32 reserved;
	__u32 pages_donated;
	__u32 pages_retained;
};

/**
 * struct tdx_iommu_list - one atomic snapshot of the table
 * @size: in: sizeof(struct tdx_iommu_list)
 * @flags: in: 0
 * @entry_size: in: sizeof(struct tdx_iommu_unit) of the caller. out: of the driver
 * @capacity: in: how many entries fit at @entries
 * @entries: in: user address of an array of struct tdx_iommu_unit, by reg_base ascending
 * @count: out: how many were written
 * @total: out: how many units there are; more than @count is success
 * @generation: out: changes with every change of the table
 * @instance: out: as in INFO
 *
 * Reads the TDX module's identity too: a change or a fault turns TRUSTED units into UNKNOWN before
 * the snapshot is taken.
 */
struct tdx_iommu_list {
	__u32 size;
	__u32 flags;
	__u32 entry_size;
	__u32 capacity;
	__aligned_u64 entries;
	__u32 count;
	__u32 total;
	__aligned_u64 generation;
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
};

/*
 * What SETUP or CLEAR did to the unit. What to do next, and when, follows from its leaf and status.
 */
enum tdx_iommu_outcome {
	TDX_IOMMU_DONE = 0,
	TDX_IOMMU_ALREADY = 1, /* SETUP of a trusted unit: no SEAMCALL was made */
	TDX_IOMMU_OUT_UNSUPPORTED = 2,
	TDX_IOMMU_RETRY = 3, /* busy: pages are kept and a repeat uses the same root page */
	TDX_IOMMU_OUT_FAILED = 4,
};

/**
 * struct tdx_iommu_setup - put a unit into TDX mode
 * @size: in: sizeof(struct tdx_iommu_setup)
 * @flags: in: 0
 * @reg_base: in: which unit
 * @outcome: out: enum tdx_iommu_outcome
 * @reserved: 0
 * @unit: out: the unit afterwards
 *
 * FAILED without a SEAMCALL: the unit is FOREIGN, or has an id and is not TRUSTED (CLEAR it first),
 * or its own registers forbid it, which the log explains: then it is FAILED with the status
 * TDX_IOMMU_INVALID_STATE of a SETUP of 0 attempts. DONE with the state UNKNOWN: there is an id,
 * but no proof of trust.
 */
struct tdx_iommu_setup {
	__u32 size;
	__u32 flags;
	__aligned_u64 reg_base;
	__u32 outcome;
	__u32 reserved;
	struct tdx_iommu_unit unit;
};

/**
 * struct tdx_iommu_clear - take a unit out of TDX mode
 * @size: in: sizeof(struct tdx_iommu_clear)
 * @flags: in: 0
 * @reg_base: in: which unit
 * @tdx_iommu_id: in: must be the unit's
 * @setup_seq: in: must be the unit's
 * @outcome: out: enum tdx_iommu_outcome, never ALREADY or UNSUPPORTED
 * @reserved: 0
 * @unit: out: the unit afterwards; after RETRY and FAILED it keeps its id and pages
 * @not_after: in: CLOCK_MONOTONIC of the initial time namespace in ns, 0 = none. Since version 2
 *
 * A CLEAR is decided on a look at who uses the devices, and that look ages while the call waits for
 * its turn: one whose turn comes later than @not_after is not issued (ETIME). It is looked at once,
 * before the state is CLEARING; what has begun goes on to its end. A caller that joins another's
 * CLEAR sets the later of both.
 */
struct tdx_iommu_clear {
	__u32 size;
	__u32 flags;
	__aligned_u64 reg_base;
	__aligned_u64 tdx_iommu_id;
	__aligned_u64 setup_seq;
	__u32 outcome;
	__u32 reserved;
	struct tdx_iommu_unit unit;
	__aligned_u64 not_after;
};

#define TDX_IOMMU_CLEAR_SIZE_VER1 136U /* without @not_after */

#define TDX_IOMMU_IOC_INFO _IOWR(TDX_IOMMU_IOC_TYPE, 0, struct tdx_iommu_info)
#define TDX_IOMMU_IOC_LIST _IOWR(TDX_IOMMU_IOC_TYPE, 1, struct tdx_iommu_list)
#define TDX_IOMMU_IOC_SETUP _IOWR(TDX_IOMMU_IOC_TYPE, 2, struct tdx_iommu_setup)
#define TDX_IOMMU_IOC_CLEAR _IOWR(TDX_IOMMU_IOC_TYPE, 3, struct tdx_iommu_clear)

#endif /* _UAPI_LINUX_TDX_IOMMU_H */
