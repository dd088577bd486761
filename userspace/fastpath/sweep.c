// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All entries of the kernel maps: read back for the daemon, compared with what the daemon holds,
 * freed of what has expired.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long an expired entry stays, s: a put that renews it may be on its way. */
#define SWEEP_GRACE 60

/* Rounding of two clocks against each other, s. */
#define SYNC_SLACK 2

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

static int walk_entries(struct fastpath *fp, struct walk *w, walk_fn see)
{
	int code = 0;

	for (w->id = MAP_HOST4; w->id <= MAP_OWN6 && !code; w->id++) {
		w->key_size = key_sizes[w->id];
		code = walk_map(fp->maps[w->id], see, w);
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
	struct walk w = {.offset = entries_offset(), .now = entries_now(), .see = see, .arg = arg};
	size_t i;
	int code;

	code = index_sweep(fp, w.now);
	if (!code)
		code = walk_entries(fp, &w, sweep_batch);
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

static int stale_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *have = values;
	struct verdict_entry wanted;
	struct walk *w = arg;
	struct prefix p;
	uint32_t i;

	for (i = 0; i < n && !w->failed; i++) {
		p = entries_prefix(w->id, (const char *)keys + i * w->key_size);
		if (!verdicts_get(w->verdicts, &p, w->now_real, &wanted))
			w->failed = mark(&w->marked, &p);
		else
			w->same += same(&have[i], &wanted, w->offset);
	}
	w->seen += n;
	return w->failed;
}

struct sync {
	struct fastpath *fp;
	struct entries_bulk *bulk; /* nothing was there: no entry has a past to keep */
	int64_t offset;
	size_t wanted;
	int changed, failed;
};

static bool count_one(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct sync *s = arg;

	(void)p;
	(void)e;
	s->wanted++;
	return false;
}

static bool sync_one(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	struct sync *s = arg;
	struct gg_entry have;
	int code;

	if (s->bulk) {
		code = entries_bulk_put(s->bulk, p, e);
	} else {
		if (!fastpath_get(s->fp, p, &have) && same(&have, e, s->offset))
			return false;
		code = fastpath_put(s->fp, p, e);
	}
	if (code)
		s->failed = code;
	else
		s->changed++;
	return false;
}

/* What the kernel lacks. An entry at a time costs some system calls, so that a start asks first
 * whether there is anything to do, and fills empty maps in batches. */
static void sync_all(struct sync *s, const struct walk *seen, struct verdicts *v, uint32_t now)
{
	int code;

	verdicts_walk(v, now, count_one, s);
	if (seen->same == s->wanted)
		return;
	if (!seen->seen)
		s->bulk = entries_bulk_new(s->fp);
	verdicts_walk(v, now, sync_one, s);
	code = s->bulk ? entries_bulk_end(&s->bulk) : 0;
	if (code)
		s->failed = code;
}

int fastpath_sync(struct fastpath *fp, struct verdicts *v, uint32_t now)
{
	struct sync s = {.fp = fp, .offset = entries_offset()};
	struct walk w = {.verdicts = v, .now_real = now, .offset = s.offset};
	int code;
	size_t i;

	/* So many changes at once are made in the index at one go. */
	pthread_mutex_lock(&fp->lock);
	index_off(fp);
	pthread_mutex_unlock(&fp->lock);
	code = walk_entries(fp, &w, stale_batch);
	for (i = 0; i < w.marked.count; i++)
		if (!fastpath_del(fp, &w.marked.list[i]))
			s.changed++;
	free(w.marked.list);
	if (!code)
		sync_all(&s, &w, v, now);
	index_build(fp);
	if (code)
		return code;
	return s.failed ? s.failed : s.changed;
}
