// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dialogue of a delivery: the commands of the envelope one by one, and what each answer of the
 * mail server does: it goes back to the client as it came, a recipient is accepted, the message
 * begins, the message was taken.
 */
#include <string.h>

#include "backend.h"
#include "delivery.h"
#include "recipient.h"
#include "taken.h"

/* ---- commands ---- */

/* Why a message can't go to this mail server. It was offered when the client was greeted, when
 * nothing was known or something else, so that the next EHLO says more than a refusal could. */
static const struct {
	enum upstream_cap cap;
	const char *reason;
} lacks_reasons[] = {
	{UPSTREAM_8BITMIME, "8BITMIME not offered by the mail server"},
	{UPSTREAM_SMTPUTF8, "SMTPUTF8 not offered by the mail server"},
	{UPSTREAM_DSN, "DSN not offered by the mail server"},
	{UPSTREAM_SIZE, "SIZE beyond what the mail server takes"},
};

static void lacking(struct worker *w, struct delivery *d, enum upstream_cap cap)
{
	uint32_t n = d->session;
	struct session *s = worker_session(w, n);
	size_t i = 0;

	while (lacks_reasons[i].cap != cap)
		i++;
	counter_add(&w->counters, COUNT_backend_lacks, 1);
	delivery_log(w, d, s, "defer", lacks_reasons[i].reason, NULL);
	session_reply(w, s, REPLY_OFFER_CHANGED, NULL);
	s->wait = WAIT_NONE;
	d->asked = ASKED_NOTHING;
	smtp_rcpt_done(session_smtp(w, s), false);
	session_continue(w, n);
}

void envelope_proceed(struct worker *w, struct delivery *d)
{
	struct smtp *smtp = session_smtp(w, worker_session(w, d->session));
	const char *given = d->mail_done ? smtp->rcpt_params : smtp->mail_params;
	char params[SMTP_PARAMS];
	enum upstream_cap lacks = UPSTREAM_SIZE;

	if (d->sending || d->up.state != UP_IDLE) {
		delivery_fail(w, d, "out of turn");
		return;
	}
	if (upstream_params(&d->up, given, params, sizeof(params), &lacks) < 0) {
		lacking(w, d, lacks);
		return;
	}
	if (d->mail_done) {
		upstream_rcpt(&d->up, &d->out, smtp->forward.text, params);
		delivery_ask(w, d, ASKED_RCPT);
	} else {
		upstream_mail(&d->up, &d->out, smtp->reverse.text, params);
		delivery_ask(w, d, ASKED_MAIL);
	}
	delivery_send(w, d);
}

/* 421 promises that the channel closes (RFC 5321 3.8), so that what the client has sent behind the
 * command is not answered, and comes again. */
static void hand_back(struct worker *w, struct session *s, struct delivery *d)
{
	if (d->up.code >= 500)
		counter_add(&w->counters, COUNT_backend_refused, 1);
	else if (d->up.code >= 400)
		counter_add(&w->counters, COUNT_backend_deferred, 1);
	if (!session_say(w, s, d->up.reply, d->up.reply_len) || d->up.code == 421)
		s->hangup = true;
}

static const char *refusal(const struct delivery *d)
{
	return d->up.code >= 500 ? "deny" : "defer";
}

/* The delivery is kept for its answer, so that many recipients are not as many attempts over there.
 */
static void refuse_client(struct worker *w, struct session *s, struct delivery *d)
{
	hand_back(w, s, d);
	s->wait = WAIT_NONE;
	smtp_rcpt_done(session_smtp(w, s), false);
	delivery_log(w, d, s, refusal(d), "client", d->up.reply);
}

void delivery_recipient(struct worker *w, uint32_t n, const struct judgement *judgement)
{
	struct session *s = worker_session(w, n);
	struct smtp *smtp = session_smtp(w, s);
	struct delivery *d = delivery_of(w, s);

	/* A new transaction goes where the settings in force send it. */
	if (d && !d->mail_done && !backend_is_current(w, d)) {
		delivery_drop(w, s);
		d = NULL;
	}
	if (d && d->met == MET_REFUSAL) {
		refuse_client(w, s, d);
		return;
	}
	/* It has said goodbye (421) and is of no more use. */
	if (d && (d->closing || d->up.state != UP_IDLE)) {
		delivery_drop(w, s);
		d = NULL;
	}
	/* Recipients that a lost connection had accepted must not be forgotten silently. */
	if (!d && smtp->recipients) {
		session_reply(w, s, REPLY_BACKEND_LOST, NULL);
		smtp_rcpt_done(smtp, false);
		return;
	}
	if (!d)
		d = delivery_begin(w, n);
	if (!d)
		return;
	d->judgement = *judgement;
	s->wait = WAIT_RCPT;
	if (d->up.state != UP_CONNECTING)
		envelope_proceed(w, d);
	else if (!backend_connect(w, d))
		delivery_fail(w, d, "connect");
}

void delivery_data(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct delivery *d = delivery_of(w, s);

	if (!d || d->up.state != UP_IDLE || d->sending) {
		session_reply(w, s, REPLY_BACKEND_LOST, NULL);
		smtp_data_done(session_smtp(w, s), false);
		delivery_drop(w, s);
		return;
	}
	s->wait = WAIT_DATA;
	upstream_data(&d->up, &d->out);
	delivery_ask(w, d, ASKED_DATA);
	d->began = w->now;
	d->bytes = 0;
	delivery_send(w, d);
}

void delivery_chunk(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct delivery *d = delivery_of(w, s);
	bool dead = !d || d->up.state != UP_IDLE || d->sending || d->closing;

	s->wait = WAIT_NONE;
	if ((!d || !d->chunked) && !judge_data(w, n))
		return;
	if (dead || !(d->up.caps & UPSTREAM_CHUNKING)) {
		if (!dead)
			counter_add(&w->counters, COUNT_backend_lacks, 1);
		session_reply(w, s, dead ? REPLY_BACKEND_LOST : REPLY_NO_CHUNKING, NULL);
		smtp_chunk_done(session_smtp(w, s), false);
		delivery_drop(w, s);
		return;
	}
	if (!d->chunked) {
		d->began = w->now;
		d->bytes = 0;
		taken_begin(w, d);
	}
	d->chunked = true;
	message_chunk(w, n, d);
}

/* ---- answers ---- */

void delivery_judged(struct delivery *d, const struct judgement *j)
{
	struct accepted *a = &d->accepted[d->accepted_count - 1];

	memcpy(a->ids, j->ids, sizeof(a->ids));
	a->count = (uint8_t)j->count;
	a->delay_class = (uint8_t)j->decision.delay_class;
	a->level = j->level;
}

static void accept_recipient(struct worker *w, struct session *s, struct delivery *d)
{
	struct smtp *smtp = session_smtp(w, s);
	struct accepted *a = &d->accepted[d->accepted_count++];

	taken_recipient(w, d);
	delivery_judged(d, &d->judgement);
	store_text_pair(a->text, smtp->reverse.text, smtp->forward.text);
}

static void on_rcpt(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	bool good = d->up.code / 100 == 2 && d->accepted_count < w->recipients;

	if (good) {
		accept_recipient(w, s, d);
		recipient_accepted(w, s);
	}
	hand_back(w, s, d);
	s->wait = WAIT_NONE;
	if (d->mail_done)
		standing_recipient(w, n, d->up.code, d->up.reply);
	smtp_rcpt_done(session_smtp(w, s), good);
	if (!good)
		delivery_log(w, d, s, refusal(d), "recipient", d->up.reply);
	if (d->closing)
		delivery_detach(w, s, d);
}

static void on_mail(struct worker *w, uint32_t n, struct delivery *d)
{
	if (d->up.code / 100 == 2) {
		d->mail_done = true;
		envelope_proceed(w, d);
		return;
	}
	on_rcpt(w, n, d); /* the refusal of the sender is the answer to the recipient */
}

static void on_data(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	bool good = d->up.code == 354;

	hand_back(w, s, d);
	smtp_data_done(session_smtp(w, s), good);
	if (good) {
		message_begin(w, n, d);
		return;
	}
	s->wait = WAIT_NONE;
	standing_message(w, s, d->up.code);
	delivery_log(w, d, s, refusal(d), "data", d->up.reply);
	delivery_drop(w, s); /* its transaction still stands over there */
}

/* To a piece of a chunk: the client hears of the last one, or of the one that was refused. */
static void on_chunk(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	bool good = d->up.code / 100 == 2;

	if (good && !d->chunk_ended) {
		message_more(w, n, d);
		return;
	}
	hand_back(w, s, d);
	smtp_chunk_done(session_smtp(w, s), good);
	message_leave(w, n, d);
	if (good)
		return;
	standing_message(w, s, d->up.code);
	delivery_log(w, d, s, refusal(d), "data", d->up.reply);
	delivery_drop(w, s);
}

void delivery_answered(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct delivery *d = delivery_of(w, s);

	s->wait = WAIT_NONE;
	smtp_text_done(session_smtp(w, s), d->up.code / 100 == 2);
	hand_back(w, s, d);
	d->mail_done = d->chunked = d->moved = false;
	d->accepted_count = 0;
	d->recipients_sum = 0;
	d->asked = ASKED_NOTHING;
	if (d->closing) /* lost while the store was asked: the message was taken before */
		delivery_detach(w, s, d);
	if (w->draining)
		session_drain(w, n);
	session_continue(w, n);
}

static void on_text(struct worker *w, uint32_t n, struct delivery *d)
{
	struct session *s = worker_session(w, n);
	bool good = d->up.code / 100 == 2;

	delivery_log(w, d, s, good ? "pass" : refusal(d), "data", d->up.reply);
	standing_message(w, s, d->up.code);
	if (good) {
		taken_note(w, s, d);
		counter_add(&w->counters, COUNT_relayed, 1);
		counter_add(&w->counters, COUNT_relayed_bytes, (int64_t)d->bytes);
		if (judge_delivered(w, n, d)) {
			s->wait = WAIT_STORE;
			delivery_ask(w, d, ASKED_NOTHING);
			return;
		}
	} else {
		taken_give_up(w, d);
	}
	delivery_answered(w, n);
}

void envelope_refused(struct worker *w, struct delivery *d)
{
	if (d->session == POOL_NONE)
		return;
	if (backend_is_listed(w, d))
		backend_named(w->daemon, w->config, d->backend, false);
	d->met = MET_REFUSAL;
	d->asked = ASKED_NOTHING;
	refuse_client(w, worker_session(w, d->session), d);
}

/* What bytes that nobody has asked for say can't be the answer to a command that is yet to be sent,
 * so this reply is the last one that counts, as one is that says 421. */
void envelope_answer(struct worker *w, struct delivery *d, bool more)
{
	static void (*const handler[])(struct worker *, uint32_t, struct delivery *) = {
		[ASKED_MAIL] = on_mail,   [ASKED_RCPT] = on_rcpt, [ASKED_DATA] = on_data,
		[ASKED_CHUNK] = on_chunk, [ASKED_TEXT] = on_text,
	};
	bool parting = more || d->up.state == UP_BROKEN;
	uint8_t asked = d->asked;

	if (d->session == POOL_NONE)
		return;
	if (d->up.code == 421 && delivery_closing(w, d))
		return;
	if (d->up.code != 421 && (asked == ASKED_TEXT || d->up.code >= 400) &&
	    backend_is_listed(w, d))
		backend_served(w->daemon, w->config, d->backend, w->now);
	d->touched = w->now;
	d->asked = ASKED_NOTHING;
	d->reused &= asked == ASKED_MAIL && d->up.code / 100 == 2;
	if (asked < ASKED_MAIL) {
		delivery_fail(w, d, "unasked reply");
		return;
	}
	/* A yes is worth nothing on a connection that is lost, except to the message itself. */
	if (parting && asked != ASKED_TEXT && d->up.code < 400) {
		delivery_fail(w, d, "spoke out of turn");
		return;
	}
	if (parting)
		delivery_call_off(w, d);
	handler[asked](w, d->session, d);
}
