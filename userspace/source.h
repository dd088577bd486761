/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source by itself, whether it has a session or not: what its mail adds up to, and for how long
 * it is denied when it has walked into a trap. Any thread.
 */
#ifndef GREYGATE_SOURCE_H
#define GREYGATE_SOURCE_H

#include "daemon.h"
#include "policy/conduct.h"

struct source {
	struct daemon *daemon;
	const struct config *config;
	const struct policy_conf *policy; /* everyone's, with the installation's key */
	struct addr addr;
	uint32_t now; /* s, CLOCK_REALTIME */
};

/* One event for the conduct with this tag; what it adds up to. until: s, of CONDUCT_TRAPPED. */
struct conduct source_note(const struct source *s, uint64_t tag, enum conduct_event event,
			   uint32_t until);

/* Denies it, of IPv6 with its /64, for its mail, and says so of its conduct: a hit (why, for
 * people) doubles the time up to trap max, other mail of a source that is trapped (why NULL) starts
 * the clock again. *ret: the entry in force; false, and *ret untouched: there was nothing to
 * change. */
bool source_trap(const struct source *s, const char *why, struct verdict_entry *ret);
/* The trap of an IPv6 address holds for its /64: an entry beside its own, which goes with it and
 * may last longer, for other addresses' mail starts its clock too. The one that is in force for the
 * address; false: none is, as ever of IPv4. */
bool source_network(const struct daemon *d, const struct addr *a, uint32_t now, struct prefix *ret,
		    struct verdict_entry *ret_entry);
/* Ends that, or what the limit of new connections has made of the /64; false: there was none. What
 * has hit a trap itself stays denied. */
bool source_release(struct daemon *d, const struct addr *a);

#endif
