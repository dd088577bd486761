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

/* Denies it for its mail, and says so of its conduct: a hit (why, for people) doubles the time up
 * to trap max, other mail of a source that is trapped (why NULL) starts the clock again. *ret: the
 * entry in force; false, and *ret untouched: there was nothing to change. */
bool source_trap(const struct source *s, const char *why, struct verdict_entry *ret);

#endif
