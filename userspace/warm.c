// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections to the mail server that are kept for a moment after their session is over: the next
 * delivery, whoever's it is, needs no connect and no greeting then. Only where the mail server is
 * told nothing of the client, so that one connection is as good as another.
 *
 * A kept connection is a delivery without a session. It is read like every other: what comes, be it
 * the end, ends it.
 */
#include <string.h>

#include "backend.h"
#include "delivery.h"
#include "quota.h"

#define WARM_USES 100 /* deliveries by one connection */

static struct delivery *at(struct worker *w, unsigned i)
{
	return pool_at(&w->deliveries, w->warm[i]);
}

/* The rest of the connections is for those who have something to deliver, here and elsewhere. */
static unsigned limit(const struct worker *w)
{
	unsigned share = w->config->upstream.connections / (2 * (unsigned)w->daemon->worker_count);

	return share < WARM_MAX ? share : WARM_MAX;
}

static bool ending(const struct worker *w)
{
	return w->draining || w->leaving || !w->config->upstream.idle;
}

bool warm_keep(struct worker *w, struct delivery *d)
{
	const struct config *c = w->config;
	bool told = c->mode == GG_MODE_GATEWAY || c->upstream.proxy || d->up.told;

	if (told || ending(w) || !quota_spares(w) || w->warm_count >= limit(w) ||
	    d->uses >= WARM_USES || !backend_is_current(w, d) || d->closing || d->sending ||
	    d->mail_done || d->up.state != UP_IDLE ||
	    backend_is_full(w->daemon, d->backend, w->now))
		return false;
	d->kept = true;
	d->touched = w->now;
	w->warm[w->warm_count++] = delivery_number(w, d);
	return true;
}

void warm_forget(struct worker *w, struct delivery *d)
{
	unsigned i = 0;

	if (!d->kept)
		return;
	d->kept = false;
	while (at(w, i) != d)
		i++;
	w->warm_count--;
	memmove(w->warm + i, w->warm + i + 1, (w->warm_count - i) * sizeof(w->warm[0]));
}

struct delivery *warm_take(struct worker *w)
{
	const struct config *c = w->config;
	int first = 0;

	while (first < c->backend_count && backend_is_down(w->daemon, first, w->now))
		first++;
	if (first == c->backend_count)
		return NULL;
	/* The one used last is the least likely to be closed over there. */
	for (unsigned i = w->warm_count; i-- > 0;) {
		struct delivery *d = at(w, i);

		if (!backend_is_current(w, d) || d->backend != first)
			continue;
		warm_forget(w, d);
		d->uses++;
		counter_add(&w->counters, COUNT_backend_reused, 1);
		return d;
	}
	return NULL;
}

static uint64_t due(struct worker *w)
{
	const struct delivery *d = at(w, 0);

	if (ending(w) || !backend_is_current(w, d) ||
	    backend_is_full(w->daemon, d->backend, w->now))
		return w->now;
	return d->touched + w->config->upstream.idle;
}

void warm_tick(struct worker *w)
{
	while (w->warm_count && due(w) <= w->now)
		delivery_part(w, at(w, 0));
}

uint64_t warm_wait(struct worker *w, uint64_t wait)
{
	uint64_t until = w->warm_count ? due(w) : UINT64_MAX;

	if (until == UINT64_MAX || until > w->now + wait)
		return wait;
	return until > w->now ? until - w->now : 0;
}
