// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ends are noted as entries are put. New settings and new lists are something new behind entries
 * that were there before: then all of them are gone through once, as they are where there was no
 * room for a note.
 *
 * Limits: an end for which there is no memory is noticed with all others, within a minute.
 */
#include "ending.h"

#include "verdict.h"

/* Of an address by itself the kernel has a list's entry beside the daemon's own; and only operators
 * have something to say of what is exempt. */
static bool is_before_another(struct daemon *d, const struct prefix *p,
			      const struct verdict_entry *e)
{
	if (!e->expires)
		return false;
	return (p->len < 128 && verdicts_listed(d->verdicts, p)) ||
	       (e->origin == GG_BY_OPERATOR && config_exempt(atomic_load(&d->config), p));
}

void ending_note(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	if (is_before_another(d, p, e))
		ends_add(&d->ends, p, e->expires);
}

static bool note(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct daemon *d = arg;

	if (!is_before_another(d, p, e))
		return false;
	pthread_mutex_lock(&d->verdict_lock);
	ending_note(d, p, e);
	pthread_mutex_unlock(&d->verdict_lock);
	return false;
}

/* What is put while this goes on may be noted twice, which does no harm. */
static void note_all(struct daemon *d)
{
	pthread_mutex_lock(&d->verdict_lock);
	ends_clear(&d->ends);
	pthread_mutex_unlock(&d->verdict_lock);
	/* At 0 s nothing is over yet: all are seen. */
	verdicts_walk(d->verdicts, 0, note, d);
}

/* True: some found no room. */
static bool make_room(struct daemon *d)
{
	bool missed;

	pthread_mutex_lock(&d->verdict_lock);
	missed = d->ends.missed;
	if (ends_grow(&d->ends))
		missed = false;
	pthread_mutex_unlock(&d->verdict_lock);
	return missed;
}

static bool take(struct daemon *d, uint32_t now, struct prefix *ret)
{
	bool taken;

	pthread_mutex_lock(&d->verdict_lock);
	taken = ends_take(&d->ends, now, ret);
	pthread_mutex_unlock(&d->verdict_lock);
	return taken;
}

void ending_step(struct daemon *d)
{
	/* Main thread only. */
	static const struct config *seen;
	static unsigned turn;
	const struct config *c = atomic_load(&d->config);
	const uint32_t now = daemon_now();
	const bool missed = make_room(d);
	struct prefix p;

	/* A successor knows of renewals that we don't. */
	if (d->lent)
		return;
	if (missed || c != seen || verdicts_turn(d->verdicts) != turn) {
		seen = c;
		turn = verdicts_turn(d->verdicts);
		note_all(d);
	}
	while (take(d, now, &p))
		verdict_expire(d, &p);
}
