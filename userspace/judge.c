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
#include "reasons.h"
#include "recipient.h"
#include "worker.h"

void judge_log(struct worker *w, const struct session *s, struct log_line *l, enum log_event event)
{
	char words[SANITY_WORDS];

	log_begin(l, event);
	log_hex(l, "session", s->id);
	log_addr(l, "src", &s->src);
	log_int(l, "port", s->port);
	log_str(l, "tls", secure_version(w, s));
	log_str(l, "evidence", sanity_words(s, words));
}

#define STORE_WAITS 200 /* ms that a pass waits for a place in the store's queue */

/* ---- the source ---- */

void judge_source(struct worker *w, struct session *s)
{
	struct verdict_entry e;
	struct prefix p;

	if (!verdicts_find(w->daemon->verdicts, &s->src, w->wall, &e, &p)) {
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

/* ---- what is written down ---- */

/* As much of a string as fits. */
static void keep(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static void remember(struct worker *w, struct session *s, uint64_t ticket, const char *verdict,
		     const char *reason, uint32_t wait, uint32_t age,
		     const struct listing_answer *by)
{
	struct recent_entry e = {
		.ticket = ticket, .time = w->wall, .src = s->src, .wait = wait, .age = age};
	const struct policy_evidence *known = evidence_of(w, s);
	const struct smtp *smtp = session_smtp(w, s);

	keep(e.verdict, sizeof(e.verdict), verdict);
	keep(e.reason, sizeof(e.reason), reason);
	keep(e.recipient, sizeof(e.recipient), recipient_word(w, s));
	keep(e.helo, sizeof(e.helo), smtp->helo);
	keep(e.from, sizeof(e.from), smtp->reverse.text);
	keep(e.to, sizeof(e.to), smtp->forward.text);
	if (known) {
		e.name_state = known->name_state;
		e.spf = known->spf;
		e.list_score = known->list_score;
		keep(e.name, sizeof(e.name), known->name);
		keep(e.spf_domain, sizeof(e.spf_domain), known->spf_domain);
	}
	if (by && by->number) {
		e.list_line = by->line;
		keep(e.list, sizeof(e.list), by->list);
	}
	recent_add(w->recent, &e);
}

void judge_remember(struct worker *w, struct session *s, const char *verdict, const char *reason)
{
	remember(w, s, policy_source_tag(&w->policy, &s->src), verdict, reason, 0, 0, NULL);
}

void judge_begin(struct worker *w, struct session *s, struct log_line *l, enum log_event event)
{
	const struct smtp *smtp = session_smtp(w, s);
	const struct policy_evidence *known = evidence_of(w, s);

	judge_log(w, s, l, event);
	log_str(l, "helo", smtp->helo);
	log_str(l, "from", smtp->reverse.text);
	log_str(l, "to", smtp->forward.text);
	if (*recipient_word(w, s))
		log_str(l, "recipient", recipient_word(w, s));
	if (!known)
		return;
	/* What is not known is left out; a client without a name has an empty one. */
	if (known->name_state != NAME_UNKNOWN)
		log_str(l, "rdns", known->name);
	if (known->spf != SPF_UNKNOWN)
		log_str(l, "spf", evidence_spf_text(known->spf));
	if (known->list_score)
		log_int(l, "list_score", known->list_score);
}

/* A decision: what explain shows of it, and its line in the log as far as all of them are alike.
 * tag: what its ticket stands for. by: the list that decided, or NULL. */
static void decided(struct worker *w, struct session *s, struct log_line *l, uint64_t tag,
		    const char *verdict, const char *reason, uint32_t wait, uint32_t age,
		    const struct listing_answer *by)
{
	remember(w, s, tag, verdict, reason, wait, age, by);
	judge_begin(w, s, l, LOG_DECISION);
	log_str(l, "verdict", verdict);
	log_str(l, "reason", reason);
}

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
		[GG_BY_LIMIT] = "source address opened too many connections",
	};
	uint64_t tag = policy_source_tag(&w->policy, &s->src);
	char ticket[TICKET_TEXT];
	struct smtp_reply_args args = {.ticket = ticket_text(tag, ticket),
				       .reason = words[s->origin]};
	const struct listing_answer *listed = s->origin == GG_BY_IMPORT ? &w->listed : NULL;
	const char *given = reasons_words(s->reason);
	struct log_line l;

	if (listed && listed->message[0])
		given = listed->message;
	if (given || why)
		args.reason = given ? given : why;
	session_reply(w, s, REPLY_DENIED, &args);
	counter_add(&w->counters, COUNT_denied, 1);
	decided(w, s, &l, tag, "deny", reason, 0, 0, listed);
	log_str(&l, "ticket", ticket);
	log_int(&l, "reply", 554);
	if (listed)
		listed_decided(w, &l);
	log_end(&l);
}

/* The protocol is not kept to; the ticket leads back to the decision. */
static void refuse_manners(struct worker *w, struct session *s, const char *why, const char *word)
{
	struct smtp *smtp = session_smtp(w, s);
	uint64_t tag = policy_source_tag(&w->policy, &s->src);
	char ticket[TICKET_TEXT];
	struct smtp_reply_args args = {.ticket = ticket_text(tag, ticket), .reason = why};
	struct log_line l;

	session_reply(w, s, REPLY_PROTOCOL, &args);
	smtp_rcpt_done(smtp, false);
	counter_add(&w->counters, COUNT_check_refused, 1);
	decided(w, s, &l, tag, "deny", word, 0, 0, NULL);
	log_str(&l, "ticket", ticket);
	log_int(&l, "reply", smtp_reply_code(REPLY_PROTOCOL));
	log_end(&l);
}

/* The mail server does not know the recipient: its own words of when it was asked. */
static void refuse_unknown(struct worker *w, struct session *s, const struct verify_reply *reply)
{
	struct smtp *smtp = session_smtp(w, s);
	struct log_line l;

	if (!session_say(w, s, reply->text, reply->len))
		s->hangup = true;
	smtp_rcpt_done(smtp, false);
	counter_add(&w->counters, COUNT_verify_refused, 1);
	decided(w, s, &l, 0, "deny", "unknown_user", 0, 0, NULL);
	log_strn(&l, "reply", reply->text, strcspn(reply->text, "\r\n"));
	log_end(&l);
	trapping_answer(w, s, reply->code, reply->text);
}

/* ---- the recipient ---- */

/* An attempt and what the records say of it. */
struct weighed {
	const struct config_level *level;
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
	char ticket[TICKET_TEXT];
	struct smtp_reply_args args = {.minutes = policy_minutes(d->wait),
				       .ticket = ticket_text(d->tag, ticket)};
	struct log_line l;

	session_reply(w, s, REPLY_GREYLISTED, &args);
	counter_add(&w->counters, d->reason == REASON_EARLY ? COUNT_early : COUNT_greylisted, 1);
	if (d->reason == REASON_LATE)
		counter_add(&w->counters, COUNT_late, 1);
	decided(w, s, &l, d->tag, "grey", policy_reason_text(d->reason), d->wait, d->age, NULL);
	log_str(&l, "class", policy_class_text(d->delay_class));
	log_str(&l, "identity", policy_rung_text(d->rung));
	log_int(&l, "wait_s", d->wait);
	log_int(&l, "age_s", d->age);
	log_str(&l, "ticket", ticket);
	log_int(&l, "reply", 451);
	log_end(&l);
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
	const char *verdict = !s->allowed ? "pass" : is_sample(w, s) ? "observe" : "allow";
	enum counter which = d->reason == REASON_LEARN           ? COUNT_learned
			     : d->reason == REASON_CORRESPONDENT ? COUNT_answered
			     : j->count                          ? COUNT_passed
								 : COUNT_allowed;
	char ticket[TICKET_TEXT];
	struct log_line l;

	counter_add(&w->counters, which, 1);
	decided(w, s, &l, j->count ? d->tag : 0, verdict, policy_reason_text(d->reason), 0, d->age,
		d->reason == REASON_LIST ? &w->listed : NULL);
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

/* Not to be refused yet, and nothing is noted: the next attempt decides. */
static void put_off(struct worker *w, struct session *s)
{
	uint64_t tag = policy_source_tag(&w->policy, &s->src);
	uint32_t wait = w->policy.delay[CLASS_DEFAULT];
	char ticket[TICKET_TEXT];
	struct smtp_reply_args args = {.minutes = policy_minutes(wait),
				       .ticket = ticket_text(tag, ticket)};
	struct log_line l;

	session_reply(w, s, REPLY_GREYLISTED, &args);
	smtp_rcpt_done(session_smtp(w, s), false);
	counter_add(&w->counters, COUNT_greylisted, 1);
	decided(w, s, &l, tag, "grey", "no_evidence", wait, 0, NULL);
	log_str(&l, "ticket", ticket);
	log_int(&l, "reply", smtp_reply_code(REPLY_GREYLISTED));
	log_end(&l);
}

/* What may not be let through whatever the records say: denied sources, mail to traps. */
static bool refused(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	const char *words, *reason;
	enum trapping trapping;

	if (s->denied) {
		if (s->origin == GG_BY_TRAP)
			trapping_again(w, s);
		refuse(w, s, NULL, denied(s));
		smtp_rcpt_done(smtp, false);
		return true;
	}
	trapping = trapping_recipient(w, s, &words, &reason);
	if (trapping == TRAPPING_SPRUNG) {
		refuse(w, s, words, reason);
		smtp_rcpt_done(smtp, false);
	} else if (trapping == TRAPPING_OPEN && !evidence_hold(w, n)) {
		put_off(w, s);
	}
	return trapping != TRAPPING_NOT;
}

static void weigh(struct worker *w, const struct session *s, const struct smtp *smtp,
		  struct weighed *x)
{
	struct record records[POLICY_RUNGS] = {0};
	const struct policy_evidence *evidence = evidence_of(w, s);

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

bool judge_seen(struct worker *w, struct session *s)
{
	struct weighed x;

	weigh(w, s, session_smtp(w, s), &x);
	return x.seen;
}

/* Whether the mail server is known not to know the recipient, who is refused then. Of whoever does
 * not wait it is asked directly. */
static bool unknown(struct worker *w, struct session *s, enum policy_mode mode)
{
	struct verify_answer known;
	enum verify_state state;

	if (!session_smtp(w, s)->reverse.len || mode != POLICY_ENFORCE)
		return false;
	state = recipient_ask(w, s, &known);
	if (state == VERIFY_UNKNOWN)
		refuse_unknown(w, s, &known.reply);
	else if (state == VERIFY_VALID)
		trapping_answer(w, s, 250, "250");
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
		refuse_unknown(w, s, &known.reply);
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

	recipient_begin(w, s);
	/* What was learned since the connection began counts too, for the next recipient already.
	 */
	if (!s->allowed && !s->denied)
		judge_source(w, s);
	listed_client(w, s);
	if (refused(w, n))
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
	if (!exempt && unknown(w, s, mode))
		return;
	if (!exempt && mode != POLICY_OFF && evidence_wait(w, n))
		return;
	weigh(w, s, smtp, &x);
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

	weigh(w, s, smtp, &x);
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
