// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The loop of a worker. One turn: read the clocks, write what the stutter wheel has due, look at
 * what timed out, keep accepts outstanding, hand everything over to the kernel in one call a ring,
 * and deal with what has completed.
 *
 * The first ring carries the waiting: descriptors of the others are polled from it. A client socket
 * lives in the ring that accepted it; accepts are kept on one ring at a time, so that a turn's
 * completions come in few batches.
 */
#include "notices.h"
#include "offers.h"
#include "recipient.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRE_BUDGET                                                                                \
	4096 /* wheel entries in one turn: completions must not wait for all of them               \
	      */
#define WAIT_MAX 1000

struct session *worker_session(struct worker *w, uint32_t n)
{
	return pool_at(&w->sessions[n >> w->slot_bits], n & w->slot_mask);
}

size_t worker_session_bytes(void)
{
	/* Its record, its place in the wheel, its share of the free list, its slot of the file
	 * table. */
	return sizeof(struct session) + 8 + sizeof(uint32_t) + sizeof(void *);
}

void worker_clocks(struct worker *w)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	w->now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	clock_gettime(CLOCK_REALTIME, &t);
	w->wall = (uint32_t)t.tv_sec;
	w->wall_ms = (uint16_t)(t.tv_nsec / 1000000);
}

/* What the mail server behind can keep may have changed too. */
static void read_offers(struct worker *w, const struct config *c)
{
	static const struct {
		enum upstream_cap cap;
		enum smtp_offer offer;
	} kept[] = {
		{UPSTREAM_8BITMIME, SMTP_OFFER_8BITMIME}, {UPSTREAM_SMTPUTF8, SMTP_OFFER_SMTPUTF8},
		{UPSTREAM_DSN, SMTP_OFFER_DSN},           {UPSTREAM_CHUNKING, SMTP_OFFER_CHUNKING},
		{UPSTREAM_ENHANCED, SMTP_OFFER_ENHANCED},
	};
	const uint64_t size = offers_size(w->daemon);
	bool known;
	const uint32_t caps = offers_caps(w->daemon, &known);
	uint8_t offers = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (caps & kept[i].cap)
			offers |= kept[i].offer;
	w->smtp.offers = w->smtp_secured.offers = offers;
	w->smtp.message = c->limit.message;
	if (size && (!w->smtp.message || size < w->smtp.message))
		w->smtp.message = size;
	w->smtp_secured.message = w->smtp.message;
}

/* Settings may have been replaced since the last turn. */
void worker_settings(struct worker *w)
{
	const struct config *c = atomic_load_explicit(&w->daemon->config, memory_order_acquire);

	if (c == w->config) {
		read_offers(w, c);
		return;
	}
	w->config = c;
	w->reloads++;
	w->policy = daemon_policy(w->daemon, c);
	w->smtp.hostname = c->hostname;
	w->smtp.contact = c->contact;
	w->smtp.line = c->limit.line;
	w->smtp.commands = c->limit.commands;
	w->smtp.errors = c->check.errors == CHECK_REJECT ? c->limit.errors : 0;
	w->smtp.recipients =
		c->limit.recipients < w->recipients ? c->limit.recipients : w->recipients;
	w->smtp.any_helo = c->check.helo_syntax != CHECK_REJECT;
	w->smtp.only_smtp = c->check.non_smtp == CHECK_REJECT;
	w->smtp.strict_paths = c->check.paths == CHECK_REJECT;
	w->smtp.tls = c->tls.certificate_count ? SMTP_TLS_OFFERED : SMTP_TLS_NONE;
	w->smtp_secured = w->smtp;
	w->smtp_secured.tls = SMTP_TLS_ACTIVE;
	read_offers(w, c);
}

/* ---- accept ---- */

/* The first ring with free slots, or NULL. */
static int accepting_ring(struct worker *w)
{
	for (int i = 0; i < w->ring_count; i++)
		if (pool_used(&w->sessions[i]) <= w->slot_mask)
			return i;
	return -1;
}

bool worker_accept(struct worker *w, uint32_t a)
{
	struct accept_slot *slot = &w->accepts[a];
	int ring = accepting_ring(w);
	uint32_t n;

	if (ring < 0)
		return false;
	n = pool_take(&w->sessions[ring]);
	slot->session = (uint32_t)ring << w->slot_bits | n;
	slot->length = sizeof(slot->address);
	slot->generation++;
	slot->armed = true;
	w->listeners[slot->listener].armed++;
	ring_accept(&w->rings[ring], w->listeners[slot->listener].fd, n, &slot->address,
		    &slot->length, (struct ring_event){a, slot->generation, OP_ACCEPT});
	return true;
}

static void arm_accepts(struct worker *w)
{
	for (int i = 0; i < w->listener_count; i++) {
		if (w->listeners[i].armed == WORKER_ACCEPTS || w->listeners[i].fd < 0)
			continue;
		for (uint32_t k = 0; k < WORKER_ACCEPTS; k++) {
			uint32_t a = (uint32_t)i * WORKER_ACCEPTS + k;

			w->accepts[a].listener = (uint16_t)i;
			if (!w->accepts[a].armed && !worker_accept(w, a))
				return;
		}
	}
}

static void on_accept(struct worker *w, uint32_t a, uint16_t generation, int res)
{
	struct accept_slot *slot = &w->accepts[a];
	uint32_t n = slot->session;
	struct endpoint peer;

	if (!slot->armed || slot->generation != generation)
		return;
	slot->armed = false;
	w->listeners[slot->listener].armed--;
	if (res < 0) {
		/* Out of descriptors or memory, or called off: the slot goes back, the next turn
		 * tries again. */
		pool_give(&w->sessions[n >> w->slot_bits], n & w->slot_mask);
		if (res != -ECANCELED && res != -ECONNABORTED)
			counter_add(&w->counters, COUNT_queue_full, 1);
		return;
	}
	if (addr_from_sockaddr((struct sockaddr *)&slot->address, &peer))
		memset(&peer, 0, sizeof(peer));
	session_accepted(w, n, &peer, slot->listener);
}

/* ---- completions ---- */

static void on_notices(struct worker *w)
{
	struct store_notice notices[64];
	int count;

	do {
		count = store_notices(w->daemon->writer, w->number, notices, 64);
		for (int i = 0; i < count; i++) {
			uint32_t n = (uint32_t)(notices[i].token >> 16);
			struct session *s = worker_session(w, n);

			/* Several triplets of one message give several notices: the first one that
			 * finds the session waiting speaks for the group they were all written
			 * with. */
			if (s->generation == (uint16_t)notices[i].token && s->wait == WAIT_STORE)
				delivery_answered(w, n);
		}
	} while (count == 64);
}

static int polled(const struct worker *w, struct ring_event e)
{
	switch (e.op) {
	case OP_POLL_RING:
		return w->rings[e.number].uring.ring_fd;
	case OP_POLL_STORE:
		return store_writer_fd(w->daemon->writer, w->number);
	case OP_POLL_VERIFY:
		return notices_fd(w->daemon->notices, w->number);
	default:
		return w->wake_fd;
	}
}

static void on_poll(struct worker *w, struct ring *r, struct ring_event e,
		    const struct io_uring_cqe *cqe)
{
	uint64_t value;
	int fd = polled(w, e);

	if (e.op == OP_POLL_WAKE && read(fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
		return;
	if (e.op == OP_POLL_STORE)
		on_notices(w);
	if (e.op == OP_POLL_VERIFY)
		recipient_noticed(w);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		ring_poll_fd(r, fd, e);
}

static bool session_event(struct worker *w, struct ring_event e, const struct io_uring_cqe *cqe)
{
	if (worker_session(w, e.number)->generation != e.generation)
		return false;
	switch (e.op) {
	case OP_RECV:
		session_received(w, e.number, cqe);
		return true;
	case OP_SEND:
		session_sent(w, e.number, cqe->res);
		return true;
	case OP_PEEK:
		session_looked(w, e.number, cqe->res);
		return true;
	case OP_DRIP:
		session_dripped(w, e.number, cqe->res);
		return true;
	default:
		session_closed(w, e.number);
		return true;
	}
}

static void complete(struct worker *w, struct ring *r, const struct io_uring_cqe *cqe)
{
	struct ring_event e = ring_event_of(cqe);

	switch (e.op) {
	case OP_ACCEPT:
		on_accept(w, e.number, e.generation, cqe->res);
		break;
	case OP_RECV:
	case OP_SEND:
	case OP_DRIP:
	case OP_PEEK:
	case OP_CLOSE:
		/* A session waits for all its completions before its number is given away. */
		if (!session_event(w, e, cqe) && (cqe->flags & IORING_CQE_F_BUFFER))
			ring_buffer_return(r, cqe);
		break;
	case OP_BACK_CONNECT:
	case OP_BACK_RECV:
	case OP_BACK_SEND:
	case OP_BACK_CLOSE:
		if (((struct delivery *)pool_at(&w->deliveries, e.number))->generation ==
		    e.generation)
			delivery_event(w, e.number, (enum op)e.op, cqe->res);
		break;
	case OP_POLL_RING:
	case OP_POLL_STORE:
	case OP_POLL_WAKE:
	case OP_POLL_VERIFY:
		on_poll(w, r, e, cqe);
		break;
	case OP_DNS:
		resolver_ready(w->resolver, e.number, e.generation,
			       cqe->res < 0 ? POLLERR : (unsigned)cqe->res, w->now);
		break;
	default: /* OP_CANCEL: what was called off completes by itself */
		break;
	}
}

static void reap(struct worker *w, struct ring *r)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&r->uring, head, cqe)
	{
		complete(w, r, cqe);
		count++;
	}
	io_uring_cq_advance(&r->uring, count);
}

/* ---- time ---- */

void worker_timer(struct worker *w, uint32_t n, uint64_t due)
{
	/* An entry that is there already comes no later than state_time from now. */
	if (!w->timed[n])
		w->timed[n] = wheel_add(w->timeouts, n, 0, due);
}

static void on_timer(uint32_t number, uint16_t generation, void *arg)
{
	struct worker *w = arg;

	if (number & DELIVERY_TIMER) {
		delivery_timeout(w, number & ~DELIVERY_TIMER);
		return;
	}
	if (number & LINGER_TIMER) {
		number &= ~LINGER_TIMER;
		if (worker_session(w, number)->generation == generation)
			session_linger_over(w, number);
		return;
	}
	w->timed[number] = false;
	session_timeout(w, number);
}

/* ---- the loop ---- */

static uint64_t wait_time(struct worker *w)
{
	uint64_t wait = wheel_next(w->drips, w->now, WAIT_MAX);

	if (secure_waiting(w))
		return 0;
	wait = wheel_next(w->timeouts, w->now, wait);
	wait = resolver_wait(w->resolver, w->now, wait);
	wait = warm_wait(w, wait);
	wait = recipient_due(w, wait);
	if ((w->draining || w->leaving || w->behind || w->now < w->inherits_until) && wait > 100)
		wait = 100;
	for (int i = 1; i < w->ring_count && wait; i++)
		if (ring_ready(&w->rings[i]))
			wait = 0;
	return wait;
}

void worker_turn(struct worker *w)
{
	worker_clocks(w);
	worker_settings(w);
	wheel_run(w->drips, w->now, FIRE_BUDGET, stutter_fire, w);
	wheel_run(w->timeouts, w->now, FIRE_BUDGET, on_timer, w);
	evidence_tick(w);
	warm_tick(w);
	recipient_tick(w);
	if (!w->draining && !w->leaving &&
	    !atomic_load_explicit(&w->daemon->holding, memory_order_relaxed)) {
		arm_accepts(w);
		drain_inherit(w);
	}
	for (int i = 1; i < w->ring_count; i++)
		if (ring_ready(&w->rings[i])) {
			ring_submit(&w->rings[i], 0);
			reap(w, &w->rings[i]);
		}
	/* One completion is enough to go on: while this turn works the next ones come together by
	 * themselves, and a timer that waits for them costs more than it saves. */
	ring_submit(&w->rings[0], wait_time(w) * 1000);
	worker_clocks(w);
	/* Who was told that a reload is done finds it done, however long this worker slept. */
	worker_settings(w);
	reap(w, &w->rings[0]);
	secure_turn(w);
}

int worker_listeners(const struct worker *w, int ret[WORKER_LISTENERS])
{
	for (int i = 0; i < w->listener_count; i++)
		ret[i] = w->listeners[i].fd;
	return w->listener_count;
}

bool worker_ended(const struct worker *w)
{
	return atomic_load(&w->ended);
}

void worker_wake(struct worker *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->wake_fd, &one, sizeof(one));

	(void)n; /* full: it is awake */
}
