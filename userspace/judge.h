/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is thought of a source and of a recipient: between judge.c and the files around it that know
 * a part of that, and those that carry it out. Included through worker.h. The worker's thread,
 * where nothing else is said.
 */
#ifndef GREYGATE_JUDGE_H
#define GREYGATE_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "policy/conduct.h"
#include "policy/policy.h"
#include "source.h"
#include "store/store.h"

struct config_level;
struct daemon;
struct delivery;
struct listener;
struct session;
struct worker;

/* A decision that lets a recipient through, and the records that its delivery matures. */
struct judgement {
	struct policy_decision decision;
	const struct config_level *level;         /* of the recipient; NULL where count is 0 */
	struct policy_identity ids[POLICY_RUNGS]; /* the one that decided comes last */
	int count;                                /* 0: none (allowed source, exempt) */
};

/* A recipient that the mail server took in the transaction at hand. */
struct accepted {
	struct policy_identity ids[POLICY_RUNGS]; /* as in its judgement */
	uint8_t count, delay_class;
	const struct config_level *level;
	char text[STORE_TEXT]; /* sender NUL recipient NUL */
};

/* ---- judge.c ---- */

/* Verdict on a new connection: fills allowed, denied, action, origin. */
void judge_source(struct worker *w, struct session *s);
/* Decides the recipient in smtp.forward: replies, or asks the mail server (wait is set then). From
 * the null sender it is decided at DATA: its recipients are for callouts to ask about. */
void judge_recipient(struct worker *w, uint32_t n);
/* The attempt at hand, weighed at most once. */
struct weighed;
/* Whether the sender and the recipient at hand have been seen already from the source or from whom
 * the records take for the same. */
bool judge_seen(struct worker *w, struct session *s, struct weighed *x);
/* Whether the message may come: false, and refused, when the source fell into a trap meanwhile or
 * the null sender has to wait. */
bool judge_data(struct worker *w, uint32_t n);
/* The message was taken: records, promotion. True when the reply has to wait for the store. */
bool judge_delivered(struct worker *w, uint32_t n, const struct delivery *d);
/* Queues a record for the store; the token is the session's when its writing is to be awaited. */
bool judge_store(struct worker *w, const struct session *s, const struct policy_edit *e,
		 const char *text, bool notice, uint64_t token);

/* ---- trapping.c ---- */

enum trapping {
	TRAPPING_NOT,
	TRAPPING_OPEN, /* it may be: what could exempt the source is not known yet */
	TRAPPING_SPRUNG,
};

/* Whether the recipient in smtp.forward is a trap for this source, which is denied then: words for
 * the client and the word for the log. */
enum trapping trapping_recipient(struct worker *w, uint32_t n, struct weighed *x,
				 const char **ret_words, const char **ret_reason);
/* A source that is in a trap already sends mail. */
void trapping_again(struct worker *w, struct session *s, struct weighed *x);
/* What the mail server said to the recipient: code, and its reply as in relay/rcpt.h. */
void trapping_answer(struct worker *w, uint32_t n, int code, const char *reply);
/* The recipient is to wait, and the mail server may not have answered yet: what it says counts when
 * it does. */
void trapping_await(struct worker *w, struct session *s);

/* ---- standing.c ---- */

/* The session's source; holds for this turn of the loop. */
struct source standing_source(const struct worker *w, const struct session *s);
/* One event for the conduct of `whose`, the source or its network; what it adds up to. */
struct conduct standing_note(struct worker *w, const struct session *s, const struct addr *whose,
			     enum conduct_event event, uint32_t until);
/* What the mail server said to the recipient, to DATA or to the end of the message. */
void standing_recipient(struct worker *w, uint32_t n, int code, const char *reply);
void standing_message(struct worker *w, struct session *s, int code);

/* ---- doors.c ---- */

/* A listening socket, and what it is bound to. */
void doors_listener(struct listener *l, int fd);
/* A client has come, by itself and not through a load balancer; asked only where the settings name
 * a low-priority MX. */
void doors_arrived(struct worker *w, uint32_t n);
/* The recipient in smtp.forward is to wait. */
void doors_attempt(struct worker *w, struct session *s);
/* Whether it came to a low-priority MX without need, and nobody of its network to another one. */
bool doors_trap(struct worker *w, struct session *s);
/* Clients can't be served now. Any thread. */
void doors_trouble(struct daemon *d);

/* ---- listed.c ---- */

/* Lists that name the source by its address, more narrowly than the prefix of `known` bits from
 * which something is known of it (-1: nothing is): that is what is thought of it then. */
void listed_source(struct worker *w, struct session *s, int known);
/* Fills w->listed with what lists say of the client by now, and of it allowed, denied, action and
 * origin; without a word where others have said something of the source. */
void listed_client(struct worker *w, struct session *s);
/* Whether lists allow the client by its name, whatever else is thought of it. */
bool listed_by_name(struct worker *w, const struct session *s);
/* Whether a list names the recipient: w->listed. */
bool listed_recipient(struct worker *w, const char *recipient);
/* A decision came from w->listed: counts it and says so in its line. */
void listed_decided(struct worker *w, struct log_line *l);

#endif
