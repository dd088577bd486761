/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is written down of a session for people to read: its lines in the log, and its decisions
 * where explain finds them. The worker's thread; whoever is given a line adds what belongs to its
 * kind, and ends it.
 */
#ifndef GREYGATE_JOURNAL_H
#define GREYGATE_JOURNAL_H

#include "worker.h"

struct journal_decision {
	uint64_t tag; /* what its ticket stands for, 0: it has none */
	const char *verdict, *reason;
	uint32_t wait, age;              /* s; 0: it says nothing of them */
	const struct listing_answer *by; /* the list that decided, or NULL */
};

/* Begins a line: the session, its client, what it has shown. */
void journal_line(struct worker *w, const struct session *s, struct log_line *l,
		  enum log_event event);
/* The same with the envelope and the evidence. */
void journal_mail(struct worker *w, struct session *s, struct log_line *l, enum log_event event);
/* A decision on the source for explain to show, which has no line of its own. */
void journal_remember(struct worker *w, struct session *s, const char *verdict, const char *reason);
/* A decision, for explain and as a line that is begun. */
void journal_decided(struct worker *w, struct session *s, const struct journal_decision *d,
		     struct log_line *l);

#endif
