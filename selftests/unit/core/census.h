/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both tests of verdicts make, and count when they have done. Included after verdicts.c. */
#ifndef UNIT_CORE_CENSUS_H
#define UNIT_CORE_CENSUS_H

static const uint8_t key[16] = "secret of a test";

static inline struct verdicts *some(size_t entries)
{
	struct verdicts *v = NULL;

	assert_int_equal(verdicts_new(entries, key, &v), 0);
	return v;
}

struct census {
	uint32_t count[2][HOST];
};

static inline bool see_length(const struct cell *c, void *arg)
{
	struct packed k = packed_of(c);
	struct census *census = arg;

	if (k.len < HOST)
		census->count[addr_is4(&k.addr)][k.len]++;
	return false;
}

/* The lengths said to be in use are those in use; then nothing is left of v. */
static inline void check_and_free(struct verdicts **v)
{
	struct census census = {0};
	size_t cursor = 0;

	while (table_sweep((*v)->table, &cursor, 100, see_length, &census))
		;
	for (int f = 0; f < 2; f++) {
		const struct lengths *l = &(*v)->lengths[f];

		assert_memory_equal(l->count, census.count[f], sizeof(l->count));
		for (int len = 0; len < HOST; len++)
			assert_int_equal(l->used[len / 64] >> len % 64 & 1, l->count[len] != 0);
	}
	assert_int_equal(table_validate((*v)->table), 0);
	verdicts_free(v);
	assert_null(*v);
}

static inline struct prefix prefix(const char *text)
{
	struct prefix p = {0};

	if (prefix_parse(text, &p))
		fail_msg("%s", text);
	return p;
}

#endif
