/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attempts, and an engine with the default settings, for the tests of this room. */
#ifndef UNIT_REPLAY_TRACE_H
#define UNIT_REPLAY_TRACE_H

#include <stdio.h>

#include "replay/replay.h"

#define DAY 86400u

static inline struct replay_conf settings(void)
{
	return (struct replay_conf){
		.policy = {.mode = POLICY_ENFORCE,
			   .match = MATCH_NETWORK,
			   .delay = {[CLASS_CLEAN] = 60,
				     [CLASS_DEFAULT] = 300,
				     [CLASS_SUSPICIOUS] = 900},
			   .jitter = 20,
			   .window = DAY,
			   .keep = 36 * DAY,
			   .promote_after = 2,
			   .promote_net_after = 4,
			   .hammer = 10},
		.trap_life = DAY,
		.trap_max = 30 * DAY,
	};
}

static inline struct replay *engine(const struct replay_conf *c)
{
	struct replay *r = NULL;

	assert_int_equal(replay_new(c, &r), 0);
	return r;
}

/* time in ms; name, spf: as in replay_evidence. */
static inline struct replay_answer try_at(struct replay *r, uint64_t time, const char *src,
					  const char *sender, const char *recipient,
					  const char *name, const char *spf)
{
	struct replay_attempt a = {
		.time = time, .helo = "mail.example.org", .sender = sender, .recipient = recipient};
	struct replay_answer v;

	assert_int_equal(addr_parse(src, &a.src), 0);
	assert_int_equal(replay_evidence(&a, name, spf), 0);
	assert_int_equal(replay_next(r, &a, &v), 0);
	return v;
}

/* time in s */
static inline struct replay_answer try(struct replay *r, uint32_t time, const char *src,
				       const char *sender, const char *recipient, const char *name,
				       const char *spf)
{
	return try_at(r, time * UINT64_C(1000), src, sender, recipient, name, spf);
}

#endif
