// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/spread.h"
#include "selftests/unit/random.h"

static const uint8_t key[16] = "spread";

struct seen {
	struct spread_row rows[8];
	int count;
};

static void see(const struct spread_row *row, void *arg)
{
	struct seen *s = arg;

	s->rows[s->count++] = *row;
}

static uint32_t name(struct spread *s, const char *text)
{
	uint32_t n;

	assert_int_equal(spread_name(s, key, text, &n), 0);
	return n;
}

static void names_have_one_number_each(void **state)
{
	struct spread s = {.name_count = 0};
	char text[20];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "n%u", i);
			assert_int_equal(name(&s, text), i);
		}
	}
	assert_int_equal(name(&s, ""), 5000);
	spread_free(&s);
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The same as sorting all of them and taking the one at the rank. */
static void percentiles_are_exact(void **state)
{
	static const size_t counts[] = {1, 2, 3, 9, 10, 11, 99, 100, 101, 1000, 7777};
	uint32_t *all = malloc(7777 * sizeof(*all));
	uint64_t random = 1;

	(void)state;
	for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
		struct spread s = {.name_count = 0};
		struct seen seen = {.count = 0};
		size_t n = counts[k];
		const struct spread_row *r = &seen.rows[0];

		for (size_t i = 0; i < n; i++) {
			/* many twice, some at the far end */
			all[i] = (uint32_t)(random_next(&random) % (k % 2 ? 50 : SPREAD_NEVER));
			assert_int_equal(spread_add(&s, name(&s, "a"), all[i]), 0);
		}
		for (size_t i = 0; i < k; i++)
			assert_int_equal(spread_add(&s, name(&s, "a"), SPREAD_NEVER), 0);
		qsort(all, n, sizeof(*all), ascending);
		assert_int_equal(spread_each(&s, see, &seen), 0);
		assert_int_equal(seen.count, 1);
		assert_int_equal(r->mails, n + k);
		assert_int_equal(r->never, k);
		assert_int_equal(r->p50, all[(n * 50 + 99) / 100 - 1]);
		assert_int_equal(r->p90, all[(n * 90 + 99) / 100 - 1]);
		assert_int_equal(r->p99, all[(n * 99 + 99) / 100 - 1]);
		assert_int_equal(r->max, all[n - 1]);
		spread_free(&s);
	}
	free(all);
}

static void most_mails_come_first(void **state)
{
	struct spread s = {.name_count = 0};
	struct seen seen = {.count = 0};
	uint32_t two = name(&s, "two"), one = name(&s, "one"), also = name(&s, "also");

	(void)state;
	name(&s, "named but never used");
	spread_add(&s, one, SPREAD_NEVER);
	spread_add(&s, two, 0);
	spread_add(&s, also, 5);
	spread_add(&s, two, 9);
	assert_int_equal(spread_each(&s, see, &seen), 0);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.rows[0].name, "two");
	assert_int_equal(seen.rows[0].p50, 0);
	assert_int_equal(seen.rows[0].max, 9);
	assert_string_equal(seen.rows[1].name, "also");
	assert_string_equal(seen.rows[2].name, "one");
	assert_int_equal(seen.rows[2].never, 1);
	assert_int_equal(seen.rows[2].max, 0);
	/* asked again, and of other mails of the same names */
	seen.count = 0;
	assert_int_equal(spread_each(&s, see, &seen), 0);
	assert_int_equal(seen.rows[0].max, 9);
	spread_clear(&s);
	seen.count = 0;
	assert_int_equal(spread_each(&s, see, &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(name(&s, "two"), two);
	spread_add(&s, two, 7);
	assert_int_equal(spread_each(&s, see, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.rows[0].p50, 7);
	spread_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_number_each),
		cmocka_unit_test(percentiles_are_exact),
		cmocka_unit_test(most_mails_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
