// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a worker: a stop tells the clients to come again, an upgrade lets them finish; both
 * have drain_time.
 *
 * After an upgrade both processes wait for the same listeners, and the kernel wakes one accept a
 * connection. If that is one of ours which is being called off, the connection stays in the queue
 * and the successor sleeps on until somebody else comes. So a listener is closed once none of our
 * accepts can be woken any more and its queue was seen empty after that; until then we take whom
 * we find there. Who has no time for that, or is killed, leaves it to the successor.
 */
#include "worker.h"

#include <poll.h>
#include <unistd.h>

#define INHERIT_MS 1000 /* after the end of a predecessor its rings take some time to end */

static void for_each_session(struct worker *w, void (*fn)(struct worker *, uint32_t))
{
	for (int r = 0; r < w->ring_count; r++)
		for (uint32_t i = 0; i < w->sessions[r].fresh; i++)
			fn(w, (uint32_t)r << w->slot_bits | i);
}

static void end_open(struct worker *w, uint32_t n)
{
	struct session *s = worker_session(w, n);

	if (s->phase != PHASE_FREE)
		session_end(w, n);
}

static void call_off(struct worker *w, uint32_t a)
{
	const struct accept_slot *slot = &w->accepts[a];

	ring_cancel(worker_ring(w, slot->session),
		    (struct ring_event){a, slot->generation, OP_ACCEPT},
		    (struct ring_event){0, 0, OP_CANCEL});
}

static void close_listener(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void close_listeners(struct worker *w)
{
	for (int i = 0; i < w->listener_count; i++)
		close_listener(&w->listeners[i]);
}

static void stop_accepting(struct worker *w)
{
	w->drain_until = w->now + w->config->drain_time;
	for (uint32_t a = 0; a < (uint32_t)w->listener_count * WORKER_ACCEPTS; a++)
		if (w->accepts[a].armed)
			call_off(w, a);
}

static bool has_queue(const struct listener *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* Takes one client, unless the successor is quicker. */
static void take_one(struct worker *w, int i)
{
	const uint32_t a = (uint32_t)i * WORKER_ACCEPTS;

	if (worker_accept(w, a))
		call_off(w, a);
}

/* Whether all listeners are closed. */
static bool let_go(struct worker *w)
{
	bool closed = true;

	for (int i = 0; i < w->listener_count; i++) {
		struct listener *l = &w->listeners[i];

		if (l->fd >= 0 && !l->armed) {
			if (has_queue(l))
				take_one(w, i);
			else
				close_listener(l);
		}
		closed = closed && l->fd < 0;
	}
	return closed;
}

static bool drained(struct worker *w)
{
	if (w->now >= w->drain_until) {
		for_each_session(w, end_open);
		return w->open == 0 || w->now >= w->drain_until + LINGER_MS;
	}
	for_each_session(w, session_drain);
	return w->open == 0 && pool_used(&w->deliveries) == 0;
}

static bool left(struct worker *w)
{
	const uint64_t words =
		w->config->drain_time / 4 < LINGER_MS ? w->config->drain_time / 4 : LINGER_MS;

	/* Who is still here shortly before the end is told. */
	if (w->now + words >= w->drain_until && !w->draining) {
		w->draining = true;
		close_listeners(w);
	}
	if (w->draining)
		return drained(w);
	return let_go(w) && w->open == 0 && pool_used(&w->deliveries) == 0;
}

bool drain_over(struct worker *w)
{
	if (w->leaving)
		return left(w);
	if (w->draining)
		return drained(w);
	w->leaving = atomic_load_explicit(&w->daemon->leaving, memory_order_relaxed);
	w->draining = atomic_load_explicit(&w->daemon->draining, memory_order_relaxed);
	if (w->leaving || w->draining)
		stop_accepting(w);
	if (w->draining) {
		close_listeners(w);
		for_each_session(w, session_drain);
	}
	return false;
}

/* An accept that is armed anew looks into the queue first. */
void drain_inherit(struct worker *w)
{
	if (w->behind && !atomic_load_explicit(&w->daemon->before.pid, memory_order_relaxed)) {
		w->behind = false;
		w->inherits_until = w->now + INHERIT_MS;
	}
	if (w->now >= w->inherits_until)
		return;
	for (int i = 0; i < w->listener_count; i++)
		if (w->listeners[i].armed == WORKER_ACCEPTS && has_queue(&w->listeners[i]))
			call_off(w, (uint32_t)i * WORKER_ACCEPTS);
}
