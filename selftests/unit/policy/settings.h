/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings and attempts that the policy tests share. */
#ifndef UNIT_POLICY_SETTINGS_H
#define UNIT_POLICY_SETTINGS_H

#include "policy/policy.h"

#define NOW 1700000000u
#define HOUR 3600u
#define DAY 86400u

static inline struct policy_conf settings(void)
{
	return (struct policy_conf){
		.mode = POLICY_ENFORCE,
		.match = MATCH_NETWORK,
		.delay = {[CLASS_CLEAN] = 60, [CLASS_DEFAULT] = 300, [CLASS_SUSPICIOUS] = 900},
		.jitter = 0,
		.window = DAY,
		.keep = 36 * DAY,
		.promote_after = 2,
		.promote_net_after = 4,
		.key = "0123456789abcde",
	};
}

static inline struct policy_attempt attempt(const char *src, const char *sender,
					    const char *recipient)
{
	struct policy_attempt a = {.sender = sender, .recipient = recipient};

	assert_int_equal(addr_parse(src, &a.src), 0);
	return a;
}

static inline struct policy_edit edit_of(const struct policy_conf *c,
					 const struct policy_attempt *a, uint32_t now)
{
	return (struct policy_edit){
		.conf = c,
		.attempt = a,
		.rung = RUNG_NETWORK,
		.delay_class = CLASS_DEFAULT,
		.now = now,
	};
}

#define TAG 4711

/* Declares a triplet's first attempt, the edit for it and its record, which is not there yet. */
#define A_TRIPLET(c, a, e, r)                                                                      \
	struct policy_conf c = settings();                                                         \
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");                              \
	struct policy_edit e = edit_of(&(c), &(a), NOW);                                           \
	struct record r = {.tag = TAG}

/* A table of one record: runs the edit on it as table_edit would. */
static inline bool run_edit(struct record *r, table_edit_fn edit, struct policy_edit *e)
{
	struct cell cell = record_cell(r);
	bool found = r->state != RECORD_NONE, stored;

	stored = edit(&cell, found, e);
	if (stored)
		*r = record_of(&cell);
	return stored;
}

static inline struct policy_decision decide_one(const struct policy_conf *c,
						const struct policy_attempt *a,
						const struct record *r, uint32_t now)
{
	struct policy_identity id = {RUNG_NETWORK, r->tag};

	return policy_decide(c, a, &id, r, 1, now);
}

#endif
