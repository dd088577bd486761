/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who was told to come again while the mail server was still being asked about his recipient: what
 * it says then counts for him as if he had waited for it (trapping.h).
 *
 * Workers put them into queues of their own, the verifier alone takes them out and keeps them until
 * the answer. Bounded: who finds no room is counted for nothing. Times are s of CLOCK_REALTIME.
 * Nothing is allocated after askers_new.
 */
#ifndef GREYGATE_ASKERS_H
#define GREYGATE_ASKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/addr.h"
#include "core/table.h"
#include "verify.h"

#define ASKERS_KEPT 4096   /* in all */
#define ASKERS_EACH 64     /* of one recipient */
#define ASKERS_PATIENCE 60 /* s: an answer that has not come by then is not awaited any more */

struct asker {
	uint64_t question; /* verify_tag of the recipient */
	uint64_t source;   /* policy_conduct_tag */
	uint64_t session;  /* its id, for the log */
	struct addr src;
	uint32_t asked; /* s */
	uint16_t port;
	uint8_t target; /* and mailbox: as in struct verify_request */
	bool unsure;    /* what could exempt it from traps was not known */
	char mailbox[VERIFY_MAILBOX + 1];
};

struct askers;

/* Stands for a source and a recipient: the tag of a conduct that says that an unknown one was
 * counted for it before it has heard so. */
static inline uint64_t askers_tag(uint64_t source, uint64_t question)
{
	return table_tag_fix(source ^ question);
}

/* producers: threads that put somebody in. -ENOMEM, -EINVAL. */
int askers_new(int producers, struct askers **ret);
void askers_free(struct askers **a);

/* ---- a producer ---- */

/* False: its queue is full. */
bool askers_put(struct askers *a, int producer, const struct asker *who);

/* ---- the verifier ---- */

/* The next one out of the queues; false: there is none. */
bool askers_next(struct askers *a, struct asker *ret);
/* Keeps him until the answer; a source that waits for it already is kept once. False: no room. */
bool askers_keep(struct askers *a, const struct asker *who, uint32_t now);
/* Takes back one who is kept for this answer; false: there is none any more. */
bool askers_take(struct askers *a, uint64_t question, uint32_t now, struct asker *ret);

#endif
