// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hot index over host4 and host6, written through shared memory: see include/greygate/index.h
 * for what it promises to the kernel programs. Everything here is under fp->lock except the marks,
 * which the programs set at any time.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SLOTS GG_BUCKET_SLOTS
#define TIDY_NETS 100000 /* prefixes that are cleared away a second */
#define FRESH_LOAD 13    /* addresses a bucket when it is built: few stand outside of their half */
#define RIPE_LOAD 16     /* when it is built anew, larger */
#define AHEAD 8          /* buckets that memory is asked for at a time */
#define FULL_SHARE 16    /* one full bucket more in so many is worth building anew */

static const enum map_id truth_of[INDEX_COUNT] = {MAP_HOST4, MAP_HOST6};
static const enum map_id map_of[INDEX_COUNT] = {MAP_INDEX4, MAP_INDEX6};

static const uint32_t fewest_of[INDEX_COUNT] = {GG_EXACT_BUCKETS, 64};

static uint32_t buckets_for(int which, size_t hosts)
{
	size_t buckets = hosts / FRESH_LOAD;

	return buckets > fewest_of[which] ? (uint32_t)buckets : fewest_of[which];
}

uint32_t index_elements(enum map_id id, uint32_t hosts)
{
	return 1 + buckets_for(id == MAP_HOST6, hosts);
}

static struct gg_index_head *head_of(const struct index *x)
{
	return (struct gg_index_head *)(void *)x->bucket;
}

int index_open(struct fastpath *fp)
{
	struct bpf_map_info info;
	struct index *x;
	__u32 size;
	int i;

	for (i = 0; i < INDEX_COUNT; i++) {
		x = &fp->index[i];
		size = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(fp->maps[map_of[i]], &info, &size))
			return -errno;
		x->bytes = (size_t)info.max_entries * sizeof(*x->bucket);
		x->bucket = mmap(NULL, x->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				 fp->maps[map_of[i]], 0);
		if (x->bucket == MAP_FAILED) {
			x->bucket = NULL;
			return -errno;
		}
		x->room = info.max_entries - 1 - (i == INDEX4 ? listed_lines(fp->imported) : 0);
		head_of(x)->layout = GG_INDEX_LAYOUT;
	}
	listed_open(fp);
	return 0;
}

void index_close(struct fastpath *fp)
{
	int i;

	for (i = 0; i < INDEX_COUNT; i++)
		if (fp->index[i].bucket)
			munmap(fp->index[i].bucket, fp->index[i].bytes);
}

static void set_head(struct index *x, uint32_t buckets, uint32_t key)
{
	__atomic_store_n(&head_of(x)->geometry, (uint64_t)key << 32 | buckets, __ATOMIC_SEQ_CST);
}

bool index_is_ours(int map)
{
	union {
		struct gg_bucket bucket;
		struct gg_index_head head;
	} first;
	__u32 zero = 0;

	return !bpf_map_lookup_elem(map, &zero, &first) && first.head.layout == GG_INDEX_LAYOUT;
}

/* ---- one entry ---- */

/* The meaning comes first in each slot's byte: the rest is marks. */
static uint8_t meaning_of(const struct gg_entry *e)
{
	if (e->verdict == GG_ALLOW)
		return GG_MEANS_ALLOW;
	if (e->verdict != GG_DENY || e->action == GG_NO_ACTION || e->action > GG_DROP_ALL)
		return GG_MEANS_ASK;
	return GG_MEANS_DENY + e->action;
}

static struct index_edit find(struct fastpath *fp, enum map_id id, const void *key)
{
	struct index_edit e = {.index = &fp->index[id == MAP_HOST6]};
	const struct bucket_geometry g = {e.index->used, e.index->hash_key};
	uint32_t words[4];

	memcpy(words, key, id == MAP_HOST4 ? 4 : 16);
	e.own = id == MAP_HOST4 ? bucket_place4(g, words[0]) : bucket_place6(g, words);
	e.away = bucket_away(g, e.own);
	e.bucket = e.index->bucket;
	return e;
}

static void turn_both(const struct index_edit *e)
{
	bucket_turn(&e->bucket[e->own.at]);
	bucket_turn(&e->bucket[e->away.at]);
}

struct index_edit index_begin(struct fastpath *fp, enum map_id id, const void *key)
{
	struct index_edit e;

	if ((id != MAP_HOST4 && id != MAP_HOST6) || !fp->index[id == MAP_HOST6].used)
		return (struct index_edit){};
	e = find(fp, id, key);
	turn_both(&e);
	return e;
}

struct spot {
	struct gg_bucket *bucket;
	struct bucket_place place;
	int slot; /* SLOTS: none */
};

static struct spot find_spot(const struct index_edit *e)
{
	struct spot s = {.bucket = &e->bucket[e->own.at], .place = e->own};

	s.slot = bucket_find(s.bucket, s.place);
	if (s.slot < SLOTS || !(s.bucket->state & GG_BUCKET_FULL))
		return s;
	s.bucket = &e->bucket[e->away.at];
	s.place = e->away;
	s.slot = bucket_find(s.bucket, s.place);
	return s;
}

/* Whether there is room in the bucket; if not, that is noted. */
static bool has_room(const struct index_edit *e, struct spot *s)
{
	s->slot = bucket_free(s->bucket, s->place);
	if (s->slot < SLOTS)
		return true;
	e->index->full += !(s->bucket->state & GG_BUCKET_FULL);
	s->bucket->state |= GG_BUCKET_FULL;
	return false;
}

static struct spot free_spot(const struct index_edit *e)
{
	struct spot own = {.bucket = &e->bucket[e->own.at], .place = e->own};
	struct spot away = {.bucket = &e->bucket[e->away.at], .place = e->away};

	if (has_room(e, &own))
		return own;
	has_room(e, &away);
	return away;
}

void index_put(const struct index_edit *e, const struct gg_entry *entry, bool known)
{
	bool exact = e->bucket && e->index->exact;
	struct spot s = {.slot = SLOTS};
	uint8_t meaning, byte;

	if (!e->bucket)
		return;
	if (!known)
		e->index->count++;
	else if (!exact)
		return; /* a tag says nothing that could have changed */
	meaning = exact ? meaning_of(entry) : GG_MEANS_ASK;
	if (exact)
		s = find_spot(e);
	if (s.slot == SLOTS)
		s = free_spot(e);
	if (s.slot == SLOTS)
		return;
	if (exact)
		bucket_add_end(s.bucket, entry->expires);
	byte = bucket_byte(s.bucket, s.slot);
	if ((byte & GG_SLOT_MEANING) == meaning &&
	    (!gg_index_regular(byte) || gg_index_often(entry)))
		return;
	if (meaning >= GG_MEANS_ALLOW && gg_index_often(entry))
		meaning |= GG_SLOT_OFTEN;
	bucket_set(s.bucket, s.slot, s.place, meaning);
}

void index_del(const struct index_edit *e)
{
	struct spot s;

	if (!e->bucket)
		return;
	e->index->count -= e->index->count > 0;
	/* While it is filled, a tag may be that of a twin which stands there, and the one of this
	 * host is still to come. One too many has the truth asked. */
	if (!e->index->exact && !(uint32_t)head_of(e->index)->geometry)
		return;
	s = find_spot(e);
	if (s.slot < SLOTS)
		bucket_set(s.bucket, s.slot, s.place, 0);
}

void index_end(const struct index_edit *e)
{
	if (e->bucket)
		turn_both(e);
}

bool index_take_mark(struct fastpath *fp, const struct gg_key4 *key)
{
	const struct index_edit e = find(fp, MAP_HOST4, key);
	const struct spot s = find_spot(&e);

	return s.slot < SLOTS && bucket_take_mark(s.bucket, s.slot);
}

/* ---- all of them ---- */

struct building {
	struct fastpath *fp;
	int which;
};

void index_add(struct fastpath *fp, enum map_id id, const void *keys,
	       const struct gg_entry *entries, uint32_t n)
{
	const size_t key_size = id == MAP_HOST4 ? sizeof(struct gg_key4) : sizeof(struct gg_key6);
	struct index_edit ahead[AHEAD] = {0};
	uint32_t i;

	if (!fp->index[id == MAP_HOST6].used)
		return;
	/* The bucket of each is asked of memory while those before it are filled. */
	for (i = 0; i < n + AHEAD; i++) {
		struct index_edit *e = &ahead[i % AHEAD];

		if (i >= AHEAD)
			index_put(e, &entries[i - AHEAD], false);
		if (i < n) {
			*e = find(fp, id, (const char *)keys + i * key_size);
			__builtin_prefetch(&e->bucket[e->own.at], 1);
		}
	}
}

static int build_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	struct building *b = arg;

	index_add(b->fp, truth_of[b->which], keys, values, n);
	return 0;
}

int index_prepare(struct fastpath *fp, enum map_id id, size_t entries)
{
	struct index *x = &fp->index[id == MAP_HOST6];
	uint32_t hash_key, buckets;

	if (getrandom(&hash_key, sizeof(hash_key), 0) != sizeof(hash_key))
		return -errno;
	buckets = buckets_for(id == MAP_HOST6, entries);
	if (buckets > x->room)
		buckets = x->room;

	pthread_mutex_lock(&fp->lock);
	set_head(x, 0, 0);
	memset(x->bucket + 1, 0, (size_t)x->room * sizeof(*x->bucket));
	x->hash_key = hash_key;
	x->used = buckets;
	x->exact = id == MAP_HOST4;
	x->count = x->full = 0;
	pthread_mutex_unlock(&fp->lock);
	return 0;
}

void index_enforce(struct fastpath *fp, enum map_id id)
{
	struct index *x = &fp->index[id == MAP_HOST6];

	pthread_mutex_lock(&fp->lock);
	x->full_at_build = x->full;
	if (x->used)
		set_head(x, x->used, x->hash_key);
	pthread_mutex_unlock(&fp->lock);
}

/* Nobody marks it any more; what was marked is kept, whoever built it: this process or one before
 * it over the same maps. */
static void retire(struct fastpath *fp)
{
	struct index *x = &fp->index[INDEX4];
	uint64_t head;

	pthread_mutex_lock(&fp->lock);
	head = __atomic_load_n(&head_of(x)->geometry, __ATOMIC_SEQ_CST);
	if ((uint32_t)head > x->room)
		head = 0;
	set_head(x, 0, 0);
	if ((uint32_t)head) {
		x->used = (uint32_t)head;
		x->hash_key = (uint32_t)(head >> 32);
		x->exact = true;
	}
	pthread_mutex_unlock(&fp->lock);
	if ((uint32_t)head)
		marks_sweep(fp, entries_now());
}

static int build(struct fastpath *fp, int which)
{
	struct building b = {.fp = fp, .which = which};
	const enum map_id id = truth_of[which];
	size_t count;
	int code;

	if (which == INDEX4) {
		/* The programs ask the hash while it is out of force: most is done before. */
		if (fp->index[which].used)
			marks_sweep(fp, entries_now());
		retire(fp);
	}
	code = walk_count(fp->maps[id], &count);
	if (!code)
		code = index_prepare(fp, id, count);
	if (!code)
		code = walk_map_locked(fp->maps[id], &fp->lock, build_batch, &b);
	if (!code) {
		index_enforce(fp, id);
		return 0;
	}
	/* Changes are not made in it any more, so nobody may believe it. */
	pthread_mutex_lock(&fp->lock);
	set_head(&fp->index[which], 0, 0);
	fp->index[which].used = 0;
	pthread_mutex_unlock(&fp->lock);
	return code;
}

int index_build(struct fastpath *fp)
{
	int i, code = 0, one;

	for (i = 0; i < INDEX_COUNT; i++) {
		one = build(fp, i);
		code = code ? code : one;
	}
	return code;
}

static bool is_ripe(const struct index *x)
{
	if (!x->used)
		return true;
	return (x->count > (size_t)x->used * RIPE_LOAD && x->used < x->room) ||
	       x->full > x->full_at_build + x->used / FULL_SHARE;
}

int fastpath_tidy(struct fastpath *fp)
{
	int i, code = nets_tidy(fp, TIDY_NETS), one;
	bool ripe;

	for (i = 0; i < INDEX_COUNT; i++) {
		pthread_mutex_lock(&fp->lock);
		ripe = is_ripe(&fp->index[i]);
		pthread_mutex_unlock(&fp->lock);
		one = ripe ? build(fp, i) : 0;
		code = code ? code : one;
	}
	return code;
}

void index_off(struct fastpath *fp)
{
	int i;

	retire(fp);
	pthread_mutex_lock(&fp->lock);
	for (i = 0; i < INDEX_COUNT; i++) {
		fp->index[i].used = 0;
		set_head(&fp->index[i], 0, 0);
	}
	pthread_mutex_unlock(&fp->lock);
}
