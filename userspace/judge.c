// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the daemon thinks of a source and of a recipient, and what a delivery changes: the place
 * where evidence, records and settings meet the pure policy, and where its decisions become
 * records, verdicts, log lines and store items.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/ticket.h"
#include "correspondents.h"
#include "journal.h"
#include "reasons.h"
#include "recipient.h"
#include "worker.h"

#define STORE_WAITS 200 /* ms that a pass waits for a place in the store's queue */

/* ---- the source ---- */

void judge_source(struct worker *w, struct session *s)
{
	struct verdict_entry e;
	struct prefix p;
	bool found = verdicts_find(w->daemon->verdicts, &s->src, w->wall, &e, &p);

	/* That limit is for connections that come, and ends by itself: mail of one that is here
	 * must not bounce for it. What stands behind it holds. */
	if (found && e.origin == GG_BY_LIMIT)
		found = verdicts_wider(w->daemon->verdicts, &p, w->wall, &e, &p);
	if (!found) {
		listed_source(w, s, -1);
		return;
	}
	/* Who only shares the /64 of a trap is looked at first: trapping_recipient decides. */
	if (e.origin == GG_BY_TRAP && p.len < 128 && evidence_may_exempt(w)) {
		listed_source(w, s, p.len);
		return;
	}
	if (e.verdict == GG_ALLOW && verdict_earned(e.origin)) {
		uint32_t to = daemon_slide(e.expires, w->wall, daemon_keep(w->config, e.origin));

		e.expires = to ? to : e.expires;
		if (to)
			daemon_verdict_put(w->daemon, &p, &e, NULL);
	}
	s->allowed = e.verdict == GG_ALLOW;
	s->denied = e.verdict == GG_DENY;
	s->action = (uint8_t)e.action;
	s->origin = (uint8_t)e.origin;
	s->reason = e.origin == GG_BY_OPERATOR ? e.list : 0;
	listed_source(w, s, p.len);
}

/* ---- the store ---- */

bool judge_store(struct worker *w, const struct session *s, const struct policy_edit *e,
		 const char *text, bool notice, uint64_t token)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct store_item *item;

	if (!w->daemon->writer)
		return false;
	item = store_writer_slot(w->daemon->writer, w->number, notice);
	/* A pass must be there before its 250. The queue keeps room for those; when even that is
	 * used up the disk is far behind, and it is right that everyone waits a moment. */
	for (int i = 0; !item && notice && i < STORE_WAITS; i++) {
		nanosleep(&pause, NULL);
		item = store_writer_slot(w->daemon->writer, w->number, notice);
	}
	if (!item) {
		counter_add(&w->counters, COUNT_records_lost, 1);
		return false;
	}
	item->kind = STORE_RECORD;
	item->rec = e->after;
	item->was = e->before;
	item->prefix = addr_host(&s->src);
	item->notice = notice;
	item->token = token;
	memcpy(item->text, text, sizeof(item->text));
	store_writer_push(w->daemon->writer, w->number);
	return true;
}

/* ---- deny ---- */

/* What is said in place of a 250, with a ticket that leads back to why. */
struct turned {
	enum smtp_reply reply;
	enum counter counter;
	const char *words; /* to the client, where the reply has room for them */
	struct journal_decision decision;
};

/* The log's line is left open: what belongs to its kind comes behind. */
static void turn_away(struct worker *w, struct session *s, const struct turned *t,
		      struct log_line *l)
{
	const struct journal_decision *d = &t->decision;
	char ticket[TICKET_TEXT];
	struct smtp_reply_args args = {.minutes = policy_minutes(d->wait),
				       .ticket = ticket_text(d->tag, ticket),
				       .reason = t->words};

	session_reply(w, s, t->reply, &args);
	counter_add(&w->counters, t->counter, 1);
	journal_decided(w, s, d, l);
	log_str(l, "ticket", ticket);
	log_int(l, "reply", smtp_reply_code(t->reply));
}

/* why: to the client; NULL: what the verdict on it says. */
static void refuse(struct worker *w, struct session *s, const char *why, const char *reason)
{
	static const char *const words[] = {
		[GG_BY_NOBODY] = "source address blocked here",
		[GG_BY_OPERATOR] = "source address blocked by the administrator",
		[GG_BY_LEARNING] = "source address blocked here",
		[GG_BY_CORRESPONDENT] = "source address blocked here",
		[GG_BY_TRAP] = "source address ran into a spam trap",
		[GG_BY_IMPORT] = "source is on a block list",
	};
	const struct listing_answer *listed = s->origin == GG_BY_IMPORT ? &w->listed : NULL;
	const char *given = reasons_words(s->reason);
	struct turned t = {.reply = REPLY_DENIED,
			   .counter = COUNT_denied,
			   .words = words[s->origin],
			   .decision = {.tag = policy_source_tag(&w->policy, &s->src),
					.verdict = "deny",
					.reason = reason,
					.by = listed}};
	struct log_line l;

	if (listed && listed->message[0])
		given = listed->message;
	if (given || why)
		t.words = given ? given : why;
	turn_away(w, s, &t, &l);
	if (listed)
		listed_decided(w, &l);
	log_end(&l);
}

/* The protocol is not kept to. */
static void refuse_manners(struct worker *w, struct session *s, const char *why, const char *word)
{
	const struct turned t = {.reply = REPLY_PROTOCOL,
				 .counter = COUNT_check_refused,
				 .words = why,
				 .decision = {.tag = policy_source_tag(&w->policy, &s->src),
					      .verdict = "deny",
					      .reason = word}};
	struct log_line l;

	turn_away(w, s, &t, &l);
	log_end(&l);
	smtp_rcpt_done(session_smtp(w, s), false);
}

/* The mail server does not know the recipient: its own words of when it was asked. */
static void refuse_unknown(struct worker *w, uint32_t n, const struct verify_reply *reply)
{
	struct session *s = worker_session(w, n);
	const struct journal_decision d = {.verdict = "deny", .reason = "unknown_user"};
	struct smtp *smtp = session_smtp(w, s);
	struct log_line l;

	if (!session_say(w, s, reply->text, reply->len))
		s->hangup = true;
	smtp_rcpt_done(smtp, false);
	counter_add(&w->counters, COUNT_verify_refused, 1);
	journal_decided(w, s, &d, &l);
	log_strn(&l, "reply", reply->text, strcspn(reply->text, "\r\n"));
	log_end(&l);
	trapping_answer(w, n, reply->code, reply->text);
}

/* ---- the recipient ---- */

/* An attempt and what the records say of it: the same for as long as one command is judged. */
struct weighed {
	const struct config_level *level; /* NULL: it is not weighed yet */
	struct policy_conf policy;
	struct policy_attempt attempt;
	struct policy_evidence known; /* with what the client has shown; attempt points to it */
	struct policy_identity ids[POLICY_RUNGS];
	int count;
	bool seen; /* there is a record of it */
	struct policy_decision decision;
};

/* Whether this attempt is one that waits, or would outside learn mode. */
static bool waits(const struct policy_decision *d)
{
	return d->verdict == POLICY_GREY || d->reason == REASON_LEARN;
}

static void note_attempt(struct worker *w, struct session *s, const struct weighed *x)
{
	const struct smtp *smtp = session_smtp(w, s);
	char text[STORE_TEXT];

	if (!waits(&x->decision))
		return;
	doors_attempt(w, s);
	store_text_pair(text, smtp->reverse.text, smtp->forward.text);
	for (int i = 0; i < x->count; i++) {
		struct policy_edit edit = {.conf = &x->policy,
					   .attempt = &x->attempt,
					   .rung = x->ids[i].rung,
					   .delay_class = x->decision.delay_class,
					   .shadow = policy_shadow(&x->decision, i),
					   .now = w->wall};
		struct cell victim;

		if (table_edit(w->daemon->records, x->ids[i].tag, policy_edit_attempt, &edit,
			       &victim) == 1)
			counter_add(&w->counters, COUNT_records_evicted, 1);
		judge_store(w, s, &edit, text, false, 0);
	}
}

static void defer(struct worker *w, struct session *s, const struct policy_decision *d)
{
	const struct turned t = {.reply = REPLY_GREYLISTED,
				 .counter =
					 d->reason == REASON_EARLY ? COUNT_early : COUNT_greylisted,
				 .decision = {.tag = d->tag,
					      .verdict = "grey",
					      .reason = policy_reason_text(d->reason),
					      .wait = d->wait,
					      .age = d->age}};
	struct log_line l;

	if (d->reason == REASON_LATE)
		counter_add(&w->counters, COUNT_late, 1);
	turn_away(w, s, &t, &l);
	log_str(&l, "class", policy_class_text(d->delay_class));
	log_str(&l, "identity", policy_rung_text(d->rung));
	log_int(&l, "wait_s", d->wait);
	log_int(&l, "age_s", d->age);
	log_end(&l);
}

/* Not to be refused yet, and nothing is noted: the next attempt decides. */
static void put_off(struct worker *w, struct session *s)
{
	const struct turned t = {.reply = REPLY_GREYLISTED,
				 .counter = COUNT_greylisted,
				 .decision = {.tag = policy_source_tag(&w->policy, &s->src),
					      .verdict = "grey",
					      .reason = "no_evidence",
					      .wait = w->policy.delay[CLASS_DEFAULT]}};
	struct log_line l;

	turn_away(w, s, &t, &l);
	log_end(&l);
	smtp_rcpt_done(session_smtp(w, s), false);
}

/* Outside relay mode an earned source's connections reach the mail server without us, but for
 * these. */
static bool is_sample(const struct worker *w, const struct session *s)
{
	return w->config->mode != GG_MODE_RELAY && verdict_earned(s->origin);
}

/* Counted, remembered, logged. */
static void note_passed(struct worker *w, uint32_t n, const struct judgement *j)
{
	const struct policy_decision *d = &j->decision;
	struct session *s = worker_session(w, n);
	enum counter which = d->reason == REASON_LEARN           ? COUNT_learned
			     : d->reason == REASON_CORRESPONDENT ? COUNT_answered
			     : j->count                          ? COUNT_passed
								 : COUNT_allowed;
	const struct journal_decision told = {.tag = j->count ? d->tag : 0,
					      .verdict = !s->allowed       ? "pass"
							 : is_sample(w, s) ? "observe"
									   : "allow",
					      .reason = policy_reason_text(d->reason),
					      .age = d->age,
					      .by = d->reason == REASON_LIST ? &w->listed : NULL};
	char ticket[TICKET_TEXT];
	struct log_line l;

	counter_add(&w->counters, which, 1);
	journal_decided(w, s, &told, &l);
	if (j->count) {
		log_str(&l, "class", policy_class_text(d->delay_class));
		log_str(&l, "identity", policy_rung_text(d->rung));
		log_int(&l, "age_s", d->age);
		log_str(&l, "ticket", ticket_text(d->tag, ticket));
	}
	if (d->reason == REASON_LIST)
		listed_decided(w, &l);
	log_end(&l);
}

static void let_through(struct worker *w, uint32_t n, const struct judgement *j)
{
	note_passed(w, n, j);
	delivery_recipient(w, n, j);
}

/* Which records a delivery matures; the one that decided last, so that what the store says of it
 * holds for all. */
static void choose(struct judgement *j, const struct weighed *x)
{
	const struct policy_decision *d = &x->decision;
	struct policy_identity last = {d->rung, d->tag};

	j->decision = *d;
	j->level = x->level;
	if (d->reason == REASON_EXEMPT || d->reason == REASON_OFF ||
	    d->reason == REASON_CORRESPONDENT)
		return; /* there is no record to mature */
	for (int i = 0; i < x->count; i++)
		if (x->ids[i].tag != last.tag && policy_marks(d, &x->ids[i]))
			j->ids[j->count++] = x->ids[i];
	j->ids[j->count++] = last;
}

/* The word for the log of a source that is denied. */
static const char *denied(const struct session *s)
{
	return s->origin == GG_BY_TRAP ? "trapped" : s->origin == GG_BY_IMPORT ? "list" : "denied";
}

/* What may not be let through whatever the records say: denied sources, mail to traps. */
static bool refused(struct worker *w, uint32_t n, struct weighed *x)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	const char *words, *reason;
	enum trapping trapping;

	if (s->denied) {
		if (s->origin == GG_BY_TRAP)
			trapping_again(w, s, x);
		refuse(w, s, NULL, denied(s));
		smtp_rcpt_done(smtp, false);
		return true;
	}
	trapping = trapping_recipient(w, n, x, &words, &reason);
	if (trapping == TRAPPING_SPRUNG) {
		refuse(w, s, words, reason);
		smtp_rcpt_done(smtp, false);
	} else if (trapping == TRAPPING_OPEN && !evidence_hold(w, n)) {
		put_off(w, s);
	}
	return trapping != TRAPPING_NOT;
}

static void weigh(struct worker *w, struct session *s, struct weighed *x)
{
	const struct smtp *smtp = session_smtp(w, s);
	struct record records[POLICY_RUNGS] = {0};
	const struct policy_evidence *evidence = evidence_of(w, s);

	if (x->level)
		return;
	x->level = config_level(w->config, smtp->forward.text);
	x->seen = false;
	x->policy = daemon_level(w->daemon, x->level);
	x->attempt = (struct policy_attempt){.src = s->src,
					     .sender = smtp->reverse.text,
					     .recipient = smtp->forward.text,
					     .evidence = evidence,
					     .ms = w->wall_ms};
	if (s->shown) {
		x->known = evidence ? *evidence : (struct policy_evidence){0};
		sanity_evidence(s, &x->known);
		x->attempt.evidence = &x->known;
	}
	x->attempt.correspondent =
		correspondent_writes(w->daemon, &x->policy, x->attempt.evidence, &s->src, w->wall);
	x->count = policy_identities(&x->policy, &x->attempt, x->ids);
	for (int i = 0; i < x->count; i++)
		table_expect(w->daemon->records, x->ids[i].tag);
	for (int i = 0; i < x->count; i++) {
		struct cell cell;

		if (table_get(w->daemon->records, x->ids[i].tag, &cell)) {
			records[i] = record_of(&cell);
			x->seen = true;
		}
	}
	x->decision = policy_decide(&x->policy, &x->attempt, x->ids, records, x->count, w->wall);
}

bool judge_seen(struct worker *w, struct session *s, struct weighed *x)
{
	weigh(w, s, x);
	return x->seen;
}

/* Whether the mail server is known not to know the recipient, who is refused then. Of whoever does
 * not wait it is asked directly. */
static bool unknown(struct worker *w, uint32_t n, enum policy_mode mode)
{
	struct session *s = worker_session(w, n);
	struct verify_answer known;
	enum verify_state state;

	if (!session_smtp(w, s)->reverse.len || mode != POLICY_ENFORCE)
		return false;
	state = recipient_ask(w, s, &known);
	if (state == VERIFY_UNKNOWN)
		refuse_unknown(w, n, &known.reply);
	else if (state == VERIFY_VALID)
		trapping_answer(w, n, 250, "250");
	return state == VERIFY_UNKNOWN;
}

/* A stranger with the null sender, who is let through at DATA at the earliest: until then he holds
 * no connection to the mail server, and hears of the recipient what the verifier does. False: there
 * is no answer. */
static bool call_answered(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct verify_answer known;

	switch (recipient_ask(w, s, &known)) {
	case VERIFY_UNKNOWN:
		refuse_unknown(w, n, &known.reply);
		return true;
	case VERIFY_VALID:
	case VERIFY_ANY:
		session_dialog(w, s)->at_data = true;
		session_reply(w, s, REPLY_RCPT_OK, NULL);
		smtp_rcpt_done(session_smtp(w, s), true);
		return true;
	case VERIFY_ASKED:
		return recipient_wait(w, n);
	default:
		return false;
	}
}

void judge_recipient(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	struct judgement j = {.decision = {.verdict = POLICY_PASS, .reason = REASON_EXEMPT}};
	bool exempt = policy_recipient_exempt(smtp->forward.text);
	const char *why, *word;
	enum policy_mode mode;
	struct weighed x;

	x.level = NULL;
	recipient_begin(w, s);
	/* What was learned since the connection began counts too, for the next recipient already.
	 */
	if (!s->allowed && !s->denied)
		judge_source(w, s);
	listed_client(w, s);
	if (refused(w, n, &x))
		return;
	why = sanity_refusal(w, s, &word);
	if (why && !exempt) {
		refuse_manners(w, s, why, word);
		return;
	}
	if (s->allowed || (!exempt && listed_recipient(w, smtp->forward.text))) {
		if (w->listed.number)
			j.decision.reason = REASON_LIST;
		let_through(w, n, &j);
		return;
	}
	mode = config_level(w->config, smtp->forward.text)->policy.mode;
	if (!exempt && unknown(w, n, mode))
		return;
	if (!exempt && mode != POLICY_OFF && evidence_wait(w, n))
		return;
	weigh(w, s, &x);
	j.decision = x.decision;
	/* A callout ends here, with the mail server's answer; nothing is noted of it, or it would
	 * start the clock of a bounce that nobody has sent. */
	if (!smtp->reverse.len && x.decision.reason == REASON_LEARN) {
		session_dialog(w, s)->at_data = true;
		delivery_recipient(w, n, &j);
		return;
	}
	if (!smtp->reverse.len && waits(&x.decision) && call_answered(w, n))
		return;
	note_attempt(w, s, &x);
	if (x.decision.verdict == POLICY_GREY) {
		trapping_await(w, s);
		defer(w, s, &x.decision);
		smtp_rcpt_done(smtp, false);
		return;
	}
	choose(&j, &x);
	let_through(w, n, &j);
}

/* The null sender, whose one recipient stands in smtp.forward still. d: NULL, it was to wait. If it
 * need not any more, the next attempt finds that out. */
static bool judge_bounce(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	struct judgement j = {0};
	struct weighed x;

	x.level = NULL;
	weigh(w, s, &x);
	note_attempt(w, s, &x);
	if (x.decision.verdict == POLICY_GREY || !d) {
		defer(w, s, &x.decision);
		smtp_data_done(smtp, false);
		delivery_drop(w, s);
		return false;
	}
	choose(&j, &x);
	delivery_judged(d, &j);
	note_passed(w, n, &j);
	return true;
}

bool judge_data(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->denied) {
		listed_client(w, s);
		refuse(w, s, NULL, denied(s));
		smtp_data_done(session_smtp(w, s), false);
		delivery_drop(w, s);
		return false;
	}
	return !session_dialog(w, s)->at_data || judge_bounce(w, n, delivery_of(w, s));
}
