// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a worker: a stop tells the clients to come again, an upgrade lets them finish; both
 * have drain_time.
 */
#include "worker.h"

#include <unistd.h>

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

/* No new connections from here on. */
static void stop_accepting(struct worker *w)
{
	w->drain_until = w->now + w->config->drain_time;
	for (uint32_t a = 0; a < (uint32_t)w->listener_count * WORKER_ACCEPTS; a++) {
		struct accept_slot *slot = &w->accepts[a];

		if (slot->armed)
			ring_cancel(worker_ring(w, slot->session),
				    (struct ring_event){a, slot->generation, OP_ACCEPT},
				    (struct ring_event){0, 0, OP_CANCEL});
	}
	for (int i = 0; i < w->listener_count; i++) {
		close(w->listeners[i].fd);
		w->listeners[i].fd = -1;
	}
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

/* An accept that was called off may have had its connection all the same. */
static bool accepts_pending(const struct worker *w)
{
	for (int i = 0; i < w->listener_count; i++)
		if (w->listeners[i].armed)
			return true;
	return false;
}

static bool left(struct worker *w)
{
	const uint64_t words =
		w->config->drain_time / 4 < LINGER_MS ? w->config->drain_time / 4 : LINGER_MS;

	/* Who is still here shortly before the end is told. */
	if (w->now + words >= w->drain_until)
		w->draining = true;
	if (w->draining)
		return drained(w);
	return w->open == 0 && pool_used(&w->deliveries) == 0 && !accepts_pending(w);
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
	if (w->draining)
		for_each_session(w, session_drain);
	return false;
}
