/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source's mail has come to so far, for traps and for demotion: 32 bytes a source in a
 * bounded table beside the records. RAM only; what it leads to, a deny or a lost place, is stored.
 *
 * A source is an IPv4 address or an IPv6 /64. Pure, as all of this room. Times are seconds of
 * CLOCK_REALTIME.
 */
#ifndef POLICY_CONDUCT_H
#define POLICY_CONDUCT_H

#include "policy.h"

/* Lies in cell.data. */
struct conduct {
	uint64_t tag;
	uint32_t last;    /* s, latest event */
	uint32_t until;   /* s, end of its last trap */
	uint16_t unknown; /* recipients in a row that the mail server did not know */
	uint16_t good;    /* recipients and messages it took, and refused for good: both are */
	uint16_t bad;     /* halved when their sum reaches CONDUCT_SPAN */
	uint8_t traps;    /* times it was trapped; saturates */
	uint8_t is4;      /* as in struct record */
	uint8_t net[8];
};
_Static_assert(sizeof(struct conduct) == sizeof(struct cell), "a conduct is a cell");

#define CONDUCT_SPAN 256
#define CONDUCT_PATIENCE 10 /* at most so many times as many unknown recipients, see below */

enum conduct_event {
	CONDUCT_UNKNOWN,   /* the mail server does not know the recipient */
	CONDUCT_KNOWN,     /* it does: the row is broken */
	CONDUCT_DELIVERED, /* a message was taken */
	CONDUCT_REFUSED,   /* a recipient or a message was refused for good */
	CONDUCT_VISIT,     /* it came to a door that is not the last one */
	CONDUCT_TRAPPED,   /* until `until` */
	CONDUCT_DEMOTED,   /* good and bad begin anew */
	CONDUCT_MAX
};

/* Argument of the edit. */
struct conduct_edit {
	enum conduct_event event;
	struct addr src;
	uint32_t now;
	uint32_t memory; /* s without an event after which all is forgotten */
	uint32_t row;    /* s without an event after which a row is over */
	uint32_t until;  /* of CONDUCT_TRAPPED */
	struct conduct
		before; /* out: as found; zero but for the tag if it was not or is forgotten */
	struct conduct after; /* out */
};

/* One event, on policy_conduct_tag; a visit on policy_visit_tag. A table_edit_fn. */
bool conduct_edit(struct cell *cell, bool found, void *edit);
/* Victim order of its table: the longest unheard of goes first. A table_rank_fn; arg unused. */
uint32_t conduct_rank(const struct cell *cell, void *arg);

/* Whether so many unknown recipients in a row are a harvest. Each message delivered makes it more
 * patient by `harvest`, up to CONDUCT_PATIENCE times as patient. 0: nothing is. */
bool conduct_harvests(const struct conduct *c, uint32_t harvest);
/* Whether the share of what was refused for good is at least `percent`, of at least `least` in all.
 * percent 0: never. */
bool conduct_is_bad(const struct conduct *c, uint32_t percent, uint32_t least);

static inline struct conduct conduct_of(const struct cell *c)
{
	struct conduct r;

	memcpy(&r, c, sizeof(r));
	return r;
}

#endif
