// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bucket's state word: bit 0, a writer holds the bucket; the rest counts, and is odd while the
 * writer changes cells. So an edit that only looks, or still computes, disturbs no reader.
 *
 * Cells are copied as relaxed-or-stronger atomic words, never with memcpy: stores release, loads
 * acquire. A reader that met one word of a change then also sees the changed state word, without a
 * fence, which the thread sanitizer could not follow. On x86 these are plain moves.
 *
 * Limits: a bucket never grows and nothing is rehashed. Writers of other tags that share a bucket
 * spin on it, so an edit must be short.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "table.h"

#define CELLS 7
#define WORDS (sizeof(struct cell) / sizeof(uint64_t))
#define SPINS 64 /* before the processor is given away: the holder may have lost its own */

#define HELD 1u
#define CHANGING 2u
#define VERSION(state) ((state) & ~HELD)

struct bucket {
	_Atomic uint32_t state;
	uint32_t zero;
	_Atomic uint64_t prints; /* byte i: fingerprint of cell i, 0 when it is free */
	uint64_t unused[2];
	_Atomic uint64_t cell[CELLS][WORDS];
};
_Static_assert(sizeof(struct bucket) == 256, "four lines a bucket");
_Static_assert(sizeof(struct cell) == 32, "seven cells a bucket");

struct table {
	struct bucket *buckets;
	size_t n;
	table_rank_fn rank;
	void *rank_arg;
	table_placed_fn placed; /* NULL: nobody watches */
	void *placed_arg;
	_Alignas(64) _Atomic size_t count;
};

/* The two places of a tag and its mark there. */
struct place {
	struct bucket *b[2];
	uint8_t print;
};

static struct place place_of(const struct table *t, uint64_t tag)
{
	/* Spread once more, so that tags which differ in few bits only do not share buckets. */
	uint64_t h = (tag ^ tag >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t i, j;

	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	i = (h & 0xffffffff) * t->n >> 32;
	j = (h >> 32) * t->n >> 32;
	if (i == j)
		j = i + 1 < t->n ? i + 1 : 0;
	return (struct place){
		.b = {&t->buckets[i], &t->buckets[j]},
		.print = (uint8_t)(tag % 255 + 1),
	};
}

static uint8_t print_at(uint64_t prints, int i)
{
	return (uint8_t)(prints >> 8 * i);
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))
#define CELL_BYTES (UINT64_MAX >> 8)

/* The top bit of each cell's byte that is 0, all cells at once. */
static uint64_t zero_bytes(uint64_t bytes)
{
	const uint64_t low = EACH_BYTE(0x7f);

	return ~(((bytes & low) + low) | bytes | low) & CELL_BYTES;
}

static int first_of(uint64_t tops)
{
	return __builtin_ctzll(tops) / 8;
}

static int free_cell(uint64_t prints)
{
	uint64_t tops = zero_bytes(prints);

	return tops ? first_of(tops) : -1;
}

static int used_cells(uint64_t prints)
{
	return CELLS - __builtin_popcountll(zero_bytes(prints));
}

static void cell_load(const struct bucket *b, int i, struct cell *ret)
{
	uint64_t words[WORDS];

	for (size_t w = 0; w < WORDS; w++)
		words[w] = atomic_load_explicit(&b->cell[i][w], memory_order_acquire);
	memcpy(ret, words, sizeof(words));
}

/* Index of the cell with this tag, copied to *ret; or -1. Not yet checked against the state. */
static int bucket_find(const struct bucket *b, uint8_t print, uint64_t tag, struct cell *ret)
{
	uint64_t prints = atomic_load_explicit(&b->prints, memory_order_acquire);

	for (uint64_t tops = zero_bytes(prints ^ EACH_BYTE(print)); tops; tops &= tops - 1) {
		int i = first_of(tops);

		if (atomic_load_explicit(&b->cell[i][0], memory_order_acquire) != tag)
			continue;
		cell_load(b, i, ret);
		return i;
	}
	return -1;
}

static void relax(int *spins)
{
	if (++*spins % SPINS == 0)
		sched_yield();
#if defined(__x86_64__) || defined(__i386__)
	else
		__builtin_ia32_pause();
#endif
}

/* ---- writers ---- */

static bool bucket_try(struct bucket *b)
{
	uint32_t s = atomic_load_explicit(&b->state, memory_order_relaxed);

	return !(s & HELD) &&
	       atomic_compare_exchange_weak_explicit(&b->state, &s, s | HELD, memory_order_acquire,
						     memory_order_relaxed);
}

static void bucket_hold(struct bucket *b)
{
	int spins = 0;

	while (!bucket_try(b))
		relax(&spins);
}

/* First change under this hold: from here on readers turn away. */
static void bucket_change(struct bucket *b)
{
	uint32_t s = atomic_load_explicit(&b->state, memory_order_relaxed);

	if (!(s & CHANGING))
		atomic_store_explicit(&b->state, s + CHANGING, memory_order_relaxed);
}

static void bucket_release(struct bucket *b)
{
	uint32_t s = atomic_load_explicit(&b->state, memory_order_relaxed);

	s += s & CHANGING;
	atomic_store_explicit(&b->state, VERSION(s), memory_order_release);
}

static void place_hold(const struct place *p)
{
	int first = p->b[0] > p->b[1];

	__builtin_prefetch(p->b[!first], 1);
	bucket_hold(p->b[first]);
	bucket_hold(p->b[!first]);
}

static void place_release(const struct place *p)
{
	bucket_release(p->b[0]);
	bucket_release(p->b[1]);
}

static void cell_store(struct bucket *b, int i, uint8_t print, const struct cell *c)
{
	uint64_t prints = atomic_load_explicit(&b->prints, memory_order_relaxed);
	uint64_t words[WORDS];

	memcpy(words, c, sizeof(words));
	bucket_change(b);
	for (size_t w = 0; w < WORDS; w++)
		atomic_store_explicit(&b->cell[i][w], words[w], memory_order_release);
	prints = (prints & ~(UINT64_C(0xff) << 8 * i)) | (uint64_t)print << 8 * i;
	atomic_store_explicit(&b->prints, prints, memory_order_release);
}

static void cell_clear(struct bucket *b, int i)
{
	cell_store(b, i, 0, &(struct cell){0});
}

static void tell_placed(const struct table *t, const struct bucket *b, const struct cell *c,
			const struct cell *was)
{
	if (t->placed)
		t->placed(c, was, (size_t)(b - t->buckets), t->placed_arg);
}

/* From one of its buckets to the other, both held. It stands there before it is gone here: a reader
 * that met neither has looked there too early and finds that bucket's version changed. */
static void cell_move(const struct table *t, struct bucket *from, int i, struct bucket *to, int k)
{
	uint64_t prints = atomic_load_explicit(&from->prints, memory_order_relaxed);
	struct cell c;

	cell_load(from, i, &c);
	cell_store(to, k, print_at(prints, i), &c);
	tell_placed(t, to, &c, NULL);
	cell_clear(from, i);
}

/* A free cell in the emptier of the two buckets, which are held. */
static bool find_room(const struct place *p, struct bucket **ret_b, int *ret_i)
{
	uint64_t prints[2];
	int use;

	for (int k = 0; k < 2; k++)
		prints[k] = atomic_load_explicit(&p->b[k]->prints, memory_order_relaxed);
	use = used_cells(prints[1]) < used_cells(prints[0]);
	if (free_cell(prints[use]) < 0)
		return false;
	*ret_b = p->b[use];
	*ret_i = free_cell(prints[use]);
	return true;
}

/* The cell of a bucket, held, that is the best victim so far: its index, or -1 and outputs
 * untouched. */
static int bucket_victim(const struct table *t, const struct bucket *b, uint32_t *highest,
			 struct cell *ret_victim)
{
	uint64_t prints = atomic_load_explicit(&b->prints, memory_order_relaxed);
	int found = -1;

	for (int i = 0; i < CELLS && t->rank; i++) {
		struct cell c;
		uint32_t rank;

		if (!print_at(prints, i))
			continue;
		cell_load(b, i, &c);
		rank = t->rank(&c, t->rank_arg);
		if (rank <= *highest)
			continue;
		*highest = rank;
		*ret_victim = c;
		found = i;
	}
	return found;
}

static bool find_victim(const struct table *t, const struct place *p, struct bucket **ret_b,
			int *ret_i, struct cell *ret_victim)
{
	uint32_t highest = 0;

	for (int k = 0; k < 2; k++) {
		int i = bucket_victim(t, p->b[k], &highest, ret_victim);

		if (i < 0)
			continue;
		*ret_b = p->b[k];
		*ret_i = i;
	}
	return highest > 0;
}

/*
 * Both buckets are full: move one of their cells to its other bucket, if that has room or, where
 * ret_victim isn't NULL, a victim. The third bucket is only tried for, never waited for: it may
 * come earlier in the order of holding.
 */
static bool make_room(const struct table *t, const struct place *p, struct bucket **ret_b,
		      int *ret_i, struct cell *ret_victim)
{
	for (int k = 0; k < 2 * CELLS; k++) {
		struct bucket *from = p->b[k & 1], *to;
		uint32_t highest = 0;
		struct place other;
		struct cell c;
		int i;

		cell_load(from, k / 2, &c);
		other = place_of(t, c.tag);
		to = other.b[other.b[0] == from];
		if (to == p->b[0] || to == p->b[1])
			continue;
		if (!ret_victim &&
		    free_cell(atomic_load_explicit(&to->prints, memory_order_relaxed)) < 0)
			continue;
		if (!bucket_try(to))
			continue;
		if (ret_victim)
			i = bucket_victim(t, to, &highest, ret_victim);
		else
			i = free_cell(atomic_load_explicit(&to->prints, memory_order_relaxed));
		if (i >= 0)
			cell_move(t, from, k / 2, to, i);
		bucket_release(to);
		if (i < 0)
			continue;
		*ret_b = from;
		*ret_i = k / 2;
		return true;
	}
	return false;
}

int table_edit(struct table *t, uint64_t tag, table_edit_fn edit, void *arg,
	       struct cell *ret_victim)
{
	struct place p = place_of(t, tag);
	struct bucket *b = NULL;
	struct cell c, was, victim;
	bool found = false;
	int i = -1, rc = 0;

	assert(tag);
	place_hold(&p);
	for (int k = 0; k < 2 && !found; k++) {
		b = p.b[k];
		i = bucket_find(b, p.print, tag, &c);
		found = i >= 0;
	}
	if (!found)
		c = (struct cell){.tag = tag};
	was = c;
	if (!edit(&c, found, arg))
		goto out;
	c.tag = tag;
	if (!found && !find_room(&p, &b, &i) && !make_room(t, &p, &b, &i, NULL)) {
		/* A cell that never goes must not find only its like: far away others can go. */
		if (!find_victim(t, &p, &b, &i, &victim) && !make_room(t, &p, &b, &i, &victim)) {
			rc = -ENOSPC;
			goto out;
		}
		rc = 1;
	}
	cell_store(b, i, p.print, &c);
	tell_placed(t, b, &c, found ? &was : NULL);
	if (!found && rc == 0)
		atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
out:
	place_release(&p);
	if (rc == 1 && ret_victim)
		*ret_victim = victim;
	return rc;
}

/* Removes the cell with this tag, or only if it still is `same`. */
static bool remove_cell(struct table *t, uint64_t tag, const struct cell *same,
			struct cell *ret_old)
{
	struct place p = place_of(t, tag);
	bool removed = false;
	struct cell c;

	place_hold(&p);
	for (int k = 0; k < 2 && !removed; k++) {
		int i = bucket_find(p.b[k], p.print, tag, &c);

		if (i < 0)
			continue;
		if (same && memcmp(&c, same, sizeof(c)) != 0)
			break;
		cell_clear(p.b[k], i);
		removed = true;
	}
	place_release(&p);
	if (!removed)
		return false;
	atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
	if (ret_old)
		*ret_old = c;
	return true;
}

void table_watch(struct table *t, table_placed_fn placed, void *arg)
{
	t->placed = placed;
	t->placed_arg = arg;
}

bool table_del(struct table *t, uint64_t tag, struct cell *ret_old)
{
	return remove_cell(t, tag, NULL, ret_old);
}

bool table_del_same(struct table *t, const struct cell *same)
{
	return remove_cell(t, same->tag, same, NULL);
}

/* ---- readers ---- */

/* Version of a bucket that nobody is changing. */
static uint32_t read_begin(const struct bucket *b, int *spins)
{
	for (;;) {
		uint32_t s = atomic_load_explicit(&b->state, memory_order_acquire);

		if (!(s & CHANGING))
			return VERSION(s);
		relax(spins);
	}
}

static bool read_still(const struct bucket *b, uint32_t version)
{
	return VERSION(atomic_load_explicit(&b->state, memory_order_relaxed)) == version;
}

void table_expect(const struct table *t, uint64_t tag)
{
	struct place p = place_of(t, tag);

	__builtin_prefetch(p.b[0]);
	__builtin_prefetch(p.b[1]);
}

bool table_get(const struct table *t, uint64_t tag, struct cell *ret)
{
	struct place p = place_of(t, tag);
	uint32_t version[2];
	struct cell c;
	int spins = 0;

	__builtin_prefetch(p.b[1]);
	for (;; relax(&spins)) {
		bool still = true;

		for (int k = 0; k < 2 && still; k++) {
			version[k] = read_begin(p.b[k], &spins);
			if (bucket_find(p.b[k], p.print, tag, &c) >= 0) {
				still = read_still(p.b[k], version[k]);
				if (still) {
					*ret = c;
					return true;
				}
			}
		}
		/* Absent only if it did not move from one to the other in between. */
		if (still && read_still(p.b[0], version[0]) && read_still(p.b[1], version[1]))
			return false;
	}
}

/* A consistent copy of the bucket's cells; returns how many. */
static int bucket_copy(const struct bucket *b, struct cell ret[CELLS])
{
	int spins = 0;

	for (;; relax(&spins)) {
		uint32_t version = read_begin(b, &spins);
		uint64_t prints = atomic_load_explicit(&b->prints, memory_order_acquire);
		int n = 0;

		for (int i = 0; i < CELLS; i++)
			if (print_at(prints, i))
				cell_load(b, i, &ret[n++]);
		if (read_still(b, version))
			return n;
	}
}

bool table_sweep(struct table *t, size_t *cursor, size_t buckets, table_see_fn see, void *arg)
{
	size_t end = buckets < t->n - *cursor ? *cursor + buckets : t->n;
	struct cell cells[CELLS];

	for (; *cursor < end; ++*cursor) {
		int n = bucket_copy(&t->buckets[*cursor], cells);

		for (int i = 0; i < n; i++)
			if (see(&cells[i], arg))
				table_del_same(t, &cells[i]);
	}
	if (end < t->n)
		return true;
	*cursor = 0;
	return false;
}

/* ---- the whole ---- */

int table_new(size_t cells, table_rank_fn rank, void *rank_arg, struct table **ret)
{
	struct table *t;
	size_t n;

	/* A bucket's number has 32 bits. */
	if (!cells || cells > (size_t)UINT32_MAX)
		return -EINVAL;
	n = cells * 100 / 85 / CELLS + 2;
	t = aligned_alloc(64, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct table){.n = n, .rank = rank, .rank_arg = rank_arg};
	t->buckets = mmap(NULL, n * sizeof(struct bucket), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->buckets == MAP_FAILED) {
		free(t);
		return -ENOMEM;
	}
	/* Lookups are random: with small pages nearly each one misses the TLB too. */
	madvise(t->buckets, n * sizeof(struct bucket), MADV_HUGEPAGE);
	*ret = t;
	return 0;
}

void table_free(struct table **t)
{
	if (*t) {
		munmap((*t)->buckets, (*t)->n * sizeof(struct bucket));
		free(*t);
	}
	*t = NULL;
}

size_t table_count(const struct table *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

size_t table_capacity(const struct table *t)
{
	return t->n * CELLS;
}

size_t table_buckets(const struct table *t)
{
	return t->n;
}

int table_validate(const struct table *t)
{
	size_t count = 0;

	for (size_t n = 0; n < t->n; n++) {
		const struct bucket *b = &t->buckets[n];
		uint64_t prints = atomic_load(&b->prints);

		if (atomic_load(&b->state) & (HELD | CHANGING) || prints >> 8 * CELLS)
			return -EFAULT;
		for (int i = 0; i < CELLS; i++) {
			struct cell c, twin;
			struct place p;

			cell_load(b, i, &c);
			if (!print_at(prints, i) != !c.tag)
				return -EFAULT;
			if (!c.tag)
				continue;
			count++;
			p = place_of(t, c.tag);
			if (print_at(prints, i) != p.print || (b != p.b[0] && b != p.b[1]) ||
			    bucket_find(b, p.print, c.tag, &twin) != i ||
			    bucket_find(p.b[b == p.b[0]], p.print, c.tag, &twin) >= 0)
				return -EFAULT;
		}
	}
	return count == table_count(t) ? 0 : -EFAULT;
}
