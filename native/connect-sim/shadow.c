// SPDX-License-Identifier: GPL-2.0
#include <linux/bitfield.h>
#include <linux/string.h>

#include "shadow.h"

#define DOE_AT 0xe80
#define FIRST_BLOCK (PCI_IDE_LINK_STREAM_0 / 4)
#define BRIDGE_CONTROL 0x3c /* in the upper half */
#define BRIDGE_RESET BIT(22)

void connect_sim_shadow_reset(struct shadow *shadow)
{
	int stream;

	memset(shadow->words, 0, sizeof(shadow->words));
	shadow->words[0] = PCI_EXT_CAP_ID_IDE | 1 << 16 | (shadow->is_port ? 0 : DOE_AT << 20);
	shadow->words[PCI_IDE_CAP / 4] = PCI_IDE_CAP_SELECTIVE |
					 FIELD_PREP(PCI_IDE_CAP_SEL_NUM, SHADOW_STREAMS - 1) |
					 PCI_IDE_CAP_TEE_LIMITED;
	for (stream = 0; stream < SHADOW_STREAMS; stream++) {
		u32 *block = &shadow->words[FIRST_BLOCK + stream * SHADOW_BLOCK / 4];

		block[PCI_IDE_SEL_CAP / 4] = 1;
		block[PCI_IDE_SEL_CTL / 4] = FIELD_PREP(PCI_IDE_SEL_CTL_ID, 255);
	}
	shadow->lost = false;
	connect_sim_doe_reset(&shadow->doe);
}

static bool is_ide(int where)
{
	return where >= SHADOW_IDE_AT && (where - SHADOW_IDE_AT) / 4 < SHADOW_WORDS;
}

static bool is_doe(const struct shadow *shadow, int where)
{
	return !shadow->is_port && where >= DOE_AT && where < DOE_AT + PCI_DOE_CAP_SIZEOF;
}

/* Whether the word is that register of a stream. */
static bool is_of_stream(int at, int offset)
{
	return at >= FIRST_BLOCK && (at - FIRST_BLOCK) % (SHADOW_BLOCK / 4) == offset / 4;
}

static u32 stream_status(const struct shadow *shadow, int at)
{
	u32 control = shadow->words[at - PCI_IDE_SEL_STS / 4 + PCI_IDE_SEL_CTL / 4];

	if (shadow->lost)
		return PCI_IDE_SEL_STS_IDE_FAIL;
	return control & PCI_IDE_SEL_CTL_EN ? PCI_IDE_SEL_STS_STATE_SECURE : 0;
}

u32 connect_sim_shadow_read(const struct shadow *shadow, int where, u32 real)
{
	if (is_ide(where)) {
		int at = (where - SHADOW_IDE_AT) / 4;

		if (is_of_stream(at, PCI_IDE_SEL_STS))
			return stream_status(shadow, at);
		return shadow->words[at];
	}
	if (is_doe(shadow, where))
		return where == DOE_AT ? PCI_EXT_CAP_ID_DOE | 1 << 16
				       : connect_sim_doe_read(&shadow->doe, where - DOE_AT);
	if (shadow->devcap && where == shadow->devcap + PCI_EXP_DEVCAP && !shadow->is_port)
		return real | PCI_EXP_DEVCAP_TEE;
	/*
	 * A function without extended capabilities gets a null one, since the chain begins at this
	 * place.
	 */
	if (where == PCI_CFG_SPACE_SIZE && !shadow->last)
		return 1 << 16 | SHADOW_IDE_AT << 20;
	if (shadow->last && where == shadow->last)
		return (real & 0xfffff) | SHADOW_IDE_AT << 20;
	return real;
}

bool connect_sim_shadow_owns(const struct shadow *shadow, int where)
{
	return is_ide(where) || is_doe(shadow, where);
}

void connect_sim_shadow_write(struct shadow *shadow, int where, int size, u32 value)
{
	int at = (where - SHADOW_IDE_AT) / 4, shift = (where & 3) * 8;
	u32 mask = (size == 4 ? U32_MAX : (1U << size * 8) - 1) << shift;

	if (is_doe(shadow, where)) {
		connect_sim_doe_write(&shadow->doe, (where & ~3) - DOE_AT, value << shift & mask,
				      size == 4);
		return;
	}
	/* Headers, capabilities and states are read only. */
	if (at < PCI_IDE_CTL / 4 || is_of_stream(at, PCI_IDE_SEL_CAP) ||
	    is_of_stream(at, PCI_IDE_SEL_STS))
		return;
	shadow->words[at] = (shadow->words[at] & ~mask) | (value << shift & mask);
	/* A stream that is taken down may be set up again. */
	if (is_of_stream(at, PCI_IDE_SEL_CTL) && !(shadow->words[at] & PCI_IDE_SEL_CTL_EN))
		shadow->lost = false;
}

static bool sets(u32 bit, int where, u32 value)
{
	return (u64)value << (where & 3) * 8 & bit;
}

bool connect_sim_shadow_is_flr(const struct shadow *shadow, int where, u32 value)
{
	return !shadow->is_port && shadow->devcap &&
	       (where & ~3) == shadow->devcap + PCI_EXP_DEVCTL &&
	       sets(PCI_EXP_DEVCTL_BCR_FLR, where, value);
}

bool connect_sim_shadow_is_wake(const struct shadow *shadow, int where, u32 value)
{
	return !shadow->is_port && shadow->pm && where == shadow->pm + PCI_PM_CTRL &&
	       (value & PCI_PM_CTRL_STATE_MASK) == (__force u32)PCI_D0;
}

bool connect_sim_shadow_is_bus_reset(const struct shadow *shadow, int where, u32 value)
{
	return shadow->is_port && (where & ~3) == BRIDGE_CONTROL &&
	       sets(BRIDGE_RESET, where, value);
}
