// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The connection to the mail server behind a session: opened for the first recipient that may pass,
 * lost or given up at any moment. What is said on it is envelope.c's and message.c's.
 *
 * What must never happen: a 250 without the mail server's own. When its connection is lost with
 * recipients accepted, the transaction is lost with it, and the client is told 451 for the rest of
 * it.
 */
#include <string.h>

#include "backend.h"
#include "delivery.h"
#include "journal.h"
#include "offers.h"
#include "quota.h"
#include "taken.h"

static struct delivery *at(struct worker *w, uint32_t number)
{
	return pool_at(&w->deliveries, number);
}

uint32_t delivery_number(struct worker *w, const struct delivery *d)
{
	return (uint32_t)((size_t)((const uint8_t *)d - w->deliveries.base) / w->deliveries.size);
}

struct delivery *delivery_of(struct worker *w, const struct session *s)
{
	return s->delivery == POOL_NONE ? NULL : at(w, s->delivery);
}

struct ring *delivery_ring(struct worker *w)
{
	return &w->rings[0];
}

struct ring_event delivery_token(struct worker *w, const struct delivery *d, enum op op)
{
	return (struct ring_event){delivery_number(w, d), d->generation, (uint8_t)op};
}

void delivery_log(struct worker *w, const struct delivery *d, const struct session *s,
		  const char *verdict, const char *reason, const char *reply)
{
	const struct smtp *smtp = session_smtp(w, (struct session *)s);
	char text[ENDPOINT_TEXT];
	struct log_line l;

	journal_line(w, s, &l, LOG_RELAY);
	log_str(&l, "from", smtp->reverse.text);
	log_str(&l, "verdict", verdict);
	log_str(&l, "reason", reason);
	log_str(&l, "backend", endpoint_text(&d->peer, text));
	if (reply) {
		size_t len = strcspn(reply, "\r\n");

		log_strn(&l, "reply", reply, len);
	}
	log_int(&l, "bytes", (int64_t)d->bytes);
	log_int(&l, "dur_ms", (int64_t)(w->now - d->began));
	log_end(&l);
}

/* ---- the way out ---- */

static void release(struct worker *w, struct delivery *d)
{
	backend_release(w, d);
	d->generation++;
	d->session = POOL_NONE;
	d->asked = ASKED_NOTHING;
	d->closing = false;
	counter_add(&w->counters, COUNT_backend_open, -1);
	quota_give(w);
	pool_give(&w->deliveries, delivery_number(w, d));
}

/* Goes on closing once nothing of it is in flight. */
static void settle(struct worker *w, struct delivery *d)
{
	if (!d->closing || d->connecting || d->receiving || d->sending || d->closed)
		return;
	d->closed = true;
	if (d->fd >= 0)
		ring_close_fd(delivery_ring(w), d->fd, delivery_token(w, d, OP_BACK_CLOSE));
	else if (d->session == POOL_NONE)
		release(w, d);
}

void delivery_call_off(struct worker *w, struct delivery *d)
{
	struct ring_event nobody = delivery_token(w, d, OP_CANCEL);

	warm_forget(w, d);
	backend_stands(w->daemon, d->backend, &d->stands, false);
	d->closing = true;
	if (d->connecting)
		ring_cancel(delivery_ring(w), delivery_token(w, d, OP_BACK_CONNECT), nobody);
	if (d->receiving)
		ring_cancel(delivery_ring(w), delivery_token(w, d, OP_BACK_RECV), nobody);
	/* QUIT is on its way when the machine is idle; a piece of a message must not go on. */
	if (d->sending && upstream_in_text(&d->up))
		ring_cancel(delivery_ring(w), delivery_token(w, d, OP_BACK_SEND), nobody);
	settle(w, d);
}

void delivery_detach(struct worker *w, struct session *s, struct delivery *d)
{
	taken_give_up(w, d);
	headcount_let_go(w, s);
	s->delivery = POOL_NONE;
	d->session = POOL_NONE;
	if (d->closed && d->fd < 0)
		release(w, d); /* its close was over already */
}

void delivery_send(struct worker *w, struct delivery *d)
{
	backend_send(w, d, d->out.buf, d->out.len);
}

void delivery_part(struct worker *w, struct delivery *d)
{
	if (!d->closing && d->up.state == UP_IDLE && !d->sending) {
		upstream_quit(&d->up, &d->out);
		delivery_send(w, d);
	}
	if (d->closing)
		return;
	delivery_watch(w, d);
	delivery_call_off(w, d);
}

void delivery_drop(struct worker *w, struct session *s)
{
	struct delivery *d = delivery_of(w, s);

	if (!d)
		return;
	if (!warm_keep(w, d))
		delivery_part(w, d);
	delivery_detach(w, s, d);
}

/* The mail server went before the transaction had a recipient: once more from its begin, as if
 * nothing had been asked. A kept connection (reused) may have been closed for its age, which speaks
 * neither against the mail server nor of it; any other is a loss, after which another mail server
 * is better, and the same one worth no more than one attempt, if it is not silent or leaving
 * (other). False: it is not that. */
static bool again(struct worker *w, struct delivery *d, bool other)
{
	bool asked = (d->asked == ASKED_MAIL || d->asked == ASKED_RCPT) && !d->closing &&
		     d->session != POOL_NONE;
	bool reused = asked && d->reused, moves = asked && !d->moved && !d->accepted_count;
	int which;

	/* It ended while our command was on its way: once that is over. */
	if ((reused || moves) && d->sending) {
		d->stale = true;
		return true;
	}
	d->reused = d->stale = false;
	if (!reused && !moves)
		return false;
	if (reused)
		d->met = MET_NOBODY;
	d->moved |= !reused;
	which = reused ? -1 : backend_another(w, d);
	if (which < 0 && !reused && other)
		return false;
	counter_add(&w->counters, COUNT_backend_moved, !reused);
	if (!backend_anew(w, d, which < 0 ? 0 : which))
		delivery_fail(w, d, "connect");
	return true;
}

void delivery_note_loss(struct worker *w, struct delivery *d, const char *why)
{
	if (d->met == MET_GREETING && !d->reused && !d->closing && d->session != POOL_NONE &&
	    (d->asked > ASKED_GREETING || upstream_in_text(&d->up)) && backend_is_listed(w, d))
		backend_lost(w->daemon, w->config, d->backend, w->now, why);
}

bool delivery_closing(struct worker *w, struct delivery *d)
{
	struct upstream_client client = delivery_client(w, d);

	if (upstream_about_client(&d->up, &client))
		return false;
	delivery_note_loss(w, d, "says 421 in one transaction after the other");
	return again(w, d, true);
}

/* What a recipient hears that no mail server could be asked about. */
static const enum smtp_reply unasked[] = {
	[MET_NOBODY] = REPLY_BACKEND_DOWN,
	[MET_FULL] = REPLY_BACKEND_BUSY,
	[MET_GREETING] = REPLY_BACKEND_LOST,
};

void delivery_fail(struct worker *w, struct delivery *d, const char *why)
{
	struct session *s;
	struct smtp *smtp;
	uint32_t n = d->session;
	uint8_t wait;

	if (n == POOL_NONE || d->closing || d->met == MET_REFUSAL) {
		delivery_call_off(w, d);
		return;
	}
	s = worker_session(w, n);
	smtp = session_smtp(w, s);
	wait = s->wait;
	delivery_call_off(w, d);
	if (wait == WAIT_STORE)
		return; /* the message was taken: its answer is kept for delivery_answered */
	if (wait != WAIT_NONE || d->mail_done) {
		counter_add(&w->counters, COUNT_backend_failed, 1);
		delivery_log(w, d, s, "defer", why, NULL);
	}
	if (wait == WAIT_TEXT) {
		if (d->text_ended)
			wait = WAIT_REPLY;
		else if (d->chunk_ended)
			wait = WAIT_DATA;
		else
			smtp_text_fail(smtp, REPLY_BACKEND_LOST);
		if (s->receiving) { /* into our buffer: message_received takes it from here */
			d->failed = true;
			return;
		}
		session_push_back(w, s, d->text + d->text_sent, d->text_len - d->text_sent);
	}
	delivery_detach(w, s, d);
	s->wait = WAIT_NONE;
	s->touched = w->now;
	switch (wait) {
	case WAIT_RCPT:
		session_reply(w, s, unasked[d->met], NULL);
		smtp_rcpt_done(smtp, false);
		break;
	case WAIT_CHUNK:
		smtp_text_fail(smtp, REPLY_BACKEND_LOST);
		break;
	case WAIT_DATA:
		session_reply(w, s, REPLY_BACKEND_LOST, NULL);
		smtp_data_done(smtp, false);
		break;
	case WAIT_REPLY:
		session_reply(w, s, REPLY_BACKEND_LOST, NULL);
		smtp_text_done(smtp, false);
		break;
	default:
		break;
	}
	session_continue(w, n);
}

/* ---- the way in ---- */

struct upstream_client delivery_client(struct worker *w, const struct delivery *d)
{
	const struct config *c = w->config;
	bool seen = c->mode == GG_MODE_GATEWAY || c->upstream.proxy;
	struct upstream_client client = {.our_name = c->hostname,
					 .use_xclient = c->upstream.xclient && !seen,
					 .here = d->here,
					 .tls = backend_tls(c, d->in_the_clear)};
	struct session *s;

	if (d->session == POOL_NONE)
		return client;
	s = worker_session(w, d->session);
	/* A name that was let through against the grammar is not handed on. */
	if (smtp_domain_ok(session_smtp(w, s)->helo, strlen(session_smtp(w, s)->helo)))
		client.helo = session_smtp(w, s)->helo;
	if (seen && client.helo) /* who it is, the mail server knows by its address */
		client.our_name = client.helo;
	if (client.use_xclient)
		evidence_names(w, s, &client.name, &client.reverse_name, &client.name_unsure);
	client.named = seen;
	client.esmtp = session_smtp(w, s)->esmtp;
	client.addr = (struct endpoint){s->src, s->port};
	return client;
}

static struct delivery *fresh(struct worker *w, const struct session *s)
{
	struct delivery *d;
	uint16_t generation;
	uint32_t number;
	bool timed;

	if (!quota_take(w, s))
		return NULL;
	number = pool_take(&w->deliveries);
	if (number == POOL_NONE) {
		quota_give(w);
		return NULL;
	}
	d = at(w, number);
	generation = d->generation;
	/* The buffers at the end are written before they are read. */
	timed = d->timed;
	memset(d, 0, offsetof(struct delivery, address));
	d->timed = timed;
	d->generation = generation;
	d->session = POOL_NONE;
	d->fd = -1;
	d->reloads = w->reloads;
	upstream_init(&d->up);
	counter_add(&w->counters, COUNT_backend_open, 1);
	return d;
}

struct delivery *delivery_begin(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct delivery *d;

	if (!headcount_hold(w, s)) {
		quota_refuse(w, n, QUOTA_SOURCE);
		return NULL;
	}
	d = quota_reuses(w, s) ? warm_take(w) : NULL;
	if (d)
		d->reused = true;
	else
		d = fresh(w, s);
	if (!d) {
		headcount_let_go(w, s);
		quota_refuse(w, n, quota_short(w));
		return NULL;
	}
	d->session = n;
	s->delivery = delivery_number(w, d);
	d->in_len = d->text_len = d->text_sent = d->accepted_count = 0;
	d->failed = d->text_ended = d->moved = false;
	d->met = d->reused ? MET_GREETING : MET_NOBODY;
	d->began = w->now;
	d->here = way_here(w, n);
	delivery_watch(w, d);
	return d;
}

/* ---- completions ---- */

static void read_back(struct worker *w, struct delivery *d)
{
	d->receiving = true;
	ring_recv_fd(delivery_ring(w), d->fd, d->in, sizeof(d->in),
		     delivery_token(w, d, OP_BACK_RECV));
}

static void greeted(struct worker *w, struct delivery *d)
{
	offers_confirm(w->daemon, w->config, &d->peer, &d->up);
	if (backend_is_listed(w, d)) {
		backend_up(w->daemon, w->config, d->backend, w->now);
		backend_named(w->daemon, w->config, d->backend, true);
		backend_stands(w->daemon, d->backend, &d->stands, true);
	}
	d->met = MET_GREETING;
	envelope_proceed(w, d);
}

/* The connection is of no use. Before the transaction has a recipient it may be begun elsewhere. */
static void lost(struct worker *w, struct delivery *d, const char *why)
{
	/* Kept, for the next one's attempt begins in the same place. */
	bool greeting = d->asked == ASKED_GREETING && !d->closing && d->session != POOL_NONE;

	if (backend_plain(w, d))
		return;
	if (d->late)
		why = "timeout";
	delivery_note_loss(w, d, why);
	if (!again(w, d, d->late) && (!greeting || d->sending || !backend_skip(w, d, why)))
		delivery_fail(w, d, why);
}

static void shake_failed(struct worker *w, struct delivery *d)
{
	char why[240];

	if (tls_distrust(&d->tls))
		counter_add(&w->counters, COUNT_backend_distrusted, 1);
	backend_tls_why(&d->tls, why, sizeof(why));
	lost(w, d, why);
}

static void back_received(struct worker *w, struct delivery *d, int res)
{
	struct upstream_client client = delivery_client(w, d);
	uint16_t generation = d->generation;
	size_t used = 0, len = res > 0 ? (size_t)res : 0;
	const char *text;

	if (res <= 0) {
		lost(w, d, backend_closed_why(&d->up, res));
		return;
	}
	if (d->closing)
		return;
	if (d->met == MET_REFUSAL) { /* the answer to the client is in up.reply */
		delivery_fail(w, d, "unasked reply");
		return;
	}
	/* Our command has not even left. */
	if (d->sending && (d->up.state == UP_COMMAND || d->up.state == UP_TEXT_END)) {
		lost(w, d, "spoke out of turn");
		return;
	}
	if (d->shaking) {
		if (backend_shake(w, d, len))
			shake_failed(w, d);
		else
			read_back(w, d);
		return;
	}
	if (!backend_open(w, d, &text, &len)) {
		lost(w, d, "TLS with the mail server broke");
		return;
	}
	/* Its last answer is still needed as it is. */
	if (len && d->session != POOL_NONE && worker_session(w, d->session)->wait == WAIT_STORE) {
		delivery_fail(w, d, "unasked reply");
		return;
	}
	while (used < len && d->generation == generation && !d->closing && d->met != MET_REFUSAL) {
		enum upstream_act act;
		uint32_t n = d->session;

		used += upstream_input(&d->up, &client, text + used, len - used, &d->out, &act);
		if (act == UPSTREAM_MORE)
			break;
		if (act == UPSTREAM_SEND)
			delivery_send(w, d);
		else if (act == UPSTREAM_READY)
			greeted(w, d);
		else if (act == UPSTREAM_REFUSED)
			envelope_refused(w, d);
		else if (act == UPSTREAM_REPLY_READY)
			envelope_answer(w, d, used < len);
		else if (act == UPSTREAM_TLS && used < len)
			continue; /* the machine breaks over what came in the clear behind it */
		else if (act == UPSTREAM_TLS && !backend_secure(w, d))
			break;
		else {
			lost(w, d,
			     act == UPSTREAM_TLS ? "TLS with the mail server could not begin"
						 : upstream_why(&d->up));
			return;
		}
		if (d->connecting) /* anew */
			return;
		/* An answer may have unblocked the client, whose next command may have used this
		 * delivery. */
		if ((act == UPSTREAM_REPLY_READY || act == UPSTREAM_REFUSED) && n != POOL_NONE)
			session_continue(w, n);
	}
	if (d->generation == generation && !d->closing)
		read_back(w, d);
}

static void back_sent(struct worker *w, struct delivery *d, int res)
{
	if (d->closing)
		return;
	if (d->stale && upstream_securing(&d->up))
		lost(w, d, backend_closed_why(&d->up, 0));
	else if (d->stale)
		again(w, d, false);
	else if (res < 0 && (d->reused || upstream_securing(&d->up)))
		return; /* what is read tells of it, too */
	else if (res < 0)
		delivery_fail(w, d, "send");
	else if (d->session != POOL_NONE && d->passing)
		message_sent(w, d->session, d);
	else if (d->up.state == UP_BANNER) /* the PROXY header is out */
		read_back(w, d);
}

static void back_connected(struct worker *w, struct delivery *d, int res)
{
	if (d->closing)
		return;
	if (res < 0) {
		if (!backend_other_way(w, d, res))
			lost(w, d, "connect");
		return;
	}
	upstream_connected(&d->up);
	if (way_header(w, d))
		delivery_send(w, d);
	else
		read_back(w, d);
}

void delivery_event(struct worker *w, uint32_t number, enum op op, int res)
{
	struct delivery *d = at(w, number);

	switch (op) {
	case OP_BACK_CONNECT:
		d->connecting = false;
		back_connected(w, d, res);
		break;
	case OP_BACK_RECV:
		d->receiving = false;
		back_received(w, d, res);
		break;
	case OP_BACK_SEND:
		d->sending = false;
		back_sent(w, d, res);
		break;
	default: /* OP_BACK_CLOSE */
		d->fd = -1;
		if (d->session == POOL_NONE)
			release(w, d);
		return;
	}
	settle(w, d);
}
