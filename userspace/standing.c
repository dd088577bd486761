// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the mail server says to a source's mail, and what that makes of the source: learned ones
 * lose their place when too much is refused for good, harvesters are trapped.
 *
 * A learned network is judged as a whole, by what all of its hosts send; so is a learned host by
 * its own. What has the null sender counts for nothing: callouts are answered with 5xx by their
 * nature.
 */
#include "policy/conduct.h"
#include "journal.h"
#include "worker.h"

struct source standing_source(const struct worker *w, const struct session *s)
{
	return (struct source){w->daemon, w->config, &w->policy, s->src, w->wall};
}

struct conduct standing_note(struct worker *w, const struct session *s, const struct addr *whose,
			     enum conduct_event event, uint32_t until)
{
	const struct source source = standing_source(w, s);

	return source_note(&source, policy_conduct_tag(&w->policy, whose), event, until);
}

/* The learned entry in force for the source. */
static bool learned(struct worker *w, const struct session *s, struct prefix *ret)
{
	struct verdict_entry e;

	return s->allowed && verdict_earned(s->origin) &&
	       verdicts_find(w->daemon->verdicts, &s->src, w->wall, &e, ret) &&
	       e.verdict == GG_ALLOW && verdict_earned(e.origin);
}

static void refused(struct worker *w, struct session *s)
{
	const struct config *c = w->config;
	struct conduct sum;
	struct prefix p;

	if (!session_smtp(w, s)->reverse.len || !learned(w, s, &p))
		return;
	sum = standing_note(w, s, &p.addr, CONDUCT_REFUSED, 0);
	if (!conduct_is_bad(&sum, c->greylist.demote_refused, c->greylist.demote_after))
		return;
	/* It begins anew, with a clean slate. */
	standing_note(w, s, &p.addr, CONDUCT_DEMOTED, 0);
	journal_remember(w, s, "demote", "refused");
	daemon_demote(w->daemon, &s->src, "refused");
	s->allowed = false;
	s->origin = GG_BY_NOBODY;
}

void standing_recipient(struct worker *w, uint32_t n, int code, const char *reply)
{
	if (code / 100 == 5)
		refused(w, worker_session(w, n));
	trapping_answer(w, n, code, reply);
}

void standing_message(struct worker *w, struct session *s, int code)
{
	struct prefix p;

	if (code / 100 == 5)
		refused(w, s);
	if (code / 100 != 2 || !session_smtp(w, s)->reverse.len)
		return;
	standing_note(w, s, &s->src, CONDUCT_DELIVERED, 0);
	if (learned(w, s, &p) && p.len < 128)
		standing_note(w, s, &p.addr, CONDUCT_DELIVERED, 0);
}
