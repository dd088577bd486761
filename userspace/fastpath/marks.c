// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel programs leave in the hot index as they decide by it alone: marks, one a slot. In
 * index4 a slot stands for one address, so what was used is known without a look at what was not.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define BATCH 512         /* marks taken under the lock at a time */
#define BUCKETS_A_TURN 64 /* looked at for that */

struct marking {
	struct fastpath *fp;
	struct index *index;
	uint64_t now;
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

/* When and how often exactly it was used, nobody noted. */
static void take_marks(struct marking *m, uint32_t at)
{
	struct gg_bucket *b = &m->index->bucket[at];
	struct gg_entry *e;
	uint32_t addr;
	int i;

	for (i = 0; i < GG_BUCKET_SLOTS; i++) {
		if (!bucket_take_mark(b, i))
			continue;
		addr = address_of(m->index, at, i);
		e = &m->entries[m->count];
		if (bpf_map_lookup_elem(m->fp->maps[MAP_HOST4], &addr, e))
			continue;
		if (e->last_seen < m->now)
			e->last_seen = m->now;
		e->hits++;
		memcpy(&m->keys[m->count++], &addr, sizeof(addr));
	}
}

static int write_marks(struct marking *m)
{
	__u32 n = m->count;

	m->count = 0;
	if (n && bpf_map_update_batch(m->fp->maps[MAP_HOST4], m->keys, m->entries, &n, NULL))
		return -errno;
	return 0;
}

int marks_sweep(struct fastpath *fp, uint64_t now)
{
	struct index *x = &fp->index[INDEX4];
	struct marking m = {.fp = fp, .index = x, .now = now};
	uint32_t at = 1, end;
	int code = 0, one;
	bool more;

	do {
		/* Read and written under one lock, so that no entry comes back that was deleted. */
		pthread_mutex_lock(&fp->lock);
		for (end = at + BUCKETS_A_TURN; at <= x->used && at < end; at++) {
			if (m.count + GG_BUCKET_SLOTS > BATCH)
				break;
			if (bucket_is_marked(&x->bucket[at]))
				take_marks(&m, at);
			if (bucket_end(&x->bucket[at]) && bucket_end(&x->bucket[at]) <= now)
				renew_end(&m, at);
		}
		one = write_marks(&m);
		code = code ? code : one;
		more = at <= x->used;
		pthread_mutex_unlock(&fp->lock);
	} while (more);
	return code;
}
