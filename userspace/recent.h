/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last decisions of one worker, for `greygate explain`: a ring in memory, written by the
 * worker, read by the control thread. A reader may miss an entry that is being overwritten, never
 * see half of it.
 */
#ifndef GREYGATE_RECENT_H
#define GREYGATE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/addr.h"

struct recent_entry {
	uint64_t ticket;
	uint32_t time; /* s, CLOCK_REALTIME */
	struct addr src;
	char verdict[8]; /* words of the log: grey, pass, allow, deny */
	char reason[16];
	uint32_t wait, age; /* s */
	char helo[64], from[96], to[96];
	/* What was known then: enum evidence_name, enum evidence_spf; sum of the lists. */
	uint8_t name_state, spf;
	int16_t list_score;
	char recipient[8]; /* what the mail server was known to say of it, see verify.h */
	char name[100], spf_domain[96];
	char list[32]; /* that decided, "": none */
	uint32_t list_line;
};

struct recent;

int recent_new(size_t entries, struct recent **ret); /* power of two */
void recent_free(struct recent **r);
void recent_add(struct recent *r, const struct recent_entry *e); /* owner only */
/* Newest first; false from see stops. Any thread. */
typedef bool (*recent_see_fn)(const struct recent_entry *e, void *arg);
void recent_walk(const struct recent *r, recent_see_fn see, void *arg);

#endif
