/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A concurrent hash table of 32-byte cells, sized once.
 *
 * Buckets of 256 bytes hold seven cells behind a sequence word and seven one-byte fingerprints; a
 * key may stand in either of two buckets, both derived from its 64-bit tag. Readers copy a cell and
 * check the sequence afterwards: they never write, and look again only when a writer was storing
 * cells into that very bucket. A writer holds its two buckets with a compare-and-swap on their
 * sequence words for some tens of nanoseconds; there is no other lock and no allocation after
 * table_new.
 *
 * Tags come from a keyed hash of the real key, so that nobody outside can aim at a bucket. Tag 0 is
 * reserved: use table_tag_fix on a computed one. Memory is one anonymous mapping, touched as it
 * fills.
 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_CELL_DATA 24

struct cell {
	uint64_t tag;
	uint8_t data[TABLE_CELL_DATA];
};

struct table;

/* How good a victim a cell is when both buckets are full: the highest rank goes, 0 never goes.
 * Where they hold nothing but such, one of them moves to its other bucket in the place of a victim
 * there.
 */
typedef uint32_t (*table_rank_fn)(const struct cell *c, void *arg);

/* Room for at least `cells` cells at 85 % load: for so many that never go, whatever else there is.
 * rank NULL: nothing is ever evicted. -ENOMEM, -EINVAL (0 or more than 2^32 - 1 cells). */
int table_new(size_t cells, table_rank_fn rank, void *rank_arg, struct table **ret);
void table_free(struct table **t);

static inline uint64_t table_tag_fix(uint64_t tag)
{
	return tag ? tag : 1;
}

/* Copies the cell with this tag to *ret: true, or false and *ret untouched. Any thread. */
bool table_get(const struct table *t, uint64_t tag, struct cell *ret);

/* A table_get or table_edit of this tag is about to come: of several, memory answers all at once.
 */
void table_expect(const struct table *t, uint64_t tag);

/*
 * What an update does to a cell: `cell` is the current one or, when `found` is false, a zeroed one
 * with its tag set. Returning true stores it; false leaves the table as it was. Runs with the
 * bucket held: no calls out (none to this table either), no I/O.
 */
typedef bool (*table_edit_fn)(struct cell *cell, bool found, void *arg);

/* Runs edit once on the cell with this tag. 0: done; -ENOSPC: edit ran, but a new cell found no
 * room and no victim; 1: done, and *ret_victim (if not NULL) holds the cell that had to go. Any
 * thread.
 */
int table_edit(struct table *t, uint64_t tag, table_edit_fn edit, void *arg,
	       struct cell *ret_victim);

/* From now on called for each cell that has come to stand in a bucket, with what stood for its tag
 * there before; was NULL: nothing. As for an edit. NULL ends it; while nobody else uses the table.
 */
typedef void (*table_placed_fn)(const struct cell *c, const struct cell *was, size_t bucket,
				void *arg);
void table_watch(struct table *t, table_placed_fn placed, void *arg);

/* Removes the cell: true if it was there (copied to *ret_old unless NULL). Any thread. */
bool table_del(struct table *t, uint64_t tag, struct cell *ret_old);
/* Removes the cell if it still is exactly this one: true if so. Any thread. */
bool table_del_same(struct table *t, const struct cell *same);

/* Walks buckets [*cursor, *cursor + buckets), calling see on a copy of each cell; a true answer
 * removes that cell if it still is the same. Moves *cursor; returns false when the end was reached
 * and *cursor is 0 again. Any thread; a cell that moves meanwhile may be missed or seen twice,
 * never seen half. Nothing is held while see runs. A table of n cells has about n / 6 buckets.
 */
typedef bool (*table_see_fn)(const struct cell *c, void *arg);
bool table_sweep(struct table *t, size_t *cursor, size_t buckets, table_see_fn see, void *arg);

size_t table_count(const struct table *t);    /* cells in use, approximate while written */
size_t table_capacity(const struct table *t); /* cells it can hold at most */
size_t table_buckets(const struct table *t);  /* that a sweep walks */
/* For tests: 0 if every cell stands in one of its two buckets with its fingerprint, else -EFAULT.
 */
int table_validate(const struct table *t);

#endif
