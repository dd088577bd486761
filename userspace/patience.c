// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long a session may take: for a line, for a word of farewell, in all, and at the end of the
 * daemon.
 */
#include "journal.h"

#define GRACE 1000 /* ms: for a reply that is on its way when session_time is over */

static void say_goodbye(struct worker *w, uint32_t n, enum smtp_reply r, enum counter which,
			const char *reason)
{
	struct session *s = worker_session(w, n);
	struct log_line l;

	counter_add(&w->counters, which, 1);
	journal_line(w, s, &l, LOG_LIMIT);
	log_str(&l, "reason", reason);
	log_int(&l, "dur_ms", (int64_t)(w->now - s->started));
	log_end(&l);
	/* With replies the client does not read there is nobody to tell. */
	if (s->sending || (s->wait && !message_abandon(w, n))) {
		session_end(w, n);
		return;
	}
	session_reply(w, s, r, NULL);
	s->hangup = true;
	session_continue(w, n);
}

/* Whether it is the mail server or the store that is waited for, whose own timeouts rule. Giving up
 * after the end of data would deliver the message and tell the client otherwise. */
static bool is_with_others(struct worker *w, const struct session *s)
{
	const struct delivery *d = delivery_of(w, s);

	return s->wait == WAIT_REPLY || s->wait == WAIT_STORE ||
	       (s->wait == WAIT_TEXT && d && d->handed);
}

void session_timeout(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	const struct config *c = w->config;
	uint64_t spared = s->dialog == POOL_NONE ? 0 : session_dialog(w, s)->spared;
	uint64_t quiet = w->now - s->touched, until = s->started + spared + c->limit.session_time;
	uint64_t next;

	if (s->phase == PHASE_BANNER && quiet >= c->limit.state_time) {
		session_end(w, n); /* refused, and does not read why */
		return;
	}
	if (s->phase == PHASE_BANNER) {
		worker_timer(w, n, s->touched + c->limit.state_time);
		return;
	}
	if (s->phase != PHASE_DIALOG)
		return;
	if (is_with_others(w, s)) {
		worker_timer(w, n, w->now + 1000);
		return;
	}
	if (w->now >= until && s->sending && w->now < until + GRACE) {
		worker_timer(w, n, w->now + 10);
		return;
	}
	if (w->now >= until) {
		say_goodbye(w, n, REPLY_TIMEOUT, COUNT_limit_session_time, "session_time");
		return;
	}
	if (quiet >= c->limit.state_time &&
	    (s->wait == WAIT_NONE || s->wait == WAIT_TLS || s->sending ||
	     (s->wait == WAIT_TEXT && s->receiving))) {
		say_goodbye(w, n, REPLY_TIMEOUT, COUNT_limit_state_time, "state_time");
		return;
	}
	next = s->touched + c->limit.state_time;
	if (next <= w->now) /* somebody else takes the time */
		next = w->now + 1000;
	if (next > until)
		next = until;
	worker_timer(w, n, next);
}

void session_linger_over(struct worker *w, uint32_t n)
{
	const struct session *s = worker_session(w, n);

	if (s->phase == PHASE_PROXY)
		session_header_late(w, n);
	else if (s->phase == PHASE_LINGER)
		session_end(w, n);
	else
		secure_late(w, n);
}

void session_drain(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp;

	if (s->phase == PHASE_STUTTER || s->phase == PHASE_PROXY) {
		session_end(w, n);
		return;
	}
	if (s->phase != PHASE_DIALOG || s->wait || s->sending || s->hangup ||
	    s->dialog == POOL_NONE)
		return;
	smtp = session_smtp(w, s);
	if (smtp->state != SMTP_START && smtp->state != SMTP_READY)
		return; /* a transaction in the works is brought to its end */
	session_reply(w, s, REPLY_SERVICE_DOWN, NULL);
	s->hangup = true;
	session_continue(w, n);
}
