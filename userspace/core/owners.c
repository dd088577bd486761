// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * There are two sets of filters side by side, one in use and one being made. A cell is noted in
 * both once it stands in its bucket: whoever clears a set and then goes through the table either
 * finds the note or the cell.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "owners.h"

#define REGION 64 /* buckets */
#define ROWS 4096 /* bits of a filter; about nine for a cell */
#define HASHES 4
#define WORD 64 /* regions in a word of a row */

struct owners {
	struct table *table;
	owners_of_fn of;
	size_t regions, row; /* row: words */
	/* Of row r and word w: [(r * row + w) * 2 + set]. */
	_Atomic uint64_t *words;
	size_t bytes;
	_Atomic unsigned used;   /* the set that answers */
	_Atomic unsigned rounds; /* begun */
	size_t next;             /* region of the round; 0: it begins. owners_renew's alone */
};

static uint64_t spread(uint64_t owner)
{
	owner = (owner ^ owner >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	owner = (owner ^ owner >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return owner ^ owner >> 32;
}

static _Atomic uint64_t *word_of(const struct owners *o, uint64_t spread_owner, int hash,
				 size_t word)
{
	size_t r = spread_owner >> hash * 16 & (ROWS - 1);

	return &o->words[(r * o->row + word) * 2];
}

static void note(struct owners *o, uint64_t owner, size_t region, unsigned sets)
{
	const uint64_t s = spread(owner), bit = UINT64_C(1) << region % WORD;

	for (int i = 0; i < HASHES; i++) {
		_Atomic uint64_t *w = word_of(o, s, i, region / WORD);

		for (unsigned set = 0; set < 2; set++) {
			/* Most rows of who comes again have it: a line only read stays shared. */
			if (sets >> set & 1 && !(atomic_load(&w[set]) & bit))
				atomic_fetch_or(&w[set], bit);
		}
	}
}

/* A table_placed_fn. */
static void on_placed(const struct cell *c, const struct cell *was, size_t bucket, void *owners)
{
	struct owners *o = owners;
	uint64_t owner, before;

	if (!o->of(c, &owner) || (was && o->of(was, &before) && before == owner))
		return;
	note(o, owner, bucket / REGION, 3);
}

/* The first region at or behind `from` in which the owner may have cells; o->regions: none. */
static size_t region_next(const struct owners *o, uint64_t owner, size_t from)
{
	const uint64_t s = spread(owner);
	const unsigned set = atomic_load(&o->used);
	uint64_t mask = UINT64_MAX << from % WORD;

	for (size_t w = from / WORD; w < o->row; w++, mask = UINT64_MAX) {
		uint64_t all = mask;

		for (int i = 0; i < HASHES && all; i++)
			all &= atomic_load(&word_of(o, s, i, w)[set]);
		if (all)
			return w * WORD + (size_t)__builtin_ctzll(all);
	}
	return o->regions;
}

static void sweep_region(struct owners *o, size_t region, table_see_fn see, void *arg)
{
	size_t cursor = region * REGION;

	table_sweep(o->table, &cursor, REGION, see, arg);
}

void owners_sweep(struct owners *o, uint64_t owner, table_see_fn see, void *arg)
{
	unsigned rounds;

	/* The set that was asked may have been cleared meanwhile. */
	do {
		rounds = atomic_load(&o->rounds);
		for (size_t r = 0; (r = region_next(o, owner, r)) < o->regions; r++)
			sweep_region(o, r, see, arg);
	} while (atomic_load(&o->rounds) != rounds);
}

/* ---- filters made anew ---- */

struct renewing {
	struct owners *owners;
	size_t region;
	unsigned set; /* that is being made */
	table_see_fn see;
	void *arg;
};

static bool renote(const struct cell *c, void *arg)
{
	struct renewing *r = arg;
	uint64_t owner;

	if (r->see && r->see(c, r->arg))
		return true;
	if (r->owners->of(c, &owner))
		note(r->owners, owner, r->region, 1u << r->set);
	return false;
}

static void begin(struct owners *o, unsigned set)
{
	const size_t words = o->bytes / sizeof(o->words[0]);

	atomic_fetch_add(&o->rounds, 1);
	for (size_t w = set; w < words; w += 2) {
		/* What was never written costs no memory. */
		if (atomic_load_explicit(&o->words[w], memory_order_relaxed))
			atomic_exchange(&o->words[w], 0);
	}
}

void owners_renew(struct owners *o, size_t steps, table_see_fn see, void *arg)
{
	struct renewing r = {.owners = o, .set = !atomic_load(&o->used), .see = see, .arg = arg};
	size_t end = o->next + o->regions / steps + 1;

	if (!o->next)
		begin(o, r.set);
	for (; o->next < end && o->next < o->regions; o->next++) {
		r.region = o->next;
		sweep_region(o, o->next, renote, &r);
	}
	if (o->next < o->regions)
		return;
	atomic_store(&o->used, r.set);
	o->next = 0;
}

int owners_new(struct table *t, owners_of_fn of, struct owners **ret)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->table = t;
	o->of = of;
	o->regions = table_buckets(t) / REGION + 1;
	o->row = (o->regions + WORD - 1) / WORD;
	o->bytes = ROWS * o->row * 2 * sizeof(o->words[0]);
	o->words = mmap(NULL, o->bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (o->words == MAP_FAILED) {
		free(o);
		return -ENOMEM;
	}
	table_watch(t, on_placed, o);
	*ret = o;
	return 0;
}

void owners_free(struct owners **o)
{
	if (*o) {
		table_watch((*o)->table, NULL, NULL);
		munmap((void *)(*o)->words, (*o)->bytes);
		free(*o);
	}
	*o = NULL;
}
