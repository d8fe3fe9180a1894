/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A link TSM with the kernel's own PCI/TSM core. A kernel without that core has none, and needs
 * none of this.
 */
#ifndef TDX_CONNECT_SIM_LINK_H
#define TDX_CONNECT_SIM_LINK_H

#include <linux/errno.h>
#include <linux/kconfig.h>

struct device;

#if IS_ENABLED(CONFIG_PCI_TSM)
/* The TSM is a child of `parent`; NULL: of a device of its own. */
int connect_sim_link_start(struct device *parent);
void connect_sim_link_stop(void);
/* A line `0000:01:00.0`. */
int connect_sim_link_lose(const char *address);
/* tdi.c: the same. Binding is refused (-EINVAL) while no link is connected. */
int connect_sim_tdi_bind(const char *address);
int connect_sim_tdi_unbind(const char *address);
#else
static inline int connect_sim_link_start(struct device *parent)
{
	return 0;
}

static inline void connect_sim_link_stop(void) {}

static inline int connect_sim_link_lose(const char *address)
{
	return -EOPNOTSUPP;
}

static inline int connect_sim_tdi_bind(const char *address)
{
	return -EOPNOTSUPP;
}

static inline int connect_sim_tdi_unbind(const char *address)
{
	return -EOPNOTSUPP;
}
#endif

#endif
