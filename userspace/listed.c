// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lists say of a client and of its recipients. An address counts from the first packet on, a
 * name once DNS has confirmed that it leads back to the address: what anybody could have given
 * himself is never looked up.
 */
#include "worker.h"

/* What has been said of the source by others stands. */
static bool may_say(const struct session *s)
{
	return s->origin == GG_BY_IMPORT || !(s->allowed || s->denied);
}

static void apply(struct session *s, const struct listing_answer *a)
{
	s->allowed = a->verdict == GG_ALLOW;
	s->denied = a->verdict == GG_DENY;
	s->action = (uint8_t)(s->denied ? a->action : GG_NO_ACTION);
	s->origin = GG_BY_IMPORT;
	s->reason = 0;
}

void listed_source(struct worker *w, struct session *s, int known)
{
	struct listing_answer a;

	if (listing_address(&w->daemon->lists, &s->src, &a) && (int)a.width > known)
		apply(s, &a);
}

/* Patterns that took too long since the last time. */
static void count(struct worker *w)
{
	uint64_t now = list_matcher_given_up(w->matcher);

	counter_add(&w->counters, COUNT_list_given_up, (int64_t)(now - w->given_up));
	w->given_up = now;
}

void listed_client(struct worker *w, struct session *s)
{
	const struct policy_evidence *known = evidence_of(w, s);
	struct listing_answer *ret = &w->listed;

	*ret = (struct listing_answer){0};
	if (!may_say(s))
		return;
	if (listing_address(&w->daemon->lists, &s->src, ret)) {
		apply(s, ret);
	} else if (known && known->name_state == NAME_CONFIRMED &&
		   listing_client(&w->daemon->lists, known->name, w->matcher, ret)) {
		/* It is in a session already: a name is refused, not held or dropped. */
		ret->action = GG_REJECT;
		apply(s, ret);
	}
	count(w);
}

bool listed_by_name(struct worker *w, const struct session *s)
{
	const struct policy_evidence *known = evidence_of(w, s);
	struct listing_answer a;

	return known && known->name_state == NAME_CONFIRMED &&
	       listing_client(&w->daemon->lists, known->name, w->matcher, &a) &&
	       a.verdict == GG_ALLOW;
}

bool listed_recipient(struct worker *w, const char *recipient)
{
	char mailbox[POLICY_MAILBOX];
	bool found;

	policy_canonical(recipient, mailbox, sizeof(mailbox));
	found = listing_recipient(&w->daemon->lists, mailbox, w->matcher, &w->listed);
	count(w);
	return found;
}

void listed_decided(struct worker *w, struct log_line *l)
{
	if (!w->listed.number)
		return;
	listing_hit(&w->daemon->lists, &w->listed);
	log_str(l, "list", w->listed.list);
	log_int(l, "line", w->listed.line);
}
