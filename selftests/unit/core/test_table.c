// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/table.c"
#include "selftests/unit/core/value.h"

static uint32_t rank_by_value(const struct cell *c, void *arg)
{
	(void)arg;
	return (uint32_t)value_of(c).n[0];
}

static bool see_count(const struct cell *c, void *arg)
{
	assert_true(value_whole(c));
	++*(size_t *)arg;
	return false;
}

static bool see_never(const struct cell *c, void *arg)
{
	*(size_t *)arg += !value_of(c).n[0];
	return false;
}

static void impossible_sizes_are_refused(void **state)
{
	struct table *t = NULL;

	(void)state;
	assert_int_equal(table_new(0, NULL, NULL, &t), -EINVAL);
	assert_int_equal(table_new(SIZE_MAX, NULL, NULL, &t), -EINVAL);
	assert_null(t);
	table_free(&t);
	assert_int_equal(table_tag_fix(0), 1);
	assert_int_equal(table_tag_fix(7), 7);
}

static void the_promised_number_of_cells_fits(void **state)
{
	static const size_t sizes[] = {1, 2, 7, 50, 100, 1000, 3333, 100000};
	uint64_t rnd = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct table *t;
		size_t seen = 0;

		assert_int_equal(table_new(sizes[i], NULL, NULL, &t), 0);
		assert_true(table_capacity(t) >= sizes[i]);
		for (size_t n = 0; n < sizes[i]; n++)
			assert_int_equal(set(t, random_tag(&rnd), n), 0);
		assert_int_equal(table_count(t), sizes[i]);
		assert_int_equal(table_validate(t), 0);
		sweep_all(t, 3, see_count, &seen);
		assert_int_equal(seen, sizes[i]);
		table_free(&t);
		assert_null(t);
	}
}

/* Tags that count up, or differ in their upper bits only, spread as well as random ones. */
static void poor_tags_still_spread(void **state)
{
	(void)state;
	for (int shift = 0; shift < 50; shift += 7) {
		struct table *t;

		assert_int_equal(table_new(10000, NULL, NULL, &t), 0);
		for (uint64_t n = 1; n <= 10000; n++)
			assert_int_equal(set(t, n << shift, n), 0);
		assert_int_equal(table_validate(t), 0);
		table_free(&t);
	}
}

static bool edit_refuse(struct cell *c, bool found, void *arg)
{
	*(bool *)arg = found;
	value_set(c, 99);
	return false;
}

static bool edit_look(struct cell *c, bool found, void *arg)
{
	static const uint8_t zero[TABLE_CELL_DATA];
	uint64_t tag = *(const uint64_t *)arg;

	assert_true(c->tag == tag);
	if (!found)
		assert_memory_equal(c->data, zero, sizeof(zero));
	value_set(c, 5);
	c->tag = 12345; /* not the edit's to change */
	return true;
}

static void an_edit_stores_only_what_it_says(void **state)
{
	struct cell c = {.tag = 1}, before = c;
	uint64_t tag = 77;
	struct table *t;
	bool found = true;

	(void)state;
	assert_int_equal(table_new(100, NULL, NULL, &t), 0);
	assert_false(table_get(t, tag, &c));
	assert_memory_equal(&c, &before, sizeof(c));
	assert_int_equal(table_edit(t, tag, edit_refuse, &found, NULL), 0);
	assert_false(found);
	assert_int_equal(table_count(t), 0);
	assert_int_equal(table_edit(t, tag, edit_look, &tag, NULL), 0);
	assert_int_equal(table_edit(t, tag, edit_look, &tag, NULL), 0);
	assert_int_equal(table_count(t), 1);
	assert_false(table_get(t, 12345, &c));
	assert_int_equal(table_edit(t, tag, edit_refuse, &found, NULL), 0);
	assert_true(found);
	assert_true(table_get(t, tag, &c));
	assert_true(value_of(&c).n[0] == 5);

	assert_false(table_del(t, 78, &before));
	assert_int_equal(before.tag, 1);
	assert_true(table_del(t, tag, &before));
	assert_memory_equal(&before, &c, sizeof(c));
	assert_false(table_del(t, tag, NULL));
	assert_false(table_get(t, tag, &c));
	assert_int_equal(table_count(t), 0);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

#define UNIVERSE 3000

static bool see_odd(const struct cell *c, void *arg)
{
	(void)arg;
	return value_of(c).n[0] & 1;
}

static void random_work_agrees_with_a_plain_array(void **state)
{
	static uint64_t tags[UNIVERSE], values[UNIVERSE]; /* value 0: absent */
	uint64_t rnd = 7;
	struct table *t;
	size_t live = 0;

	(void)state;
	assert_int_equal(table_new(UNIVERSE, NULL, NULL, &t), 0);
	for (int i = 0; i < UNIVERSE; i++)
		tags[i] = random_tag(&rnd);
	memset(values, 0, sizeof(values));
	for (int step = 0; step < 600000; step++) {
		uint32_t i = random_below(&rnd, UNIVERSE), op = random_below(&rnd, 100);
		uint64_t n = 1 + random_below(&rnd, 1000000);
		struct cell c;

		if (op < 50) {
			assert_int_equal(table_get(t, tags[i], &c), values[i] != 0);
			assert_true(!values[i] || value_of(&c).n[0] == values[i]);
		} else if (op < 80) {
			assert_int_equal(set(t, tags[i], n), 0);
			live += !values[i];
			values[i] = n;
		} else {
			assert_int_equal(table_del(t, tags[i], &c), values[i] != 0);
			assert_true(!values[i] || value_of(&c).n[0] == values[i]);
			live -= values[i] != 0;
			values[i] = 0;
		}
		if (step % 100000 == 50000) {
			sweep_all(t, 17, see_odd, NULL);
			for (int k = 0; k < UNIVERSE; k++) {
				if (values[k] & 1) {
					values[k] = 0;
					live--;
				}
			}
		}
		assert_int_equal(table_count(t), live);
	}
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

static void a_sweep_is_bounded_and_removes_what_it_is_told(void **state)
{
	size_t cursor = 0, seen = 0, left = 0, buckets, before;
	uint64_t rnd = 3;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(5000, NULL, NULL, &t), 0);
	for (uint64_t n = 1; n <= 5000; n++)
		assert_int_equal(set(t, random_tag(&rnd), n), 0);
	buckets = table_capacity(t) / CELLS;

	assert_true(table_sweep(t, &cursor, 10, see_count, &seen));
	assert_int_equal(cursor, 10);
	assert_true(seen <= 10 * CELLS);
	before = seen;
	assert_true(table_sweep(t, &cursor, 0, see_count, &seen));
	assert_int_equal(seen, before);
	assert_false(table_sweep(t, &cursor, SIZE_MAX, see_count, &seen));
	assert_int_equal(cursor, 0);
	assert_int_equal(seen, 5000);
	assert_int_equal(sweep_all(t, 1, see_odd, NULL), buckets);
	sweep_all(t, 100, see_count, &left);
	assert_int_equal(left, 2500);
	assert_int_equal(table_count(t), 2500);
	assert_int_equal(table_validate(t), 0);
	/* A stale cursor beyond the end ends the walk. */
	cursor = buckets;
	assert_false(table_sweep(t, &cursor, 5, see_count, &left));
	table_free(&t);
}

/* Says "remove" of a cell that somebody renews in the same moment. */
static bool see_renewed(const struct cell *c, void *arg)
{
	struct table *t = arg;

	assert_int_equal(set(t, c->tag, 2), 0);
	return true;
}

static void a_sweep_leaves_a_cell_that_changed_since_it_was_seen(void **state)
{
	struct table *t;
	struct cell c;

	(void)state;
	assert_int_equal(table_new(10, NULL, NULL, &t), 0);
	assert_int_equal(set(t, 42, 1), 0);
	sweep_all(t, 100, see_renewed, t);
	assert_true(table_get(t, 42, &c));
	assert_true(value_of(&c).n[0] == 2);
	/* Seen with value 2 and "renewed" to the same: that is the cell that was meant. */
	sweep_all(t, 100, see_renewed, t);
	assert_false(table_get(t, 42, &c));
	table_free(&t);
}

static void a_full_table_without_ranks_says_so(void **state)
{
	uint64_t rnd = 5, tag = 0, n = 0;
	struct table *t;
	struct cell c;
	int rc = 0;

	(void)state;
	assert_int_equal(table_new(1000, NULL, NULL, &t), 0);
	while (rc == 0) {
		tag = random_tag(&rnd);
		rc = set(t, tag, ++n);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(table_count(t), n - 1);
	assert_false(table_get(t, tag, &c));
	/* One-step moves carry it well beyond its promise. */
	assert_true(n >= 1000);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

/* Both buckets of `tag`, cell by cell. */
static int neighbours(const struct table *t, uint64_t tag, struct cell ret[2 * CELLS])
{
	struct place p = place_of(t, tag);
	int n = bucket_copy(p.b[0], ret);

	return n + bucket_copy(p.b[1], ret + n);
}

static void the_highest_rank_goes_and_zero_stays(void **state)
{
	uint64_t rnd = 11, evicted = 0, afar = 0, refused = 0;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(300, rank_by_value, NULL, &t), 0);
	for (int step = 0; step < 20000; step++) {
		struct cell around[2 * CELLS], victim = {0}, c;
		uint64_t tag = random_tag(&rnd), highest = 0;
		/* Later on ever more cells that never go. */
		uint64_t n = random_below(&rnd, 20000) < (uint32_t)step
				     ? 0
				     : 1 + random_below(&rnd, 1000);
		int have = neighbours(t, tag, around);
		int rc = table_edit(t, tag, edit_set, &n, &victim);

		for (int i = 0; i < have; i++)
			if (value_of(&around[i]).n[0] > highest)
				highest = value_of(&around[i]).n[0];
		if (rc == 1) {
			assert_int_equal(have, 2 * CELLS);
			assert_true(value_whole(&victim));
			assert_true(value_of(&victim).n[0] > 0);
			if (highest)
				assert_true(value_of(&victim).n[0] == highest);
			assert_false(table_get(t, victim.tag, &c));
			assert_int_equal(table_validate(t), 0);
			evicted++;
			afar += !highest;
		} else if (rc == -ENOSPC) {
			assert_int_equal(have, 2 * CELLS);
			assert_true(highest == 0);
			assert_int_equal(victim.tag, 0);
			refused++;
		} else {
			assert_int_equal(rc, 0);
			assert_int_equal(victim.tag, 0);
		}
		assert_int_equal(table_get(t, tag, &c), rc >= 0);
	}
	assert_true(evicted > 1000 && afar > 0 && refused > 100);
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

static void what_never_goes_finds_the_promised_room_among_what_goes(void **state)
{
	static const size_t sizes[] = {50, 300, 2200, 20000};
	uint64_t rnd = 5, never = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct table *t;
		size_t kept = 0;

		assert_int_equal(table_new(sizes[i], rank_by_value, NULL, &t), 0);
		for (size_t n = 0; n < 2 * sizes[i]; n++) {
			uint64_t goes = 1 + random_below(&rnd, 1000);

			assert_true(table_edit(t, random_tag(&rnd), edit_set, &goes, NULL) >= 0);
		}
		for (size_t n = 0; n < sizes[i]; n++)
			assert_true(table_edit(t, random_tag(&rnd), edit_set, &never, NULL) >= 0);
		sweep_all(t, 3, see_never, &kept);
		assert_int_equal(kept, sizes[i]);
		assert_int_equal(table_validate(t), 0);
		table_free(&t);
	}
}

static void validate_finds_what_is_wrong(void **state)
{
	struct bucket saved, *b;
	struct place p;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(100, NULL, NULL, &t), 0);
	assert_int_equal(set(t, 42, 1), 0);
	p = place_of(t, 42);
	b = p.b[!atomic_load(&p.b[0]->prints)];
	memcpy(&saved, b, sizeof(saved));
	assert_int_equal(table_validate(t), 0);

	b->prints ^= 1; /* fingerprint */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	b->cell[0][0] = 43; /* a tag that belongs elsewhere */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	b->prints = 0; /* a cell nobody finds */
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	memcpy(p.b[b == p.b[0]], &saved, sizeof(saved)); /* twice */
	assert_int_equal(table_validate(t), -EFAULT);
	memset(p.b[b == p.b[0]], 0, sizeof(saved));
	b->state |= HELD;
	assert_int_equal(table_validate(t), -EFAULT);
	memcpy(b, &saved, sizeof(saved));
	t->count = 2;
	assert_int_equal(table_validate(t), -EFAULT);
	t->count = 1;
	assert_int_equal(table_validate(t), 0);
	table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(the_promised_number_of_cells_fits),
		cmocka_unit_test(poor_tags_still_spread),
		cmocka_unit_test(an_edit_stores_only_what_it_says),
		cmocka_unit_test(random_work_agrees_with_a_plain_array),
		cmocka_unit_test(a_sweep_is_bounded_and_removes_what_it_is_told),
		cmocka_unit_test(a_sweep_leaves_a_cell_that_changed_since_it_was_seen),
		cmocka_unit_test(a_full_table_without_ranks_says_so),
		cmocka_unit_test(the_highest_rank_goes_and_zero_stays),
		cmocka_unit_test(what_never_goes_finds_the_promised_room_among_what_goes),
		cmocka_unit_test(validate_finds_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
