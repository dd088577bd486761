// SPDX-License-Identifier: GPL-2.0-or-later
#include "lacking.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

#define STEP_ENTRIES 20000u /* asked for in the kernel, a system call each */

#define MAPS_FOUR (1u << FASTPATH_HOST4 | 1u << FASTPATH_NET4)
#define MAPS_ALL ((1u << FASTPATH_MAPS) - 1)

struct found {
	struct daemon *daemon;
	struct prefix *list;
	size_t count, room;
	unsigned unplaced; /* operators' entries */
	bool failed;
};

static void found_add(struct found *f, const struct prefix *p)
{
	struct prefix *list;

	if (f->count == f->room) {
		list = realloc(f->list, (f->room + 64) * 2 * sizeof(*list));
		if (!list) {
			f->failed = true;
			return;
		}
		f->list = list;
		f->room = (f->room + 64) * 2;
	}
	f->list[f->count++] = *p;
}

static bool is_lacking(struct daemon *d, const struct prefix *p)
{
	struct gg_entry have;

	return fastpath_get(d->fastpath, p, &have) == -ENOENT &&
	       !config_balancer(atomic_load(&d->config), p);
}

/* ---- prefixes that something lacks within ---- */

static unsigned maps_of_family(const struct prefix *p)
{
	return addr_is4(&p->addr) ? MAPS_FOUR : MAPS_ALL & ~MAPS_FOUR;
}

static bool contradicts(const struct verdict_entry *wide, const struct verdict_entry *e)
{
	return fastpath_alone(wide) && (wide->verdict != e->verdict || wide->action != e->action);
}

/* Each prefix around p that would be acted on in its place: all of them, since the nearest may be
 * taken back. */
static void each_around(struct daemon *d, const struct prefix *p, const struct verdict_entry *e,
			void (*see)(struct daemon *d, const struct prefix *q,
				    const struct verdict_entry *wide, void *arg),
			void *arg)
{
	struct verdict_entry wide;
	struct prefix at = *p, q;

	for (; verdicts_wider(d->verdicts, &at, daemon_now(), &wide, &q); at = q)
		if (contradicts(&wide, e))
			see(d, &q, &wide, arg);
}

static void ask_for(struct daemon *d, const struct prefix *q, const struct verdict_entry *wide,
		    void *arg)
{
	struct gg_entry have;

	(void)arg;
	if (fastpath_get(d->fastpath, q, &have) || have.verdict == GG_UNKNOWN)
		return;
	if (!fastpath_put_asking(d->fastpath, q, wide))
		atomic_fetch_add(&d->asking, 1);
}

void lacking_note(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	const unsigned map = 1u << fastpath_map_of(p);

	atomic_fetch_add(&d->refusals, 1);
	atomic_fetch_or(&d->lacks, map);
	atomic_fetch_or(&d->lacking, map);
	each_around(d, p, e, ask_for, NULL);
}

struct within {
	struct daemon *daemon;
	const struct prefix *prefix;
	const struct verdict_entry *entry;
	bool found;
};

static bool is_within(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct within *w = arg;

	w->found = w->found || (p->len > w->prefix->len && contradicts(w->entry, e) &&
				is_lacking(w->daemon, p));
	return false;
}

bool lacking_within(struct daemon *d, const struct prefix *p, const struct verdict_entry *e)
{
	struct within w = {.daemon = d, .prefix = p, .entry = e};
	struct gg_entry have;

	if (p->len == 128 || !fastpath_alone(e) || !(atomic_load(&d->lacks) & maps_of_family(p)))
		return false;
	/* It would ask if it had to. */
	if (!fastpath_get(d->fastpath, p, &have) && have.verdict == e->verdict &&
	    have.action == e->action)
		return false;
	if (e->origin != GG_BY_OPERATOR)
		return true;
	verdicts_within(d->verdicts, p, daemon_now(), is_within, &w);
	return w.found;
}

/* ---- all of them ---- */

static void note_around(struct daemon *d, const struct prefix *q, const struct verdict_entry *wide,
			void *arg)
{
	(void)d;
	(void)wide;
	found_add(arg, q);
}

static bool find_asking(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct found *f = arg;
	struct verdict_entry wide;
	struct prefix q;

	if (e->origin != GG_BY_OPERATOR &&
	    !verdicts_wider(f->daemon->verdicts, p, daemon_now(), &wide, &q))
		return false;
	if (!is_lacking(f->daemon, p))
		return false;
	f->unplaced += e->origin == GG_BY_OPERATOR;
	each_around(f->daemon, p, e, note_around, f);
	return false;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

struct enforcing {
	struct daemon *daemon;
	const struct found *asking;
	unsigned refusals, left; /* as they were; how many ask */
};

/* Something that is refused meanwhile may lie within: then it is looked at again later. */
static void put_unless_refused(struct daemon *d, const struct prefix *p, unsigned refusals)
{
	struct verdict_entry e;

	pthread_mutex_lock(&d->verdict_lock);
	if (atomic_load(&d->refusals) == refusals && verdicts_get(d->verdicts, p, daemon_now(), &e))
		fastpath_put(d->fastpath, p, &e);
	pthread_mutex_unlock(&d->verdict_lock);
}

static bool enforce(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct enforcing *n = arg;
	struct daemon *d = n->daemon;
	struct gg_entry have;

	if (p->len == 128 || !fastpath_alone(e) || fastpath_get(d->fastpath, p, &have) ||
	    config_balancer(atomic_load(&d->config), p))
		return false;
	if (n->asking->count &&
	    bsearch(p, n->asking->list, n->asking->count, sizeof(*p), compare)) {
		n->left++;
		if (have.verdict != GG_UNKNOWN)
			fastpath_put_asking(d->fastpath, p, e);
	} else if (have.verdict == GG_UNKNOWN) {
		put_unless_refused(d, p, n->refusals);
	}
	return false;
}

/* Each prefix acts or asks, as what the kernel lacks now wants it. */
static void settle(struct daemon *d)
{
	struct found f = {.daemon = d};
	struct enforcing n = {.daemon = d, .asking = &f, .refusals = atomic_load(&d->refusals)};

	verdicts_walk(d->verdicts, daemon_now(), find_asking, &f);
	if (f.count)
		qsort(f.list, f.count, sizeof(*f.list), compare);
	if (!f.failed)
		verdicts_walk(d->verdicts, daemon_now(), enforce, &n);
	atomic_store(&d->unplaced, f.unplaced);
	atomic_store(&d->asking, n.left);
	free(f.list);
}

/* ---- operators' entries: at once, in others' place ---- */

static bool note_lacking(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct found *f = arg;

	if (e->origin == GG_BY_OPERATOR && is_lacking(f->daemon, p))
		found_add(f, p);
	return false;
}

int lacking_sync(struct daemon *d)
{
	int rc = fastpath_sync(d->fastpath, d->verdicts, daemon_now());

	if (rc != -ENOSPC)
		return rc;
	atomic_store(&d->lacks, MAPS_ALL);
	return 0;
}

void lacking_make_whole(struct daemon *d)
{
	struct found f = {.daemon = d};

	if (!d->fastpath || !atomic_load(&d->lacks))
		return;
	atomic_fetch_or(&d->lacking, atomic_load(&d->lacks));
	verdicts_walk(d->verdicts, daemon_now(), note_lacking, &f);
	for (size_t i = 0; i < f.count; i++)
		for (int k = 0; k <= VERDICT_ROOM_TRIES; k++)
			if (verdict_kernel_put(d, &f.list[i]) != -ENOSPC ||
			    !verdict_make_room(d, &f.list[i]))
				break;
	free(f.list);
	settle(d);
	if (atomic_load(&d->unplaced) || atomic_load(&d->asking))
		log_message(LOG_ERROR,
			    "kernel maps: no room for %u entries of operators, and %u prefixes are "
			    "left to the daemon for what is missing within them; raise limit hosts "
			    "or nets and restart",
			    atomic_load(&d->unplaced), atomic_load(&d->asking));
}

/* ---- the others: where there is room again ---- */

struct filling {
	struct daemon *daemon;
	unsigned maps; /* bits 1u << map that are gone through */
};

static bool fill(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	const unsigned map = 1u << fastpath_map_of(p);
	struct filling *f = arg;
	int rc;

	(void)e;
	if (!(f->maps & map) || !is_lacking(f->daemon, p))
		return false;
	rc = verdict_kernel_put(f->daemon, p);
	if (!rc)
		daemon_counted(f->daemon, COUNT_kernel_late);
	if (rc == -ENOSPC)
		f->maps &= ~map;
	return false;
}

void lacking_step(struct daemon *d)
{
	/* Of the round under way; main thread only. */
	static unsigned maps, part, parts, refusals;
	struct filling f = {.daemon = d};

	/* What is refused from here on asks for the next round. */
	if (!maps) {
		maps = atomic_load(&d->lacking) & ~fastpath_full(d->fastpath);
		if (!maps)
			return;
		atomic_fetch_and(&d->lacking, ~maps);
		refusals = atomic_load(&d->refusals);
		parts = (unsigned)(verdicts_count(d->verdicts) / STEP_ENTRIES) + 1;
		part = 0;
	}
	f.maps = maps;
	verdicts_walk_part(d->verdicts, part, parts, daemon_now(), fill, &f);
	maps = f.maps;
	if (++part < parts)
		return;
	settle(d);
	if (atomic_load(&d->refusals) == refusals)
		atomic_fetch_and(&d->lacks, ~maps);
	else
		atomic_fetch_or(&d->lacking, maps);
	maps = 0;
}
