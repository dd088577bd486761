// SPDX-License-Identifier: GPL-2.0-or-later
#include "offers.h"

#include <string.h>
#include <time.h>

#include "backend.h"

#define KNOWN (UINT32_C(1) << 31) /* beside the caps: a server may offer nothing */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Under offers_lock. */
static void publish(struct daemon *d, const struct config *c)
{
	uint64_t now = now_ms(), size = 0;
	uint32_t caps = UINT32_MAX;
	bool any = false;
	int count;

	config_targets(c, &count);
	for (int i = 0; i < count; i++) {
		const struct offer *o = &d->offers[i];

		if (!(o->caps & KNOWN) ||
		    (c->mode != GG_MODE_GATEWAY && backend_is_down(d, i, now)))
			continue;
		any = true;
		caps &= o->caps;
		if (o->size && (!size || o->size < size))
			size = o->size;
	}
	if (!any)
		return;
	atomic_store_explicit(&d->offered_size, size, memory_order_relaxed);
	atomic_store_explicit(&d->offered, caps, memory_order_relaxed);
}

static int index_of(const struct config *c, const struct endpoint *peer)
{
	int count;
	const struct endpoint *targets = config_targets(c, &count);

	for (int i = 0; i < count; i++)
		if (addr_eq(&targets[i].addr, &peer->addr) && targets[i].port == peer->port)
			return i;
	return -1;
}

void offers_learn(struct daemon *d, const struct config *c, const struct endpoint *peer,
		  const struct upstream *up)
{
	int which = index_of(c, peer);

	if (which < 0)
		return;
	pthread_mutex_lock(&d->offers_lock);
	d->offers[which] = (struct offer){up->size_limit, up->caps | KNOWN};
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_confirm(struct daemon *d, const struct config *c, const struct endpoint *peer,
		    const struct upstream *up)
{
	const uint32_t offered = atomic_load_explicit(&d->offered, memory_order_relaxed);
	const uint64_t size = atomic_load_explicit(&d->offered_size, memory_order_relaxed);
	const bool less = offered & ~(up->caps | KNOWN);
	const bool smaller = up->size_limit && (!size || up->size_limit < size);

	struct offer o = {up->size_limit, up->caps | KNOWN};
	int which;

	/* The usual case takes no lock. */
	if (offered & KNOWN && !less && !smaller)
		return;
	which = index_of(c, peer);
	if (which < 0)
		return;
	pthread_mutex_lock(&d->offers_lock);
	if (d->offers[which].caps & KNOWN)
		o.caps &= d->offers[which].caps;
	d->offers[which] = o;
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_again(struct daemon *d, const struct config *c)
{
	pthread_mutex_lock(&d->offers_lock);
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_forget(struct daemon *d)
{
	pthread_mutex_lock(&d->offers_lock);
	memset(d->offers, 0, sizeof(d->offers));
	pthread_mutex_unlock(&d->offers_lock);
}

uint32_t offers_caps(const struct daemon *d, bool *ret_known)
{
	uint32_t caps = atomic_load_explicit(&d->offered, memory_order_relaxed);

	*ret_known = caps & KNOWN;
	return caps & ~KNOWN;
}

uint64_t offers_size(const struct daemon *d)
{
	return atomic_load_explicit(&d->offered_size, memory_order_relaxed);
}
