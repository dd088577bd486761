/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of addresses and prefixes, in RAM: the same answers as the kernel's host and net
 * maps, for the daemon's own decisions and for hosts where no kernel fast path is loaded.
 *
 * Built on struct table: the key is (masked address, length); a lookup asks for the full address
 * first and then for each prefix length in use, longest first. Imported lists stand beside it,
 * replaced as a whole. Readers never wait. Writers: any thread. Times are seconds of
 * CLOCK_REALTIME; an expired entry is answered as absent.
 */
#ifndef CORE_VERDICTS_H
#define CORE_VERDICTS_H

#include <greygate/types.h>

#include "addr.h"
#include "imports.h"

struct verdicts;

struct verdict_entry {
	enum gg_verdict verdict;
	enum gg_action action;
	enum gg_origin origin;
	uint8_t list;     /* GG_BY_IMPORT: number of the list; else the owner's */
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

/* Most specific entry that holds the address, imported ones too, which give way to another of the
 * same prefix: true and *ret, *ret_prefix (either may be NULL). */
bool verdicts_find(const struct verdicts *v, const struct addr *a, uint32_t now,
		   struct verdict_entry *ret, struct prefix *ret_prefix);
/* The entry for exactly this prefix; imported ones aren't asked, here and below. */
bool verdicts_get(const struct verdicts *v, const struct prefix *p, uint32_t now,
		  struct verdict_entry *ret);
/* The longest entry that holds all of this prefix and more: true and both set. */
bool verdicts_wider(const struct verdicts *v, const struct prefix *p, uint32_t now,
		    struct verdict_entry *ret, struct prefix *ret_prefix);
/* The entry for this prefix is about to be asked for or put: of several, memory answers at once. */
void verdicts_expect(const struct verdicts *v, const struct prefix *p);
/* Insert or replace. -ENOSPC when full (counted, said by the caller); 1: done, and another had to
 * go, which is in *ret_gone and *ret_was: one that no operator has made and that would have expired
 * before others. */
int verdicts_put_over(struct verdicts *v, const struct prefix *p, const struct verdict_entry *e,
		      struct prefix *ret_gone, struct verdict_entry *ret_was);
/* The same where it is nobody's business who had to go: 0 or -ENOSPC. */
static inline int verdicts_put(struct verdicts *v, const struct prefix *p,
			       const struct verdict_entry *e)
{
	struct verdict_entry was;
	struct prefix gone;
	int rc = verdicts_put_over(v, p, e, &gone, &was);

	return rc < 0 ? rc : 0;
}
bool verdicts_del(struct verdicts *v, const struct prefix *p);
size_t verdicts_count(const struct verdicts *v); /* expired ones that are still there included */

/* From now on these are the imported entries (NULL: none). Returns those before, which nobody reads
 * any more and which are the caller's again. One writer at a time; waits for readers, for
 * microseconds. The caller keeps `in` until it has replaced it. */
struct imports *verdicts_import(struct verdicts *v, struct imports *in);
/* How often they were replaced. */
unsigned verdicts_turn(const struct verdicts *v);
/* Whether they have something of exactly this prefix. */
bool verdicts_listed(const struct verdicts *v, const struct prefix *p);

/* Calls see for every live entry; a true answer deletes it. Expired ones are passed over: whoever
 * deletes them has to do it in the kernel and in the store, too. Nothing is held while see runs.
 * Any thread, not on a session path. */
typedef bool (*verdicts_see_fn)(const struct prefix *p, const struct verdict_entry *e, void *arg);
void verdicts_walk(struct verdicts *v, uint32_t now, verdicts_see_fn see, void *arg);
/* The same for those that lie within the prefix, itself included: what it costs is the number of
 * places at which they could stand, and at most a walk. */
void verdicts_within(struct verdicts *v, const struct prefix *p, uint32_t now, verdicts_see_fn see,
		     void *arg);
/* The same as the walk over one of so many parts of about the same size, for threads that share the
 * work. */
void verdicts_walk_part(struct verdicts *v, unsigned part, unsigned parts, uint32_t now,
			verdicts_see_fn see, void *arg);

#endif
