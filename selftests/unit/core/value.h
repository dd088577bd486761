/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both tests of the table put into its cells. Included after table.c. */
#ifndef UNIT_CORE_VALUE_H
#define UNIT_CORE_VALUE_H

#include "selftests/unit/random.h"

struct value {
	uint64_t n[3];
};
_Static_assert(sizeof(struct value) == TABLE_CELL_DATA, "fills a cell");

static inline struct value value_of(const struct cell *c)
{
	struct value v;

	memcpy(&v, c->data, sizeof(v));
	return v;
}

/* Three words that belong together, so that a torn cell shows. */
static inline void value_set(struct cell *c, uint64_t n)
{
	struct value v = {{n, n ^ c->tag, ~n}};

	memcpy(c->data, &v, sizeof(v));
}

static inline bool value_whole(const struct cell *c)
{
	struct value v = value_of(c);

	return v.n[1] == (v.n[0] ^ c->tag) && v.n[2] == ~v.n[0];
}

/* Sets the value to *arg. */
static inline bool edit_set(struct cell *c, bool found, void *arg)
{
	(void)found;
	value_set(c, *(const uint64_t *)arg);
	return true;
}

static inline int set(struct table *t, uint64_t tag, uint64_t n)
{
	return table_edit(t, tag, edit_set, &n, NULL);
}

static inline uint64_t random_tag(uint64_t *rnd)
{
	return table_tag_fix(random_next(rnd));
}

static inline size_t sweep_all(struct table *t, size_t step, table_see_fn see, void *arg)
{
	size_t cursor = 0, calls = 1;

	while (table_sweep(t, &cursor, step, see, arg))
		calls++;
	assert_int_equal(cursor, 0);
	return calls;
}

#endif
