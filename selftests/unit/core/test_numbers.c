// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/numbers.h"
#include "selftests/unit/random.h"

#define KEYS 3000

/* Against an array: random additions and deletions, among keys that crowd in few places. */
static void it_finds_what_is_there(void **state)
{
	static uint32_t value[KEYS];
	static int there[KEYS];
	struct numbers x = {0};
	uint64_t rnd = 2;
	size_t count = 0;

	(void)state;
	assert_null(numbers_find(&x, 1));
	assert_false(numbers_del(&x, 1));
	for (int round = 0; round < 200000; round++) {
		uint32_t k = random_below(&rnd, KEYS);
		uint64_t key = 1 + (uint64_t)(k % 7) + ((uint64_t)k << 32);

		if (!there[k] && random_below(&rnd, 2)) {
			value[k] = (uint32_t)random_next(&rnd);
			assert_int_equal(numbers_add(&x, key, value[k]), 0);
			there[k] = 1;
			count++;
		} else if (random_below(&rnd, 3) == 0) {
			assert_int_equal(numbers_del(&x, key), there[k]);
			count -= (size_t)there[k];
			there[k] = 0;
		}
		assert_int_equal(x.used, count);
		k = random_below(&rnd, KEYS);
		key = 1 + (uint64_t)(k % 7) + ((uint64_t)k << 32);
		assert_int_equal(numbers_find(&x, key) != NULL, there[k]);
		if (there[k])
			assert_int_equal(*numbers_find(&x, key), value[k]);
	}
	numbers_free(&x);
	assert_int_equal(x.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_finds_what_is_there)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
