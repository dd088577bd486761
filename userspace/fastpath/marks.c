// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel programs leave in the hot index as they decide by it alone: marks, one a slot. In
 * index4 a slot stands for one address, so what was used is known without a look at what was not.
 * Where most was used, as in a flood, a walk through all of host4 is quicker than asking for each.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define BATCH 512 /* entries written at a time */
/* Looked at under the lock at a time: what they hold is no more than that. */
#define BUCKETS_A_TURN (BATCH / GG_BUCKET_SLOTS)
#define WALK_SHARE 5 /* one mark in so many slots costs as much either way */

struct marking {
	struct fastpath *fp;
	struct index *index;
	uint64_t now;
	size_t slots, marks; /* there are */
	struct gg_key4 keys[BATCH];
	struct gg_entry entries[BATCH];
	uint32_t count;
};

static uint32_t address_of(const struct index *x, uint32_t at, int slot)
{
	const struct gg_bucket *b = &x->bucket[at];
	const struct bucket_geometry g = {x->used, x->hash_key};
	const struct bucket_place p = {at, b->key[slot], bucket_byte(b, slot) & GG_SLOT_PLACE};

	return bucket_address4(g, p);
}

/* An end has passed: the entry is gone or was renewed, and the bucket's addresses need no longer be
 * asked of the truth. */
static void renew_end(const struct marking *m, uint32_t at)
{
	struct gg_bucket *b = &m->index->bucket[at];
	struct gg_entry e;
	uint32_t addr;
	int i;

	bucket_turn(b);
	bucket_clear_end(b);
	for (i = 0; i < GG_BUCKET_SLOTS; i++) {
		if (!bucket_byte(b, i))
			continue;
		addr = address_of(m->index, at, i);
		if (!bpf_map_lookup_elem(m->fp->maps[MAP_HOST4], &addr, &e))
			bucket_add_end(b, e.expires);
	}
	bucket_turn(b);
}

static void count_marks(struct marking *m, const struct gg_bucket *b)
{
	int i;

	for (i = 0; i < GG_BUCKET_SLOTS; i++) {
		m->slots += !!bucket_byte(b, i);
		m->marks += !!(bucket_byte(b, i) & GG_SLOT_SEEN);
	}
}

static void look_over(struct marking *m, uint32_t at)
{
	struct gg_bucket *b = &m->index->bucket[at];

	count_marks(m, b);
	if (bucket_end(b) && bucket_end(b) <= m->now)
		renew_end(m, at);
}

static int write_marks(struct marking *m)
{
	__u32 n = m->count;

	m->count = 0;
	if (n && bpf_map_update_batch(m->fp->maps[MAP_HOST4], m->keys, m->entries, &n, NULL))
		return -errno;
	return 0;
}

/* When and how often exactly it was used, nobody noted. */
static void mark(struct marking *m, const struct gg_key4 *key, const struct gg_entry *entry)
{
	struct gg_entry *e = &m->entries[m->count];

	m->keys[m->count++] = *key;
	*e = *entry;
	if (e->last_seen < m->now)
		e->last_seen = m->now;
	e->hits++;
}

static void mark_slots(struct marking *m, uint32_t at)
{
	struct gg_bucket *b = &m->index->bucket[at];
	struct gg_entry e;
	struct gg_key4 key;
	uint32_t addr;
	int i;

	for (i = 0; i < GG_BUCKET_SLOTS; i++) {
		if (!bucket_take_mark(b, i))
			continue;
		addr = address_of(m->index, at, i);
		memcpy(&key, &addr, sizeof(key));
		if (!bpf_map_lookup_elem(m->fp->maps[MAP_HOST4], &key, &e))
			mark(m, &key, &e);
	}
}

/* Each bucket, some of them and what they have to write under one lock. */
static int for_each_bucket(struct marking *m, void (*see)(struct marking *, uint32_t))
{
	struct fastpath *fp = m->fp;
	uint32_t at = 1, end;
	int code = 0, one;
	bool more;

	do {
		pthread_mutex_lock(&fp->lock);
		for (end = at + BUCKETS_A_TURN; at <= m->index->used && at < end; at++)
			see(m, at);
		one = write_marks(m);
		code = code ? code : one;
		more = at <= m->index->used;
		pthread_mutex_unlock(&fp->lock);
	} while (more);
	return code;
}

static int mark_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *entries = values;
	const struct gg_key4 *addrs = keys;
	struct marking *m = arg;
	int code = 0, one;
	uint32_t i;

	for (i = 0; i < n && m->index->used; i++) {
		if (!index_take_mark(m->fp, &addrs[i]))
			continue;
		mark(m, &addrs[i], &entries[i]);
		if (m->count < BATCH)
			continue;
		one = write_marks(m);
		code = code ? code : one;
	}
	one = write_marks(m);
	return code ? code : one;
}

/* What is read is written under the same lock, so that no entry comes back that was deleted. */
int marks_sweep(struct fastpath *fp, uint64_t now)
{
	struct marking m = {.fp = fp, .index = &fp->index[INDEX4], .now = now};

	for_each_bucket(&m, look_over);
	if (!m.marks)
		return 0;
	if (m.marks < m.slots / WALK_SHARE)
		return for_each_bucket(&m, mark_slots);
	return walk_map_locked(fp->maps[MAP_HOST4], &fp->lock, mark_batch, &m);
}
