// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/trail.h"

static void sizes(void **state)
{
	static const struct {
		size_t entries, size;
	} bad[] = {{0, 8},
		   {3, 8},
		   {6, 8},
		   {8, 0},
		   {8, 4},
		   {8, 12},
		   {8, SIZE_MAX & ~(size_t)7},
		   {SIZE_MAX, 8},
		   {(SIZE_MAX >> 1) + 1, 8}};
	struct trail *t = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(trail_new(bad[i].entries, bad[i].size, &t), -EINVAL);
	assert_null(t);
	trail_free(&t);
	assert_int_equal(trail_new(1, 8, &t), 0);
	trail_free(&t);
	assert_null(t);
}

static void an_entry_has_its_number_until_the_ring_comes_round(void **state)
{
	uint64_t entry[3], got[3];
	struct trail *t;

	(void)state;
	assert_int_equal(trail_new(4, sizeof(entry), &t), 0);
	assert_int_equal(trail_newest(t), 0);
	assert_false(trail_get(t, 0, got));
	assert_false(trail_get(t, 1, got));
	for (uint64_t n = 1; n <= 11; n++) {
		for (int i = 0; i < 3; i++)
			entry[i] = n * 10 + (uint64_t)i;
		assert_int_equal(trail_add(t, entry), n);
		assert_int_equal(trail_newest(t), n);
		for (uint64_t old = 1; old <= n + 1; old++) {
			bool there = old <= n && old + 4 > n;

			assert_int_equal(trail_get(t, old, got), there);
			if (there)
				assert_int_equal(got[2], old * 10 + 2);
		}
	}
	trail_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(an_entry_has_its_number_until_the_ring_comes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
