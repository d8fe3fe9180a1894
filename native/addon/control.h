/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a simulated host from outside: each function is one step on the state directory. 0 or a negative errno. */
#ifndef ADDON_CONTROL_H
#define ADDON_CONTROL_H

#include "store.h"

struct control_options {
	const struct tdx_unit_facts *units;
	__u32 unit_count;
	__u32 abi_profile;
	__u32 mt_page_count;
	__u32 environment;
	__u64 features0;
	__u32 latency_ms;
	__u32 interruptions;
};

int control_create(const char *path, const struct control_options *options);
int control_add_fault(const char *path, const struct sim_fault *fault);
int control_clear_faults(const char *path);
int control_set_link(const char *path, __u64 reg_base, __u32 device, int secured);
int control_set_present(const char *path, __u64 reg_base, int present);
int control_reboot(const char *path);
int control_set_environment(const char *path, __u32 environment, int lost);
/* Reads the newest state and looks at every page's pattern; the caller closes the store. */
int control_look(const char *path, struct store *store);

#endif
