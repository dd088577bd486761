// SPDX-License-Identifier: GPL-2.0-or-later
#include "offers.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "backend.h"
#include "offers_file.h"

#define HEARD (UINT32_C(1) << 31) /* beside the caps of all: one of them has been heard */

/* What a server may have of which nothing is known: all that we can carry to it. */
#define CARRIED                                                                                    \
	(UPSTREAM_8BITMIME | UPSTREAM_SMTPUTF8 | UPSTREAM_DSN | UPSTREAM_CHUNKING |                \
	 UPSTREAM_ENHANCED)

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return !a || !b ? 0 : a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return !a || !b ? a + b : a < b ? a : b;
}

/* Under offers_lock. */
static void publish(struct daemon *d, const struct config *c)
{
	const uint64_t now = now_ms();
	uint64_t all_size = 0, any_size = 0;
	uint32_t all = UINT32_MAX, any = 0, heard = 0;
	bool answers = false;

	for (int i = 0; i < d->offer_count; i++) {
		const struct offer *o = &d->offers[i];

		any |= o->known ? o->caps : CARRIED;
		any_size = i ? larger(any_size, o->size) : o->size;
		if (!o->known)
			continue;
		heard = HEARD;
		if (c->mode != GG_MODE_GATEWAY && backend_is_down(d, i, now))
			continue;
		answers = true;
		all &= o->caps;
		all_size = smaller(all_size, o->size);
	}
	atomic_store_explicit(&d->offered_size, answers ? all_size : any_size,
			      memory_order_relaxed);
	atomic_store_explicit(&d->offered, (answers ? all : any) | heard, memory_order_relaxed);
}

static struct offer *find(struct daemon *d, const struct endpoint *peer)
{
	for (int i = 0; i < d->offer_count; i++)
		if (endpoint_eq(&d->offers[i].peer, peer))
			return &d->offers[i];
	return NULL;
}

/* Under offers_lock. */
static void note(struct daemon *d, struct offer *o, uint32_t caps, uint64_t size)
{
	if (o->known && o->caps == caps && o->size == size)
		return;
	o->known = true;
	o->caps = caps;
	o->size = size;
	d->offers_changed = true;
}

void offers_targets(struct daemon *d, const struct config *c)
{
	struct offer fresh[CONFIG_TARGETS];
	int count;
	const struct endpoint *targets = config_targets(c, &count);

	pthread_mutex_lock(&d->offers_lock);
	for (int i = 0; i < count; i++) {
		const struct offer *known = find(d, &targets[i]);

		fresh[i] = known ? *known : (struct offer){.peer = targets[i]};
	}
	memcpy(d->offers, fresh, (size_t)count * sizeof(fresh[0]));
	d->offer_count = count;
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_learn(struct daemon *d, const struct config *c, const struct endpoint *peer,
		  const struct upstream *up)
{
	struct offer *o;

	pthread_mutex_lock(&d->offers_lock);
	o = find(d, peer);
	if (o)
		note(d, o, up->caps, up->size_limit);
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_confirm(struct daemon *d, const struct config *c, const struct endpoint *peer,
		    const struct upstream *up)
{
	const uint32_t offered = atomic_load_explicit(&d->offered, memory_order_relaxed);
	const uint64_t size = atomic_load_explicit(&d->offered_size, memory_order_relaxed);
	const bool less = offered & ~(up->caps | HEARD);
	const bool tighter = up->size_limit && (!size || up->size_limit < size);
	struct offer *o;

	/* The usual case takes no lock. */
	if (offered & HEARD && !less && !tighter)
		return;
	pthread_mutex_lock(&d->offers_lock);
	o = find(d, peer);
	if (o)
		note(d, o, o->known ? o->caps & up->caps : up->caps, up->size_limit);
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_again(struct daemon *d, const struct config *c)
{
	pthread_mutex_lock(&d->offers_lock);
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_restore(struct daemon *d, const struct config *c)
{
	struct offer kept[CONFIG_TARGETS];
	int n = offers_file_read(c->state_dir, kept, CONFIG_TARGETS);

	if (n < 0 && n != -ENOENT)
		log_message(LOG_ERROR,
			    "%s/" OFFERS_FILE ": %s; what the mail servers offer is learned anew",
			    c->state_dir, n == -EINVAL ? "not understood" : strerror(-n));
	offers_targets(d, c);
	pthread_mutex_lock(&d->offers_lock);
	for (int i = 0; i < n; i++) {
		struct offer *o = find(d, &kept[i].peer);

		if (o)
			*o = kept[i];
	}
	publish(d, c);
	pthread_mutex_unlock(&d->offers_lock);
}

void offers_keep(struct daemon *d, const struct config *c)
{
	static bool failing;
	struct offer known[CONFIG_TARGETS];
	bool changed;
	int n = 0, rc;

	pthread_mutex_lock(&d->offers_lock);
	changed = d->offers_changed;
	d->offers_changed = false;
	for (int i = 0; changed && i < d->offer_count; i++)
		if (d->offers[i].known)
			known[n++] = d->offers[i];
	pthread_mutex_unlock(&d->offers_lock);
	if (!changed)
		return;
	rc = offers_file_write(c->state_dir, known, n);
	if (rc && !failing)
		log_message(LOG_ERROR,
			    "%s/" OFFERS_FILE ": %s; what the mail servers offer won't outlive a "
			    "restart",
			    c->state_dir, strerror(-rc));
	failing = rc;
}

uint32_t offers_caps(const struct daemon *d, bool *ret_known)
{
	uint32_t caps = atomic_load_explicit(&d->offered, memory_order_relaxed);

	*ret_known = caps & HEARD;
	return caps & ~HEARD;
}

uint64_t offers_size(const struct daemon *d)
{
	return atomic_load_explicit(&d->offered_size, memory_order_relaxed);
}
