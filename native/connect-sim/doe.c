// SPDX-License-Identifier: GPL-2.0
/*
 * The mailbox's registers and its responder. Runs under the raw spinlock of registers.c, with
 * interrupts off: words in, words out.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/string.h>

#include "doe.h"
#include "sim.h"

#define HEADER 2 /* words before the payload */
#define LONGEST BIT(18) /* words */
#define FEATURES 3 /* discovery, CMA, secure CMA: their numbers are their indices */
#define NO_VENDOR 0xffff
#define ERROR_UNSPECIFIED 0x05
#define ERROR_UNSUPPORTED 0x07

void connect_sim_doe_reset(struct doe *doe)
{
	memset(doe, 0, sizeof(*doe));
}

/* Until an abort or a reset nothing else is heard. */
static void fail(struct doe *doe)
{
	connect_sim_doe_reset(doe);
	doe->error = true;
}

static void respond(struct doe *doe, u8 type, const u32 *payload, u32 words)
{
	doe->length = HEADER + words;
	doe->at = 0;
	doe->response[0] = FIELD_PREP(PCI_DOE_DATA_OBJECT_HEADER_1_VID, PCI_VENDOR_ID_PCI_SIG) |
			   FIELD_PREP(PCI_DOE_DATA_OBJECT_HEADER_1_TYPE, type);
	doe->response[1] = FIELD_PREP(PCI_DOE_DATA_OBJECT_HEADER_2_LENGTH, doe->length);
	memcpy(doe->response + HEADER, payload, words * sizeof(*payload));
}

static void discover(struct doe *doe)
{
	u32 index = FIELD_GET(PCI_DOE_DATA_OBJECT_DISC_REQ_3_INDEX, doe->request[HEADER]);
	u32 feature = FIELD_PREP(PCI_DOE_DATA_OBJECT_DISC_RSP_3_VID, NO_VENDOR);

	if (index < FEATURES)
		feature = FIELD_PREP(PCI_DOE_DATA_OBJECT_DISC_RSP_3_VID, PCI_VENDOR_ID_PCI_SIG) |
			  FIELD_PREP(PCI_DOE_DATA_OBJECT_DISC_RSP_3_TYPE, index) |
			  FIELD_PREP(PCI_DOE_DATA_OBJECT_DISC_RSP_3_NEXT_INDEX,
				     (index + 1) % FEATURES);
	respond(doe, PCI_DOE_FEATURE_DISCOVERY, &feature, 1);
}

static u32 message(u8 code, u8 param1, u8 param2)
{
	return SPDM_VERSION_1_0 | FIELD_PREP(SPDM_CODE, code) | FIELD_PREP(SPDM_PARAM1, param1) |
	       FIELD_PREP(SPDM_PARAM2, param2);
}

static void authenticate(struct doe *doe)
{
	u32 request = doe->request[HEADER];
	u32 answer[] = {
		message(SPDM_VERSION, 0, 0),
		FIELD_PREP(SPDM_VERSION_COUNT, 1) | FIELD_PREP(SPDM_VERSION_FIRST, 0x1000),
	};

	connect_sim.link.exchanges++;
	if (lower_16_bits(request) != message(SPDM_GET_VERSION, 0, 0)) {
		answer[0] = message(SPDM_ERROR, ERROR_UNSUPPORTED, FIELD_GET(SPDM_CODE, request));
		respond(doe, PCI_DOE_FEATURE_CMA, answer, 1);
	} else if (connect_sim.link.auth_fails) {
		connect_sim.link.auth_fails--;
		answer[0] = message(SPDM_ERROR, ERROR_UNSPECIFIED, 0);
		respond(doe, PCI_DOE_FEATURE_CMA, answer, 1);
	} else {
		respond(doe, PCI_DOE_FEATURE_CMA, answer, ARRAY_SIZE(answer));
	}
}

/* An object of another length than it says, or of an unknown kind, is dropped. */
static void go(struct doe *doe)
{
	u32 header = doe->request[0], written = doe->written;
	u32 length = FIELD_GET(PCI_DOE_DATA_OBJECT_HEADER_2_LENGTH, doe->request[1]);

	doe->written = 0;
	if (written <= HEADER || written != (length ? length : LONGEST))
		return;
	if (FIELD_GET(PCI_DOE_DATA_OBJECT_HEADER_1_VID, header) != PCI_VENDOR_ID_PCI_SIG)
		return;
	switch (FIELD_GET(PCI_DOE_DATA_OBJECT_HEADER_1_TYPE, header)) {
	case PCI_DOE_FEATURE_DISCOVERY:
		discover(doe);
		break;
	case PCI_DOE_FEATURE_CMA:
		authenticate(doe);
		break;
	default:
		/* Secure CMA, too: without a session nothing can be decrypted. */
		break;
	}
}

u32 connect_sim_doe_read(const struct doe *doe, int at)
{
	switch (at) {
	case PCI_DOE_STATUS:
		return (doe->error ? PCI_DOE_STATUS_ERROR : 0) |
		       (doe->length ? PCI_DOE_STATUS_DATA_OBJECT_READY : 0);
	case PCI_DOE_READ:
		return doe->length ? doe->response[doe->at] : 0;
	default:
		/* No interrupts; Go, Abort and what is written read as 0. */
		return 0;
	}
}

void connect_sim_doe_write(struct doe *doe, int at, u32 value, bool whole)
{
	if (at == PCI_DOE_CTRL && (value & PCI_DOE_CTRL_ABORT)) {
		connect_sim_doe_reset(doe);
		return;
	}
	if (doe->error)
		return;
	if (at == PCI_DOE_CTRL && (value & PCI_DOE_CTRL_GO)) {
		/* The answer before was not fetched, and there is room for one. */
		if (doe->length)
			fail(doe);
		else
			go(doe);
	} else if (at == PCI_DOE_WRITE && whole) {
		if (doe->written < ARRAY_SIZE(doe->request))
			doe->request[doe->written] = value;
		if (++doe->written > LONGEST)
			fail(doe);
	} else if (at == PCI_DOE_READ && whole) {
		/* Whatever is written says that the word was read. */
		if (!doe->length)
			fail(doe);
		else if (++doe->at == doe->length)
			doe->length = 0;
	}
}
