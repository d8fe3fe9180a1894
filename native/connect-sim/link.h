/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A link TSM with the kernel's own PCI/TSM core. A kernel without that core has none, and needs
 * none of this.
 */
#ifndef TDX_CONNECT_SIM_LINK_H
#define TDX_CONNECT_SIM_LINK_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct device;

/* Scripted by tests. */
extern u32 link_auth_fails; /* so many connects fail: an endpoint answers ERROR */
extern u32 link_exchanges; /* so many requests of SPDM have come to endpoints */
extern u32 link_remove_ms; /* a context takes so long to go, under PCI/TSM's semaphore */
extern bool link_before_setup; /* a link may be secured although its unit is not trusted */

#if IS_ENABLED(CONFIG_PCI_TSM)
/* The TSM is a child of `parent`; NULL: of a device of its own. */
int link_start(struct device *parent);
void link_stop(void);
/* A line `0000:01:00.0`. */
int link_lose(const char *address);
#else
static inline int link_start(struct device *parent)
{
	return 0;
}

static inline void link_stop(void) {}

static inline int link_lose(const char *address)
{
	return -EOPNOTSUPP;
}
#endif

#endif
