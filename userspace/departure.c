// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a session: who spoke the last word, what the client may still read, and when nothing
 * of it is in flight any more.
 */
#include "recipient.h"
#include "relief.h"
#include "taken.h"
#include "worker.h"

bool session_parted(struct worker *w, const struct session *s)
{
	/* Inside TLS the client's own good-bye may be on its way: to close with it unread would
	 * reset the connection, and take our replies along. While a message is open, its end is
	 * to show what it has read. */
	return s->quit && s->in == POOL_NONE && !s->receiving && !taken_open(w, s) &&
	       (!s->secured || secure_half_closed(w, s));
}

bool session_farewell(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (!session_parted(w, s) || s->slow)
		return false;
	delivery_drop(w, s);
	s->sending = true;
	ring_send_close(worker_ring(w, n), n & w->slot_mask, pool_at(&w->outs, s->out), s->out_len,
			session_event_of(s, n, OP_SEND), session_event_of(s, n, OP_CLOSE));
	return true;
}

void session_linger(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	/* Closing with unread input would reset the connection and may take the reply with it. */
	s->phase = PHASE_LINGER;
	if (!s->receiving) {
		delivery_drop(w, s);
		session_read(w, n);
	}
	if (!wheel_add(w->timeouts, n | LINGER_TIMER, s->generation, w->now + LINGER_MS))
		session_end(w, n);
}

void session_hung_up(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->phase == PHASE_DIALOG && s->sending && !s->slow)
		s->hangup = true; /* when that is out */
	else
		session_end(w, n);
}

void session_end(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);
	struct ring *r = worker_ring(w, n);

	if (s->phase == PHASE_STUTTER)
		stutter_ended(w);
	if (s->slow) {
		stutter_ended(w);
		s->slow = false;
		s->sending = s->dripping;
	}
	if (s->phase != PHASE_CLOSING) {
		bool dripping = s->phase == PHASE_STUTTER || s->dripping;

		s->phase = PHASE_CLOSING;
		/* A request in flight keeps the socket open: each is called off and its completion
		 * awaited. */
		if (s->receiving)
			ring_cancel(r, session_event_of(s, n, OP_RECV),
				    session_event_of(s, n, OP_CANCEL));
		if (s->sending)
			ring_cancel(r, session_event_of(s, n, dripping ? OP_DRIP : OP_SEND),
				    session_event_of(s, n, OP_CANCEL));
	}
	/* The client may still be read into the delivery's buffer. */
	if (!s->receiving)
		delivery_drop(w, s);
	if (s->receiving || s->sending || s->closed)
		return;
	s->closed = true;
	ring_close(r, n & w->slot_mask, session_event_of(s, n, OP_CLOSE));
}

void session_closed(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	session_in_drop(w, s);
	session_out_drop(w, s);
	taken_end(w, s);
	if (s->dialog != POOL_NONE)
		pool_give(&w->dialogs, s->dialog);
	evidence_end(w, s);
	recipient_gone(w, n);
	secure_end(w, s);
	headcount_leave(w, s);
	s->generation++;
	s->phase = PHASE_FREE;
	w->open--;
	if (s->admitted) {
		shared_give(&w->daemon->sessions);
		relief_look(w->daemon, w->config);
	}
	counter_add(&w->counters, COUNT_sessions, -1);
	pool_give(&w->sessions[n >> w->slot_bits], n & w->slot_mask);
}
