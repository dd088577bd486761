/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of addresses and prefixes, in RAM: the same answers as the kernel's host and net
 * maps, for the daemon's own decisions and for hosts where no kernel fast path is loaded.
 *
 * Built on struct table: the key is (masked address, length); a lookup asks for the full address
 * first and then for each prefix length in use, longest first. Readers never wait. Writers: any
 * thread. Times are seconds of CLOCK_REALTIME; an expired entry is answered as absent.
 */
#ifndef CORE_VERDICTS_H
#define CORE_VERDICTS_H

#include <greygate/types.h>

#include "addr.h"

struct verdicts;

struct verdict_entry {
	enum gg_verdict verdict;
	enum gg_action action;
	enum gg_origin origin;
	uint8_t list;     /* id of the imported list, 0: none */
	uint8_t repeats;  /* trap hits so far, saturating */
	uint32_t expires; /* s; 0: never */
};

/* What a source was found to be, and can lose again; what others have said of it stands. */
static inline bool verdict_earned(enum gg_origin origin)
{
	return origin == GG_BY_LEARNING || origin == GG_BY_CORRESPONDENT;
}

/* key: 16 secret bytes for the keyed hash. -ENOMEM. */
int verdicts_new(size_t entries, const uint8_t key[16], struct verdicts **ret);
void verdicts_free(struct verdicts **v);

/* Most specific entry that holds the address: true and *ret, *ret_prefix (either may be NULL). */
bool verdicts_find(const struct verdicts *v, const struct addr *a, uint32_t now,
		   struct verdict_entry *ret, struct prefix *ret_prefix);
/* The entry for exactly this prefix. */
bool verdicts_get(const struct verdicts *v, const struct prefix *p, uint32_t now,
		  struct verdict_entry *ret);
/* Insert or replace. -ENOSPC when full (counted, said by the caller). */
int verdicts_put(struct verdicts *v, const struct prefix *p, const struct verdict_entry *e);
bool verdicts_del(struct verdicts *v, const struct prefix *p);
size_t verdicts_count(const struct verdicts *v); /* expired ones until the next walk included */

/* Calls see for every live entry; a true answer deletes it. Expired ones are deleted on the way.
 * Nothing is held while see runs. Any thread, not on a session path. */
typedef bool (*verdicts_see_fn)(const struct prefix *p, const struct verdict_entry *e, void *arg);
void verdicts_walk(struct verdicts *v, uint32_t now, verdicts_see_fn see, void *arg);

#endif
