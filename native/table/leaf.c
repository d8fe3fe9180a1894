// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Which leaf a number is. */
#include "leaf.h"

static const struct tdx_leaf *const leaves[] = { &tdx_leaf_setup, &tdx_leaf_clear, NULL };

const struct tdx_leaf *tdx_leaf_of(__u64 number)
{
	const struct tdx_leaf *const *at = leaves;

	while (*at && (*at)->number != number)
		at++;
	return *at;
}
