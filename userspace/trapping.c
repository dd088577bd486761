// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who walks into a trap, and for how long it is denied: from its last mail on, twice as long for
 * each further hit, until it stays away.
 *
 * Nobody is trapped by mail of the null sender, for bounces and callouts go to any address that
 * somebody has forged; nor whom the operator or a list allows or a DNS list vouches for, nor whom
 * they might, as long as DNS has not told. What was only learned can be lost again.
 *
 * What the mail server says of a recipient may come when whoever asked has long been told to come
 * again; it counts for him then, and not once more when he comes and hears it.
 */
#include <stdio.h>
#include <string.h>

#include "trapping.h"

#include "journal.h"
#include "recipient.h"
#include "relay/rcpt.h"
#include "source.h"
#include "traps.h"

#define WHY (STORE_TEXT + SMTP_PATH)

enum bait {
	BAIT_NONE,
	BAIT_ADDRESS,
	BAIT_RELAY,
	BAIT_LAST_DOOR,
	BAIT_HARVEST,
	BAIT_NETWORK,
	BAIT_MAX
};

static const struct {
	const char *reason; /* in the log */
	const char *words;  /* to the client */
	const char *entry;  /* why, in the verdict, before the recipient */
} baits[BAIT_MAX] = {
	[BAIT_ADDRESS] = {"trap", "source address sent mail to a spam trap", "mail to "},
	[BAIT_RELAY] = {"relay", "mail for that domain is not taken here; taken for a relay probe",
			"relay probe: mail to "},
	[BAIT_LAST_DOOR] = {"low_priority_mx",
			    "source address came to the last MX without trying the first one",
			    "low-priority MX tried first, with mail to "},
	[BAIT_HARVEST] = {"harvest", "source address tried too many unknown recipients",
			  "too many unknown recipients in a row, at last "},
	[BAIT_NETWORK] = {"trapped", "source address ran into a spam trap", ""},
};

/* ---- the deny ---- */

static bool may_trap(struct worker *w, struct session *s)
{
	if (!session_smtp(w, s)->reverse.len)
		return false;
	return (!s->allowed || verdict_earned(s->origin)) && !policy_vouched(evidence_of(w, s)) &&
	       !listed_by_name(w, s);
}

/* Why, for people: the entry's reason. */
static const char *words_of(enum bait bait, const char *to, char buf[WHY])
{
	snprintf(buf, WHY, "%s%s", baits[bait].entry, to);
	return buf;
}

static void say(struct log_line *l, enum bait bait, const struct verdict_entry *e, uint32_t now)
{
	log_str(l, "reason", baits[bait].reason);
	log_int(l, "wait_s", e->expires - now);
	log_end(l);
}

static void deny(struct worker *w, struct session *s, enum bait bait)
{
	const struct source source = standing_source(w, s);
	/* A session is one hit, whatever it sends; what a neighbour has hit is none of its own. */
	bool hit = bait && bait != BAIT_NETWORK && !s->trapped;
	struct verdict_entry e;
	char why[WHY];
	struct log_line l;

	if (!source_trap(&source,
			 hit ? words_of(bait, session_smtp(w, s)->forward.text, why) : NULL, &e))
		return;
	s->allowed = false;
	s->denied = true;
	s->action = (uint8_t)e.action;
	s->origin = GG_BY_TRAP;
	s->reason = 0;
	s->trapped |= hit;
	if (!hit)
		return;
	counter_add(&w->counters, COUNT_trapped, 1);
	journal_mail(w, s, &l, LOG_TRAP);
	say(&l, bait, &e, w->wall);
}

/* Whether something that is not known could still exempt the source. Of a learned one nothing has
 * been asked before; who is known by answers in memory does not wait for them. */
static bool is_open(struct worker *w, uint32_t n, bool sender)
{
	const struct session *s = worker_session(w, n);

	return evidence_missing(w, s, sender) &&
	       (!evidence_ask(w, n) || evidence_missing(w, s, sender));
}

/* ---- recipients ---- */

static bool in_trapped_network(struct worker *w, const struct session *s)
{
	struct verdict_entry e;
	struct prefix network;

	return source_network(w->daemon, &s->src, w->wall, &network, &e);
}

static enum bait bait_of(struct worker *w, struct session *s, struct weighed *x)
{
	const char *to = session_smtp(w, s)->forward.text;

	if (traps_hold(w->daemon, &w->policy, to))
		return BAIT_ADDRESS;
	if (policy_recipient_exempt(to))
		return BAIT_NONE;
	if (!traps_hosted(w->daemon, &w->policy, to))
		return BAIT_RELAY;
	if (s->allowed) /* a learned source has been let in by another door */
		return BAIT_NONE;
	if (doors_trap(w, s) && !judge_seen(w, s, x))
		return BAIT_LAST_DOOR;
	return in_trapped_network(w, s) ? BAIT_NETWORK : BAIT_NONE;
}

void trapping_again(struct worker *w, struct session *s, struct weighed *x)
{
	if (may_trap(w, s))
		deny(w, s, bait_of(w, s, x));
}

enum trapping trapping_recipient(struct worker *w, uint32_t n, struct weighed *x,
				 const char **ret_words, const char **ret_reason)
{
	struct session *s = worker_session(w, n);
	enum bait bait = may_trap(w, s) ? bait_of(w, s, x) : BAIT_NONE;

	if (!bait)
		return TRAPPING_NOT;
	if (is_open(w, n, bait == BAIT_LAST_DOOR))
		return TRAPPING_OPEN;
	if (!may_trap(w, s)) /* by what was asked only now */
		return TRAPPING_NOT;
	deny(w, s, bait);
	*ret_words = baits[bait].words;
	*ret_reason = baits[bait].reason;
	return TRAPPING_SPRUNG;
}

/* ---- what the mail server says ---- */

void trapping_answer(struct worker *w, uint32_t n, int code, const char *reply)
{
	struct session *s = worker_session(w, n);
	uint32_t harvest = w->config->trap.harvest;
	struct conduct c;

	if (!harvest || s->denied || !may_trap(w, s))
		return;
	if (code / 100 == 2)
		standing_note(w, s, &s->src, CONDUCT_KNOWN, 0);
	if (rcpt_says(code, reply) != RCPT_UNKNOWN || recipient_was_counted(w, s))
		return;
	c = standing_note(w, s, &s->src, CONDUCT_UNKNOWN, 0);
	if (conduct_harvests(&c, harvest) && !is_open(w, n, false) && may_trap(w, s))
		deny(w, s, BAIT_HARVEST);
}

void trapping_await(struct worker *w, struct session *s)
{
	if (w->config->trap.harvest && recipient_is_asked(w, s) && may_trap(w, s))
		recipient_await(w, s, evidence_missing(w, s, false));
}

/* ---- what it says to those who have left ---- */

/* What others have said of the source meanwhile stands. */
static bool may_trap_still(struct daemon *d, const struct asker *who, uint32_t now)
{
	struct verdict_entry e;

	return !verdicts_find(d->verdicts, &who->src, now, &e, NULL) || verdict_earned(e.origin);
}

static void deny_late(const struct source *source, const struct asker *who)
{
	struct verdict_entry e;
	char why[WHY];
	struct log_line l;

	source_trap(source, words_of(BAIT_HARVEST, who->mailbox, why), &e);
	daemon_counted(source->daemon, COUNT_trapped);
	log_begin(&l, LOG_TRAP);
	log_hex(&l, "session", who->session);
	log_addr(&l, "src", &who->src);
	log_int(&l, "port", who->port);
	log_str(&l, "to", who->mailbox);
	log_str(&l, "recipient", verify_text(VERIFY_UNKNOWN));
	say(&l, BAIT_HARVEST, &e, source->now);
}

void trapping_late(struct daemon *d, const struct asker *who, int code, const char *reply)
{
	const struct config *c = atomic_load(&d->config);
	const struct policy_conf policy = daemon_policy(d, c);
	const struct source source = {d, c, &policy, who->src, daemon_now()};
	struct conduct sum;

	if (!c->trap.harvest || !may_trap_still(d, who, source.now))
		return;
	if (code / 100 == 2)
		source_note(&source, who->source, CONDUCT_KNOWN, 0);
	if (rcpt_says(code, reply) != RCPT_UNKNOWN)
		return;
	sum = source_note(&source, who->source, CONDUCT_UNKNOWN, 0);
	source_note(&source, askers_tag(who->source, who->question), CONDUCT_VISIT, 0);
	daemon_counted(d, COUNT_harvest_late);
	if (conduct_harvests(&sum, c->trap.harvest) && !who->unsure)
		deny_late(&source, who);
}
