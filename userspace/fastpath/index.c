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
#define FRESH_LOAD 13    /* addresses a bucket when it is built: one bucket in forty is full */
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
		x->room = info.max_entries - 1;
	}
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
	__atomic_store_n((uint64_t *)(void *)x->bucket, (uint64_t)key << 32 | buckets,
			 __ATOMIC_SEQ_CST);
}

/* ---- one entry ---- */

/* The meaning comes first in each slot's byte: the rest is marks. */
static uint8_t meaning_of(const struct gg_entry *e)
{
	if (e->verdict == GG_ALLOW)
		return GG_MEANS_ALLOW;
	if (e->verdict != GG_DENY || e->action > GG_DROP_ALL)
		return GG_MEANS_ASK;
	return GG_MEANS_DENY + e->action;
}

static void turn(struct gg_bucket *b)
{
	uint32_t state = b->state;

	state = (state & ~GG_BUCKET_TURN) | ((state + GG_BUCKET_BUSY) & GG_BUCKET_TURN);
	__atomic_store_n(&b->state, state, __ATOMIC_SEQ_CST);
}

/* SLOTS: nowhere. */
static int slot_of(const struct index_edit *e)
{
	const struct gg_bucket *b = e->bucket;
	uint8_t byte;
	int i;

	for (i = 0; i < SLOTS; i++) {
		byte = b->slot[gg_index_slot(i)];
		if (b->key[i] == e->key && byte && (byte & GG_SLOT_REST) == e->rest)
			break;
	}
	return i;
}

/* From i on, below end; end: there is none. */
static int free_among(const struct gg_bucket *b, int i, int end)
{
	while (i < end && b->slot[gg_index_slot(i)])
		i++;
	return i;
}

/* Where the key is looked for first, else among those of no half, else in the other half. SLOTS:
 * nowhere. */
static int free_slot(const struct gg_bucket *b, uint16_t key)
{
	const int home = (int)gg_index_half(key) * GG_BUCKET_HALF, other = GG_BUCKET_HALF - home;
	int i = free_among(b, home, home + GG_BUCKET_HALF);

	if (i < home + GG_BUCKET_HALF)
		return i;
	i = free_among(b, 2 * GG_BUCKET_HALF, SLOTS);
	if (i < SLOTS)
		return i;
	i = free_among(b, other, other + GG_BUCKET_HALF);
	return i < other + GG_BUCKET_HALF ? i : SLOTS;
}

/* Whoever reads the bucket now is turned away, so only the byte's neighbours matter: they may be
 * marked at this moment. */
static void set_slot(struct gg_bucket *b, int i, uint16_t key, uint8_t byte)
{
	b->key[i] = key;
	__atomic_store_n(&b->slot[gg_index_slot(i)], byte, __ATOMIC_SEQ_CST);
}

static void set_end(struct gg_bucket *b, uint64_t expires)
{
	uint64_t end = expires / GG_BUCKET_ENDS_UNIT, have = b->state >> GG_BUCKET_ENDS_SHIFT;

	if (!expires)
		return;
	if (end < 1)
		end = 1;
	if (end > UINT32_MAX >> GG_BUCKET_ENDS_SHIFT)
		end = UINT32_MAX >> GG_BUCKET_ENDS_SHIFT;
	if (!have || end < have)
		b->state = (b->state & (GG_BUCKET_TURN | GG_BUCKET_FULL)) |
			   (uint32_t)end << GG_BUCKET_ENDS_SHIFT;
}

static struct index_edit find(struct fastpath *fp, enum map_id id, const void *key)
{
	struct index_edit e = {.index = &fp->index[id == MAP_HOST6]};
	uint32_t words[4], hash;

	memcpy(words, key, id == MAP_HOST4 ? 4 : 16);
	hash = id == MAP_HOST4 ? gg_index_hash4(words[0], e.index->hash_key)
			       : gg_index_hash6(words, e.index->hash_key);
	e.bucket = &e.index->bucket[gg_index_bucket(hash, e.index->used)];
	e.key = gg_index_key(hash, e.index->used);
	e.rest = gg_index_rest(hash, e.index->used);
	return e;
}

struct index_edit index_begin(struct fastpath *fp, enum map_id id, const void *key)
{
	struct index_edit e;

	if ((id != MAP_HOST4 && id != MAP_HOST6) || !fp->index[id == MAP_HOST6].used)
		return (struct index_edit){};
	e = find(fp, id, key);
	turn(e.bucket);
	return e;
}

void index_put(const struct index_edit *e, const struct gg_entry *entry, bool known)
{
	struct gg_bucket *b = e->bucket;
	bool exact = b && e->index->exact;
	uint8_t meaning, byte;
	int i;

	if (!b)
		return;
	if (!known)
		e->index->count++;
	else if (!exact)
		return; /* a tag says nothing that could have changed */
	meaning = exact ? meaning_of(entry) : GG_MEANS_ASK;
	i = exact ? slot_of(e) : SLOTS;
	if (i == SLOTS)
		i = free_slot(b, e->key);
	if (i == SLOTS) {
		e->index->full += !(b->state & GG_BUCKET_FULL);
		b->state |= GG_BUCKET_FULL;
		return;
	}
	if (exact)
		set_end(b, entry->expires);
	byte = b->slot[gg_index_slot(i)];
	if ((byte & GG_SLOT_MEANING) == meaning &&
	    (!gg_index_regular(byte) || gg_index_often(entry)))
		return;
	if (meaning >= GG_MEANS_ALLOW && gg_index_often(entry))
		meaning |= GG_SLOT_OFTEN;
	set_slot(b, i, e->key, meaning | e->rest);
}

void index_del(const struct index_edit *e)
{
	int i;

	if (!e->bucket)
		return;
	e->index->count -= e->index->count > 0;
	i = slot_of(e);
	if (i < SLOTS)
		set_slot(e->bucket, i, 0, 0);
}

void index_end(const struct index_edit *e)
{
	if (e->bucket)
		turn(e->bucket);
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

		if (i >= AHEAD) {
			turn(e->bucket);
			index_put(e, &entries[i - AHEAD], false);
			index_end(e);
		}
		if (i < n) {
			*e = find(fp, id, (const char *)keys + i * key_size);
			__builtin_prefetch(e->bucket, 1);
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

static void keep_marks(struct fastpath *fp);

static int build(struct fastpath *fp, int which)
{
	struct building b = {.fp = fp, .which = which};
	const enum map_id id = truth_of[which];
	size_t count;
	int code;

	if (which == INDEX4)
		keep_marks(fp);
	code = walk_count(fp->maps[id], &count);
	if (!code)
		code = index_prepare(fp, id, count);
	if (code)
		return code;
	code = walk_map_locked(fp->maps[id], &fp->lock, build_batch, &b);
	if (!code) {
		index_enforce(fp, id);
		return 0;
	}
	pthread_mutex_lock(&fp->lock);
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

/* ---- marks ---- */

#define MARKS_BATCH 1024

struct marking {
	struct fastpath *fp;
	uint64_t now;
	/* Of the batch in hand, what was used since the last sweep. */
	struct gg_key4 keys[MARKS_BATCH];
	struct gg_entry entries[MARKS_BATCH];
	uint32_t count;
};

static bool take_mark(struct fastpath *fp, const void *host4)
{
	struct index_edit e = find(fp, MAP_HOST4, host4);
	int i = slot_of(&e);
	uint8_t *byte;

	if (i == SLOTS)
		return false;
	byte = &e.bucket->slot[gg_index_slot(i)];
	if (!(__atomic_load_n(byte, __ATOMIC_RELAXED) & GG_SLOT_SEEN))
		return false;
	__atomic_fetch_and(byte, (uint8_t)~GG_SLOT_SEEN, __ATOMIC_SEQ_CST);
	return true;
}

static void write_marks(struct marking *m)
{
	__u32 n = m->count;

	if (n)
		bpf_map_update_batch(m->fp->maps[MAP_HOST4], m->keys, m->entries, &n, NULL);
	m->count = 0;
}

/* When and how often exactly a marked entry was used, nobody noted. Read and written under one
 * lock, so that no entry comes back that has been deleted. */
static int mark_batch(const void *keys, const void *values, uint32_t n, void *arg)
{
	const struct gg_entry *entries = values;
	const struct gg_key4 *addrs = keys;
	struct marking *m = arg;
	struct gg_entry *e;
	uint32_t i;

	for (i = 0; i < n && m->fp->index[INDEX4].used; i++) {
		if (!take_mark(m->fp, &addrs[i]))
			continue;
		m->keys[m->count] = addrs[i];
		e = &m->entries[m->count++];
		*e = entries[i];
		if (e->last_seen < m->now)
			e->last_seen = m->now;
		e->hits++;
		if (m->count == MARKS_BATCH)
			write_marks(m);
	}
	write_marks(m);
	return 0;
}

static bool has_marks(const struct gg_bucket *b)
{
	uint8_t all = 0;
	int i;

	for (i = 0; i < SLOTS; i++)
		all |= b->slot[i];
	return all & GG_SLOT_SEEN;
}

static uint32_t undo_times(uint32_t product, uint32_t odd)
{
	uint32_t inverse = odd;
	int i;

	for (i = 0; i < 5; i++) /* each step doubles the bits that are right, three to begin with */
		inverse *= 2 - odd * inverse;
	return product * inverse;
}

/* Back from bucket and slot to the one address, network order, that they stand for in index4. */
static uint32_t address_of(const struct index *x, uint32_t at, int i)
{
	const struct gg_bucket *b = &x->bucket[at];
	const uint32_t rest = b->slot[gg_index_slot(i)] & GG_SLOT_REST;
	uint64_t first = (((uint64_t)(at - 1) << 32) + x->used - 1) / x->used; /* hash in it */
	uint64_t from = (uint32_t)(first * x->used),
		 sought = (uint64_t)b->key[i] << 16 | rest << 10;
	uint32_t hash = (uint32_t)first, addr;

	if (sought > from)
		hash += (uint32_t)((sought - from + x->used - 1) / x->used);
	addr = undo_times(hash, GG_INDEX_FIRST);
	addr ^= addr >> 15 ^ addr >> 30;
	addr = undo_times(addr, GG_INDEX_SECOND) - x->hash_key;
	addr ^= addr >> 16;
	return undo_times(addr, GG_INDEX_FIRST) ^ x->hash_key;
}

/* An end has passed: the entry is gone or was renewed, and the bucket's addresses need no longer be
 * asked of the truth. */
static void renew_end(struct fastpath *fp, uint32_t at)
{
	const struct index *x = &fp->index[INDEX4];
	struct gg_bucket *b = &x->bucket[at];
	struct gg_entry e;
	uint32_t addr;
	int i;

	turn(b);
	b->state &= GG_BUCKET_TURN | GG_BUCKET_FULL;
	for (i = 0; i < SLOTS; i++) {
		if (!b->slot[gg_index_slot(i)])
			continue;
		addr = address_of(x, at, i);
		if (!bpf_map_lookup_elem(fp->maps[MAP_HOST4], &addr, &e))
			set_end(b, e.expires);
	}
	turn(b);
}

int index_sweep(struct fastpath *fp, uint64_t now)
{
	struct marking *m;
	struct index *x = &fp->index[INDEX4];
	struct gg_bucket *b;
	bool marked = false;
	uint32_t at;
	uint64_t end;
	int code;

	for (at = 1; at <= x->used; at++) {
		pthread_mutex_lock(&fp->lock);
		b = &x->bucket[at];
		marked = marked || has_marks(b);
		end = (uint64_t)(b->state >> GG_BUCKET_ENDS_SHIFT) * GG_BUCKET_ENDS_UNIT;
		if (end && end <= now)
			renew_end(fp, at);
		pthread_mutex_unlock(&fp->lock);
	}
	if (!marked)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->fp = fp;
	m->now = now;
	code = walk_map_locked(fp->maps[MAP_HOST4], &fp->lock, mark_batch, m);
	free(m);
	return code;
}

/* The marks of who built it, be it this process or one before it over the same maps. */
static void keep_marks(struct fastpath *fp)
{
	struct index *x = &fp->index[INDEX4];
	const uint64_t head = __atomic_load_n((uint64_t *)(void *)x->bucket, __ATOMIC_SEQ_CST);

	if (!(uint32_t)head || (uint32_t)head > x->room)
		return;
	pthread_mutex_lock(&fp->lock);
	x->used = (uint32_t)head;
	x->hash_key = (uint32_t)(head >> 32);
	x->exact = true;
	pthread_mutex_unlock(&fp->lock);
	index_sweep(fp, entries_now());
}

void index_off(struct fastpath *fp)
{
	int i;

	keep_marks(fp);
	pthread_mutex_lock(&fp->lock);
	for (i = 0; i < INDEX_COUNT; i++) {
		fp->index[i].used = 0;
		set_head(&fp->index[i], 0, 0);
	}
	pthread_mutex_unlock(&fp->lock);
}
