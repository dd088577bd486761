// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TLS of a client's session, from STARTTLS on: the filter of tls/ between the ring and the dialog.
 *
 * A handshake costs as much as hundreds of commands. What arrives for one is put aside, and a turn
 * of the loop carries out one step of one handshake, so that nobody else waits for more than that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define HANDSHAKE_MS 30000 /* a slot is dear: who can't do it in this time goes without mail */

static struct tls *tls_of(struct worker *w, const struct session *s)
{
	return pool_at(&w->secured, s->tls);
}

bool secure_make(struct worker *w, uint32_t sessions)
{
	w->handshakes.list = calloc(sessions, sizeof(*w->handshakes.list));
	w->handshakes.size = sessions;
	w->opened = malloc(OPENED);
	w->answered = malloc(OPENED);
	w->sealed = malloc(OUT_CHUNK + OUT_SPARE);
	return w->handshakes.list && w->opened && w->answered && w->sealed &&
	       !pool_new(&w->secured, sessions, sizeof(struct tls));
}

void secure_unmake(struct worker *w)
{
	pool_free(&w->secured);
	free(w->handshakes.list);
	free(w->opened);
	free(w->answered);
	free(w->sealed);
}

static void broken(struct worker *w, const struct session *s, const char *why)
{
	struct log_line l;

	counter_add(&w->counters, COUNT_tls_failed, 1);
	journal_line(w, s, &l, LOG_CONNECT);
	log_str(&l, "reason", "tls_failed");
	log_str(&l, "message", why);
	log_end(&l);
}

void secure_begin(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	const struct tls_context *c = atomic_load(&w->daemon->tls);
	const struct config *conf = w->config;

	if (c && shared_take(&w->daemon->secured,
			     shared_limit(conf->tls.sessions, conf->tls.reserve, s->allowed))) {
		s->tls = pool_take(&w->secured);
		if (s->tls != POOL_NONE && tls_begin_server(tls_of(w, s), c)) {
			pool_give(&w->secured, s->tls);
			s->tls = POOL_NONE;
		}
		if (s->tls == POOL_NONE)
			shared_give(&w->daemon->secured);
	}
	if (s->tls == POOL_NONE) {
		counter_add(&w->counters, COUNT_limit_tls, 1);
		session_reply(w, s, REPLY_TLS_BUSY, NULL);
		return;
	}
	counter_add(&w->counters, COUNT_tls_open, 1);
	session_reply(w, s, REPLY_TLS_READY, NULL);
	s->wait = WAIT_TLS;
	if (!wheel_add(w->timeouts, n | LINGER_TIMER, s->generation, w->now + HANDSHAKE_MS))
		s->hangup = true;
}

void secure_end(struct worker *w, struct session *s)
{
	if (s->tls == POOL_NONE)
		return;
	if (s->wait == WAIT_TLS)
		broken(w, s, "the connection ended before the handshake was over");
	tls_end(tls_of(w, s));
	pool_give(&w->secured, s->tls);
	shared_give(&w->daemon->secured);
	counter_add(&w->counters, COUNT_tls_open, -1);
	s->tls = POOL_NONE;
	s->secured = false;
}

const char *secure_version(struct worker *w, const struct session *s)
{
	return s->secured ? tls_version(tls_of(w, s)) : NULL;
}

/* ---- the handshake ---- */

void secure_late(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->phase != PHASE_DIALOG || s->wait != WAIT_TLS)
		return;
	broken(w, s, "the handshake was not over within 30 seconds");
	s->wait = WAIT_NONE;
	session_end(w, n);
}

void secure_queue(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct handshakes *q = &w->handshakes;

	/* A session that ended while it was queued may leave its place taken for a moment. */
	if (q->count == q->size) {
		counter_add(&w->counters, COUNT_queue_full, 1);
		session_end(w, n);
		return;
	}
	q->list[(q->first + q->count++) % q->size] = (struct handshake){n, s->generation};
}

/* A part of ours that did not fit goes on without a word of the client. */
static bool due(struct worker *w, const struct session *s)
{
	return s->in != POOL_NONE || tls_of(w, s)->full;
}

void secure_sent(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (due(w, s))
		secure_queue(w, n);
	else
		session_read(w, n);
}

/* What came behind the handshake is the beginning of the session. */
static bool established(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	const char *buf;
	size_t len = s->in_len;

	s->wait = WAIT_NONE;
	s->secured = true;
	smtp_tls_done(session_smtp(w, s));
	counter_add(&w->counters, COUNT_tls_handshakes, 1);
	if (s->in == POOL_NONE)
		return true;
	buf = pool_at(&w->ins, s->in);
	if (!secure_open(w, s, &buf, &len))
		return false;
	session_in_drop(w, s);
	session_push_back(w, s, buf, len);
	return true;
}

static void step(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	char *in = s->in == POOL_NONE ? NULL : pool_at(&w->ins, s->in);
	size_t used = s->in_len, len;
	enum tls_step step;
	char why[200];

	if (!session_out_have(w, s) || s->in_len > RECV_BUFFER) {
		session_end(w, n);
		return;
	}
	step = tls_handshake(tls_of(w, s), in, &used, pool_at(&w->outs, s->out), OUT_CHUNK, &len);
	s->out_len = (uint32_t)len;
	s->in_len -= (uint32_t)used;
	if (s->in_len)
		memmove(in, in + used, s->in_len);
	else
		session_in_drop(w, s);
	if (step == TLS_DEAD) {
		broken(w, s, tls_why(tls_of(w, s), why, sizeof(why)));
		s->wait = WAIT_NONE;
		s->hangup = true; /* after the alert */
	} else if (step == TLS_DONE && !established(w, n)) {
		session_end(w, n);
		return;
	}
	if (s->out_len)
		session_send(w, n);
	else if (s->hangup)
		session_end(w, n);
	else if (step == TLS_DONE)
		session_continue(w, n);
	else
		secure_sent(w, n);
}

bool secure_waiting(const struct worker *w)
{
	return w->handshakes.count;
}

void secure_turn(struct worker *w)
{
	struct handshakes *q = &w->handshakes;
	bool done = false;

	while (q->count && !done) {
		struct handshake h = q->list[q->first];
		const struct session *s = worker_session(w, h.n);

		q->first = (q->first + 1) % q->size;
		q->count--;
		done = s->generation == h.generation && s->phase == PHASE_DIALOG &&
		       s->wait == WAIT_TLS && due(w, s);
		if (done)
			step(w, h.n);
	}
}

/* ---- the session ---- */

bool secure_owes(struct worker *w, const struct session *s)
{
	return s->secured && tls_of(w, s)->aside_len;
}

bool secure_half_closed(struct worker *w, const struct session *s)
{
	return s->secured && tls_half_closed(tls_of(w, s));
}

bool secure_open_to(struct worker *w, struct session *s, const char *in, size_t len, char *to,
		    size_t room, size_t *ret_len)
{
	int rc = tls_open(tls_of(w, s), in, len, to, room, ret_len);
	char why[200];

	if (rc == -ENOBUFS) {
		counter_add(&w->counters, COUNT_limit_key_updates, 1);
		broken(w, s, "too many key updates or renegotiations");
	}
	if (rc == -EPROTO)
		broken(w, s, tls_why(tls_of(w, s), why, sizeof(why)));
	return !rc || (rc == -EPIPE && *ret_len);
}

bool secure_open(struct worker *w, struct session *s, const char **buf, size_t *len)
{
	bool good = secure_open_to(w, s, *buf, *len, w->opened, OPENED, len);

	*buf = w->opened;
	return good;
}

bool secure_seal(struct worker *w, struct session *s)
{
	char *out;
	size_t len;

	if (!session_out_have(w, s))
		return false;
	out = pool_at(&w->outs, s->out);
	if (tls_seal(tls_of(w, s), out, s->out_len, s->hangup, w->sealed, OUT_CHUNK + OUT_SPARE,
		     &len))
		return false;
	memcpy(out, w->sealed, len);
	s->out_len = (uint32_t)len;
	return true;
}

size_t secure_seal_byte(struct worker *w, struct session *s, const char *byte, char *to)
{
	size_t len;

	return tls_seal(tls_of(w, s), byte, 1, s->hangup && s->drips == 1, to, OUT_SPARE, &len)
		       ? 0
		       : len;
}
