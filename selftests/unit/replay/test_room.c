// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "replay/internal.h"
#include "selftests/unit/random.h"

#define CELLS 400000

static bool note(struct cell *cell, bool found, void *arg)
{
	assert_false(found);
	memcpy(cell->data, arg, sizeof(uint32_t));
	return true;
}

/* Through all growths each cell stays what it was, and none has to go. */
static void nothing_is_lost_by_growing(void **state)
{
	struct table *t = NULL;
	size_t capacity, growths = 0;
	struct cell cell;
	uint64_t x = 77;

	(void)state;
	assert_int_equal(room_new(&t), 0);
	capacity = table_capacity(t);
	for (uint32_t i = 0; i < CELLS; i++) {
		assert_int_equal(room_grow(&t), 0);
		growths += table_capacity(t) != capacity;
		capacity = table_capacity(t);
		assert_int_equal(table_edit(t, random_next(&x) | 1, note, &i, NULL), 0);
	}
	assert_int_equal(growths, 2);
	assert_int_equal(table_count(t), CELLS);
	assert_int_equal(table_validate(t), 0);
	x = 77;
	for (uint32_t i = 0; i < CELLS; i++) {
		assert_true(table_get(t, random_next(&x) | 1, &cell));
		assert_memory_equal(cell.data, &i, sizeof(i));
	}
	table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_by_growing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
