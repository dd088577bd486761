// SPDX-License-Identifier: GPL-2.0-or-later
/* For whom there is a connection to the mail server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "quota.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct config c;
static struct daemon d;
static struct worker w;
static struct session stranger, known = {.allowed = true};

static void begin(uint32_t connections, uint32_t reserve, int64_t in_use)
{
	memset(&d, 0, sizeof(d));
	c.upstream.connections = connections;
	c.upstream.reserve = reserve;
	atomic_store(&d.backends.value, in_use);
	w.daemon = &d;
	w.config = &c;
}

static void the_reserve_is_a_share(void **unused)
{
	static const struct {
		uint32_t connections, reserve, strangers;
	} rows[] = {
		{500, 20, 400},       {500, 0, 500},
		{500, 90, 50},        {1, 20, 1},
		{1, 90, 1},           {2, 50, 1},
		{3, 90, 1},           {7, 50, 4},
		{1000000, 1, 990000}, {1000000, 90, 100000},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(rows[i].connections, rows[i].reserve, 0);
		assert_int_equal(quota_strangers(&c), rows[i].strangers);
	}
}

static void strangers_leave_the_reserve_to_others(void **unused)
{
	(void)unused;
	begin(10, 30, 0);
	for (int i = 0; i < 7; i++)
		assert_true(quota_take(&w, &stranger));
	assert_false(quota_take(&w, &stranger));
	assert_int_equal(quota_short(&w), QUOTA_RESERVE);
	for (int i = 0; i < 3; i++)
		assert_true(quota_take(&w, &known));
	assert_false(quota_take(&w, &known));
	assert_int_equal(quota_short(&w), QUOTA_CONNECTIONS);
	assert_false(quota_take(&w, &stranger));
	/* What becomes free is the reserve first. */
	for (int i = 0; i < 3; i++) {
		quota_give(&w);
		assert_false(quota_take(&w, &stranger));
		assert_int_equal(quota_short(&w), QUOTA_RESERVE);
	}
	quota_give(&w);
	assert_true(quota_take(&w, &stranger));
	assert_int_equal(atomic_load(&d.backends.value), 7);
}

static void settings_count_from_the_next_one_on(void **unused)
{
	(void)unused;
	begin(10, 0, 10);
	assert_false(quota_take(&w, &stranger));
	c.upstream.reserve = 50;
	for (int used = 10; used > 5; used--)
		quota_give(&w);
	assert_false(quota_take(&w, &stranger));
	c.upstream.reserve = 40;
	assert_true(quota_take(&w, &stranger));
}

static void a_kept_connection_is_none_of_the_reserve(void **unused)
{
	static const struct {
		int64_t in_use;
		bool strangers_reuse, kept;
	} rows[] = {{1, true, true}, {7, true, true}, {8, false, false}, {10, false, false}};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(10, 30, rows[i].in_use);
		assert_int_equal(quota_reuses(&w, &stranger), rows[i].strangers_reuse);
		assert_true(quota_reuses(&w, &known));
		assert_int_equal(quota_spares(&w), rows[i].kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reserve_is_a_share),
		cmocka_unit_test(strangers_leave_the_reserve_to_others),
		cmocka_unit_test(settings_count_from_the_next_one_on),
		cmocka_unit_test(a_kept_connection_is_none_of_the_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
