// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/ends.h"
#include "selftests/unit/random.h"

#define MANY 5000

static struct prefix numbered(uint32_t n)
{
	struct prefix p = {.len = 128};

	p.addr.b[0] = 0x20;
	p.addr.b[14] = (uint8_t)(n >> 8);
	p.addr.b[15] = (uint8_t)n;
	return p;
}

static uint32_t number(const struct prefix *p)
{
	return (uint32_t)p->addr.b[14] << 8 | p->addr.b[15];
}

static void none_comes_before_its_time(void **state)
{
	const struct prefix one = numbered(1), two = numbered(2);
	struct ends e = {0};
	struct prefix got;

	(void)state;
	assert_false(ends_take(&e, UINT32_MAX, &got));
	assert_int_equal(ends_grow(&e), 0);
	ends_add(&e, &two, 200);
	ends_add(&e, &one, 100);
	assert_false(ends_take(&e, 99, &got));
	assert_true(ends_take(&e, 100, &got));
	assert_int_equal(number(&got), 1);
	assert_false(ends_take(&e, 199, &got));
	assert_true(ends_take(&e, 1000, &got));
	assert_int_equal(number(&got), 2);
	assert_false(ends_take(&e, UINT32_MAX, &got));
	ends_free(&e);
}

static void the_soonest_comes_first(void **state)
{
	static uint32_t at[MANY];
	uint64_t seed = 7;
	struct ends e = {0};
	uint32_t last = 0, taken = 0;
	struct prefix p;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		p = numbered(i);
		at[i] = 1 + (uint32_t)(random_next(&seed) % 1000);
		if (e.count == e.room)
			assert_int_equal(ends_grow(&e), 0);
		ends_add(&e, &p, at[i]);
	}
	assert_int_equal(e.missed, 0);
	for (uint32_t now = 0; now <= 1000; now += 10) {
		while (ends_take(&e, now, &p)) {
			assert_true(at[number(&p)] >= last && at[number(&p)] <= now);
			last = at[number(&p)];
			at[number(&p)] = 0; /* each once */
			taken++;
		}
	}
	assert_int_equal(taken, MANY);
	ends_free(&e);
}

static void what_finds_no_room_is_counted(void **state)
{
	const struct prefix p = numbered(1);
	struct ends e = {0};
	size_t room;

	(void)state;
	ends_add(&e, &p, 1);
	assert_int_equal(e.missed, 1);
	assert_int_equal(ends_grow(&e), 0);
	room = e.room;
	ends_clear(&e);
	assert_int_equal(e.missed, 0);
	for (size_t i = 0; i < room + 10; i++)
		ends_add(&e, &p, 1);
	assert_int_equal(e.missed, 10);
	assert_int_equal(ends_grow(&e), 0);
	assert_true(e.room >= room + 10);
	ends_free(&e);
	assert_null(e.heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_comes_before_its_time),
		cmocka_unit_test(the_soonest_comes_first),
		cmocka_unit_test(what_finds_no_room_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
