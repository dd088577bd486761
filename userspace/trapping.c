// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who walks into a trap, and for how long it is denied: from its last mail on, twice as long for
 * each further hit, until it stays away.
 *
 * Nobody is trapped by mail of the null sender, for bounces and callouts go to any address that
 * somebody has forged; nor whom the operator or a list allows or a DNS list vouches for, nor whom
 * they might, as long as DNS has not told. What was only learned can be lost again.
 */
#include <stdio.h>
#include <string.h>

#include "policy/conduct.h"
#include "relay/rcpt.h"
#include "traps.h"
#include "worker.h"

enum bait { BAIT_NONE, BAIT_ADDRESS, BAIT_RELAY, BAIT_LAST_DOOR, BAIT_HARVEST, BAIT_MAX };

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
};

static uint8_t trapped_before(struct worker *w, const struct session *s)
{
	struct conduct c;
	struct cell cell;
	uint32_t memory = (uint32_t)(w->config->trap.max / 1000);

	if (!table_get(w->daemon->conducts, policy_conduct_tag(&w->policy, &s->src), &cell))
		return 0;
	c = conduct_of(&cell);
	return w->wall > c.until && w->wall - c.until > memory ? 0 : c.traps;
}

/* ---- the deny ---- */

static bool may_trap(struct worker *w, struct session *s)
{
	if (!session_smtp(w, s)->reverse.len)
		return false;
	return (!s->allowed || verdict_earned(s->origin)) && !policy_vouched(evidence_of(w, s)) &&
	       !listed_by_name(w, s);
}

static void deny(struct worker *w, struct session *s, enum bait bait)
{
	const struct config *c = w->config;
	struct prefix p = addr_host(&s->src);
	struct verdict_entry e = {
		.verdict = GG_DENY, .action = c->trap.action, .origin = GG_BY_TRAP};
	struct verdict_entry old = {0};
	const char *to = session_smtp(w, s)->forward.text;
	uint8_t before = trapped_before(w, s);
	char why[STORE_TEXT + SMTP_PATH];
	struct log_line l;
	bool hit = bait && !s->trapped; /* a session is one hit, whatever it sends */
	bool again;

	/* The count lies with the deny, which outlives a restart, and with the source's conduct,
	 * which outlives the deny. */
	again = verdicts_get(w->daemon->verdicts, &p, w->wall, &old) && old.origin == GG_BY_TRAP;
	if (again)
		e.repeats =
			hit && old.repeats < UINT8_MAX ? (uint8_t)(old.repeats + 1) : old.repeats;
	if (hit && e.repeats < before)
		e.repeats = before;
	e.expires = w->wall + policy_trap_life((uint32_t)(c->trap.life / 1000),
					       (uint32_t)(c->trap.max / 1000), e.repeats);
	/* Within the same second nothing would change. */
	if (!hit && again && old.expires >= e.expires)
		return;
	snprintf(why, sizeof(why), "%s%s", bait ? baits[bait].entry : "", to);
	daemon_verdict_put(w->daemon, &p, &e, hit ? why : NULL);
	if (hit)
		daemon_demote(w->daemon, &s->src, "trap");
	s->allowed = false;
	s->denied = true;
	s->action = (uint8_t)e.action;
	s->origin = GG_BY_TRAP;
	s->reason = 0;
	s->trapped |= hit;
	if (!hit)
		return;
	standing_note(w, s, &s->src, CONDUCT_TRAPPED, e.expires);
	counter_add(&w->counters, COUNT_trapped, 1);
	judge_begin(w, s, &l, LOG_TRAP);
	log_str(&l, "reason", baits[bait].reason);
	log_int(&l, "wait_s", e.expires - w->wall);
	log_end(&l);
}

/* ---- recipients ---- */

static enum bait bait_of(struct worker *w, struct session *s)
{
	const char *to = session_smtp(w, s)->forward.text;

	if (traps_hold(w->daemon, &w->policy, to))
		return BAIT_ADDRESS;
	if (policy_recipient_exempt(to))
		return BAIT_NONE;
	if (!traps_hosted(w->daemon, &w->policy, to))
		return BAIT_RELAY;
	/* A learned source has been let in by another door. */
	return !s->allowed && doors_trap(w, s) && !judge_seen(w, s) ? BAIT_LAST_DOOR : BAIT_NONE;
}

void trapping_again(struct worker *w, struct session *s)
{
	if (may_trap(w, s))
		deny(w, s, bait_of(w, s));
}

enum trapping trapping_recipient(struct worker *w, struct session *s, const char **ret_words,
				 const char **ret_reason)
{
	enum bait bait = may_trap(w, s) ? bait_of(w, s) : BAIT_NONE;

	if (!bait)
		return TRAPPING_NOT;
	if (evidence_missing(w, s, bait == BAIT_LAST_DOOR))
		return TRAPPING_OPEN;
	deny(w, s, bait);
	*ret_words = baits[bait].words;
	*ret_reason = baits[bait].reason;
	return TRAPPING_SPRUNG;
}

/* ---- what the mail server says ---- */

void trapping_answer(struct worker *w, struct session *s, int code, const char *reply)
{
	uint32_t harvest = w->config->trap.harvest;
	struct conduct c;

	if (!harvest || s->denied || !may_trap(w, s))
		return;
	if (code / 100 == 2)
		standing_note(w, s, &s->src, CONDUCT_KNOWN, 0);
	if (rcpt_says(code, reply) != RCPT_UNKNOWN)
		return;
	c = standing_note(w, s, &s->src, CONDUCT_UNKNOWN, 0);
	if (conduct_harvests(&c, harvest) && !evidence_missing(w, s, false))
		deny(w, s, BAIT_HARVEST);
}
