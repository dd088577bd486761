// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All entries of the kernel maps: read back for the daemon, compared with what the daemon holds,
 * freed of what has expired.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long an expired entry stays, s: a put that renews it may be on its way. */
#define SWEEP_GRACE 60

/* Rounding of two clocks against each other, s. */
#define SYNC_SLACK 2

/* Entries that fastpath_oldest finds at most. */
#define OLDEST_MAX 64

/* Verdicts that memory is asked for at a time. */
#define AHEAD 8

/* Filling empty maps: threads at most, and entries that are worth one. */
#define FILLERS 4
#define FILLER_ENTRIES 50000

/* Prefixes to act on after the walk: a walk and deletions don't go together. */
struct marked {
	struct prefix *list;
	size_t count, room;
};

static int mark(struct marked *m, const struct prefix *p)
{
	struct prefix *list;
	size_t room;

	if (m->count == m->room) {
		room = m->room ? 2 * m->room : 64;
		list = realloc(m->list, room * sizeof(*list));
		if (!list)
			return -ENOMEM;
		m->list = list;
		m->room = room;
	}
	m->list[m->count++] = *p;
	return 0;
}

struct walk {
	struct fastpath *fp;
	enum map_id id;
	size_t key_size;
	int64_t offset;
	uint64_t now;
	struct marked marked;
	int failed;
	/* sweep */
	fastpath_seen_fn see;
	void *arg;
	/* sync */
	struct verdicts *verdicts;
	uint32_t now_real;
	size_t seen, same; /* entries there are, and those that are as they shall be */
};

static const size_t key_sizes[] = {
	[MAP_HOST4] = sizeof(struct gg_key4),
	[MAP_HOST6] = sizeof(struct gg_key6),
	[MAP_OWN4] = sizeof(struct gg_net4),
	[MAP_OWN6] = sizeof(struct gg_net6),
};

/* lock: see walk_map_locked. */
static int walk_entries(struct walk *w, pthread_mutex_t *lock, walk_fn see)
{
	int code = 0;

	for (w->id = MAP_HOST4; w->id <= MAP_OWN6 && !code; w->id++) {
		w->key_size = key_sizes[w->id];
		code = walk_map_locked(w->fp->maps[w->id], lock, see, w);
		if (!code)
			code = w->failed;
	}
	return code;
}

static int sweep_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *e = values;
	struct walk *w = arg;
	struct prefix p;
	uint32_t i;

	for (i = 0; i < n; i++, e++) {
		p = entries_prefix(w->id, (const char *)keys + i * w->key_size);
		if (e->expires && e->expires <= w->now) {
			if (e->expires + SWEEP_GRACE < w->now)
				w->failed = mark(&w->marked, &p);
			if (w->failed)
				return w->failed;
			continue;
		}
		if (e->verdict != GG_UNKNOWN)
			w->see(&p, e, e->last_seen ? e->last_seen + w->offset : 0, w->arg);
	}
	return 0;
}

int fastpath_sweep(struct fastpath *fp, fastpath_seen_fn see, void *arg)
{
	struct walk w = {
		.fp = fp, .offset = entries_offset(), .now = entries_now(), .see = see, .arg = arg};
	size_t i;
	int code;

	code = marks_sweep(fp, w.now);
	if (!code)
		code = walk_entries(&w, NULL, sweep_batch);
	for (i = 0; i < w.marked.count; i++)
		entries_expire(fp, &w.marked.list[i], w.now - SWEEP_GRACE);
	free(w.marked.list);
	return code;
}

static bool same(const struct gg_entry *have, const struct verdict_entry *want, int64_t offset)
{
	int64_t apart = (int64_t)have->expires + offset - want->expires;

	if (have->verdict != want->verdict || have->action != want->action ||
	    have->origin != want->origin || have->list != want->list)
		return false;
	if (!have->expires || !want->expires)
		return !have->expires && !want->expires;
	return apart >= -SYNC_SLACK && apart <= SYNC_SLACK;
}

/* What is there goes into the index as it is seen. */
static int compare_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *have = values;
	struct verdict_entry wanted;
	struct walk *w = arg;
	struct prefix p;
	uint32_t i;

	if (w->id == MAP_HOST4 || w->id == MAP_HOST6)
		index_add(w->fp, w->id, keys, have, n);
	for (i = 0; i < n && !w->failed; i++) {
		if (i + AHEAD < n) {
			p = entries_prefix(w->id, (const char *)keys + (i + AHEAD) * w->key_size);
			verdicts_expect(w->verdicts, &p);
		}
		p = entries_prefix(w->id, (const char *)keys + i * w->key_size);
		if (!verdicts_get(w->verdicts, &p, w->now_real, &wanted))
			w->failed = mark(&w->marked, &p);
		else
			w->same += same(&have[i], &wanted, w->offset);
	}
	w->seen += n;
	return w->failed;
}

/* Whose entries go first where not all have room: somebody whom an operator lets in is the last to
 * be left out. */
enum turn { TURN_ALLOWS, TURN_OPERATORS, TURN_OTHERS, TURN_ANY };

static enum turn turn_of(const struct verdict_entry *e)
{
	if (e->origin != GG_BY_OPERATOR)
		return TURN_OTHERS;
	return e->verdict == GG_ALLOW ? TURN_ALLOWS : TURN_OPERATORS;
}

/* One thread's share of what the kernel lacks. */
struct filler {
	struct fastpath *fp;
	struct verdicts *verdicts;
	unsigned part, parts;
	uint32_t now;
	int64_t offset;
	enum turn turn;
	bool crowded;              /* not all have room: prefixes are left to the daemon */
	struct entries_bulk *bulk; /* nothing was there: no entry has a past to keep */
	pthread_t thread;
	int changed, failed;
};

static bool fill_one(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct filler *f = arg;
	const bool asks = f->crowded && p->len < 128 && fastpath_alone(e);
	const struct verdict_entry put = asks ? entries_asking(e) : *e;
	struct gg_entry have;
	int code;

	if (f->turn != TURN_ANY && f->turn != turn_of(e))
		return false;
	if (f->bulk) {
		code = entries_bulk_put(f->bulk, p, &put);
	} else {
		if (!fastpath_get(f->fp, p, &have) && same(&have, &put, f->offset))
			return false;
		code = fastpath_put(f->fp, p, &put);
	}
	if (code)
		f->failed = code;
	else
		f->changed++;
	return false;
}

static void *fill_part(void *arg)
{
	struct filler *f = arg;
	int code;

	verdicts_walk_part(f->verdicts, f->part, f->parts, f->now, fill_one, f);
	code = f->bulk ? entries_bulk_end(&f->bulk) : 0;
	if (code)
		f->failed = code;
	return NULL;
}

struct wanted {
	size_t count, hosts4, hosts6, nets4, nets6;
};

static bool count_one(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct wanted *w = arg;

	(void)e;
	w->count++;
	if (p->len == 128)
		++*(addr_is4(&p->addr) ? &w->hosts4 : &w->hosts6);
	else
		++*(addr_is4(&p->addr) ? &w->nets4 : &w->nets6);
	return false;
}

static bool is_crowded(const struct fastpath *fp, const struct wanted *w)
{
	const size_t hosts = fp->room_hosts, nets = fp->room_nets;

	return (hosts && (w->hosts4 > hosts || w->hosts6 > hosts)) ||
	       (nets && (w->nets4 > nets || w->nets6 > nets));
}

static unsigned fillers_for(size_t entries)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = entries / FILLER_ENTRIES;

	if (cpus > FILLERS)
		cpus = FILLERS;
	if (cpus < 1 || most < 1)
		return 1;
	return most < (size_t)cpus ? (unsigned)most : (unsigned)cpus;
}

/* An entry at a time costs some system calls: empty maps are filled in batches, and as most of a
 * batch is the kernel's work for each of its entries, by several threads. `like` has what is the
 * same for all; the sums come back in it. */
static void fill_all(struct filler *like, unsigned parts, bool bulk)
{
	struct filler each[FILLERS];
	bool started[FILLERS] = {false};
	unsigned i;

	for (i = 0; i < parts; i++) {
		each[i] = *like;
		each[i].changed = 0;
		each[i].part = i;
		each[i].parts = parts;
		each[i].bulk = bulk ? entries_bulk_new(like->fp) : NULL;
		if (i)
			started[i] = !pthread_create(&each[i].thread, NULL, fill_part, &each[i]);
	}
	for (i = 0; i < parts; i++)
		if (!started[i])
			fill_part(&each[i]);
	for (i = 0; i < parts; i++) {
		if (started[i])
			pthread_join(each[i].thread, NULL);
		like->changed += each[i].changed;
		if (each[i].failed)
			like->failed = each[i].failed;
	}
}

/* What has no room is not known to the kernel, so no prefix around it may be acted on; where all
 * have got some after all, they may. */
static void fill_crowded(struct filler *f, bool bulk)
{
	f->crowded = true;
	for (f->turn = TURN_ALLOWS; f->turn < TURN_ANY; f->turn++)
		fill_all(f, 1, bulk);
	f->crowded = false;
	if (!f->failed)
		fill_all(f, 1, false);
}

int fastpath_sync(struct fastpath *fp, struct verdicts *v, uint32_t now)
{
	struct filler f = {
		.fp = fp, .verdicts = v, .now = now, .offset = entries_offset(), .turn = TURN_ANY};
	struct walk w = {.fp = fp, .verdicts = v, .now_real = now, .offset = f.offset};
	struct wanted wanted = {0};
	bool bulk;
	int code;
	size_t i;

	index_off(fp);
	verdicts_walk(v, now, count_one, &wanted);
	/* One that can't be is left for fastpath_tidy. */
	index_prepare(fp, MAP_HOST4, wanted.hosts4);
	index_prepare(fp, MAP_HOST6, wanted.hosts6);
	code = walk_entries(&w, &fp->lock, compare_batch);
	bulk = !code && !w.seen && !fp->shared;
	fp->shared = true;
	for (i = 0; i < w.marked.count; i++)
		if (!fastpath_del(fp, &w.marked.list[i]))
			f.changed++;
	free(w.marked.list);
	if (!code && w.same != wanted.count && is_crowded(fp, &wanted))
		fill_crowded(&f, bulk);
	else if (!code && w.same != wanted.count)
		fill_all(&f, bulk ? fillers_for(wanted.count) : 1, bulk);
	/* Something is missing in the index, or it was made for far fewer than there were. */
	if (code || f.failed || w.marked.count > wanted.count / 4) {
		index_build(fp);
	} else {
		index_enforce(fp, MAP_HOST4);
		index_enforce(fp, MAP_HOST6);
	}
	if (code)
		return code;
	return f.failed ? f.failed : f.changed;
}

/* The first to expire so far, soonest first. */
struct oldest {
	enum map_id id;
	size_t key_size;
	struct prefix *list;
	uint64_t expires[OLDEST_MAX];
	int count, room;
};

static void note_oldest(struct oldest *o, const void *key, const struct gg_entry *e)
{
	int at = o->count;

	if (at == o->room && e->expires >= o->expires[at - 1])
		return;
	at = at == o->room ? at - 1 : o->count++;
	for (; at > 0 && o->expires[at - 1] > e->expires; at--) {
		o->list[at] = o->list[at - 1];
		o->expires[at] = o->expires[at - 1];
	}
	o->list[at] = entries_prefix(o->id, key);
	o->expires[at] = e->expires;
}

static int oldest_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *e = values;
	struct oldest *o = arg;

	for (uint32_t i = 0; i < n; i++)
		if (e[i].expires && e[i].origin != GG_BY_OPERATOR)
			note_oldest(o, (const char *)keys + i * o->key_size, &e[i]);
	return 0;
}

int fastpath_oldest(struct fastpath *fp, const struct prefix *p, struct prefix *ret, int n)
{
	struct oldest o = {.id = (enum map_id)fastpath_map_of(p),
			   .list = ret,
			   .room = n < OLDEST_MAX ? n : OLDEST_MAX};
	int code;

	o.key_size = key_sizes[o.id];
	code = walk_map_locked(fp->maps[o.id], NULL, oldest_batch, &o);
	return code ? code : o.count;
}
