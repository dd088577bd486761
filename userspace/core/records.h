/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The greylist's memory: what is known of a triplet or a source, 32 bytes each, as typed cells of
 * a struct table. The table is the truth while the daemon runs; the store follows behind it.
 *
 * Times are whole seconds of CLOCK_REALTIME (they outlive a reboot), good until 2106; of a grey
 * record's first attempt the thousandths are known too, so that no delay ends early.
 */
#ifndef CORE_RECORDS_H
#define CORE_RECORDS_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "table.h"

enum record_state {
	RECORD_NONE = 0,
	RECORD_GREY = 1,   /* triplet seen, not yet delivered */
	RECORD_PASSED = 2, /* triplet delivered at least once */
	RECORD_SOURCE = 3, /* per source address: how many distinct triplets of it passed */
	RECORD_TRAP = 4,   /* a greytrap address (key: canonical address) */
};

#define RECORD_TOOK_MAX 0x7ffffu /* 6 days */

/* Lies in cell.data. */
struct record {
	uint64_t tag;
	uint32_t first;     /* s, first attempt */
	uint32_t last;      /* s, latest attempt (grey) or delivery (passed) */
	uint16_t attempts;  /* saturates */
	uint16_t passed;    /* deliveries (triplet), distinct passed triplets (source); saturates */
	uint32_t state : 4; /* enum record_state */
	uint32_t delay_class : 3; /* enum policy_class at the first attempt */
	uint32_t rung : 3;        /* enum policy_rung of the identity */
	uint32_t is4 : 1;         /* net holds an IPv4 address in its first four bytes */
	uint32_t shadow : 1;      /* another identity's record stands for the triplet in figures */
	uint32_t learnt : 1;      /* let through in learn mode: would have waited */
	uint32_t took : 19; /* passed: s from the first attempt to the first delivery, saturates;
			     * grey: thousandths of `first`, 0..999 */
	uint8_t net[8]; /* source address (IPv4) or its /64 (IPv6): for forget, list and explain */
};
_Static_assert(sizeof(struct record) == sizeof(struct cell), "a record is a cell");

static inline struct record record_of(const struct cell *c)
{
	struct record r;

	memcpy(&r, c, sizeof(r));
	return r;
}

static inline struct cell record_cell(const struct record *r)
{
	struct cell c;

	memcpy(&c, r, sizeof(c));
	return c;
}

#endif
