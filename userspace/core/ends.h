/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When entries for prefixes end, soonest first. One that lives on or goes before its time is not
 * taken out: who is told of an end asks whether it is one. No lock.
 */
#ifndef CORE_ENDS_H
#define CORE_ENDS_H

#include "addr.h"

struct ends {
	struct end {
		struct prefix prefix;
		uint32_t at; /* s */
	} * heap;
	size_t count, room;
	size_t missed; /* that there was no room for, since ends_clear */
};

/* Never allocates. */
void ends_add(struct ends *e, const struct prefix *p, uint32_t at);
/* The soonest, if it has come by now: it is taken out. False: none has. */
bool ends_take(struct ends *e, uint32_t now, struct prefix *ret);
void ends_clear(struct ends *e);
/* Room for all there are, those that were missed included, and as many more. -ENOMEM. */
int ends_grow(struct ends *e);
void ends_free(struct ends *e);

#endif
