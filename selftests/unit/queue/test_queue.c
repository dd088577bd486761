// SPDX-License-Identifier: GPL-2.0-or-later
/* What another process hands in: it counts where nothing newer is known here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon.h"

#define TAG 42
#define NOW 1700000000u

/* Without a store: only what is in memory is looked at. */
static struct daemon *daemon_new(void)
{
	static struct daemon d;

	memset(&d, 0, sizeof(d));
	pthread_mutex_init(&d.verdict_lock, NULL);
	assert_int_equal(table_new(100, NULL, NULL, &d.records), 0);
	return &d;
}

static struct store_item item(enum record_state state, uint32_t last, uint16_t passed,
			      uint16_t attempts)
{
	return (struct store_item){.kind = STORE_RECORD,
				   .rec = {.tag = TAG,
					   .state = (uint8_t)state,
					   .first = NOW,
					   .last = last,
					   .passed = passed,
					   .attempts = attempts}};
}

static struct record known(const struct daemon *d)
{
	struct cell cell;

	assert_true(table_get(d->records, TAG, &cell));
	return record_of(&cell);
}

static void the_newer_record_stands(void **state)
{
	const struct {
		struct store_item have, come;
		bool taken;
	} rows[] = {
		{item(RECORD_GREY, NOW, 0, 1), item(RECORD_GREY, NOW, 0, 1), false},
		{item(RECORD_GREY, NOW, 0, 1), item(RECORD_GREY, NOW + 1, 0, 2), true},
		{item(RECORD_GREY, NOW + 1, 0, 2), item(RECORD_GREY, NOW, 0, 1), false},
		{item(RECORD_GREY, NOW, 0, 1), item(RECORD_GREY, NOW, 0, 2), true},
		{item(RECORD_GREY, NOW, 0, 2), item(RECORD_GREY, NOW, 0, 1), false},
		{item(RECORD_GREY, NOW + 9, 0, 3), item(RECORD_PASSED, NOW, 1, 2), true},
		{item(RECORD_PASSED, NOW, 1, 2), item(RECORD_GREY, NOW + 9, 0, 3), false},
		{item(RECORD_PASSED, NOW, 1, 2), item(RECORD_PASSED, NOW, 2, 2), true},
		{item(RECORD_PASSED, NOW, 2, 2), item(RECORD_PASSED, NOW, 1, 2), false},
		{item(RECORD_SOURCE, NOW, 3, 0), item(RECORD_SOURCE, NOW + 5, 4, 0), true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct store_item *stands = rows[i].taken ? &rows[i].come : &rows[i].have;
		struct daemon *d = daemon_new();
		struct record r;

		assert_true(daemon_record_take(d, &rows[i].have)); /* nothing was known */
		if (daemon_record_take(d, &rows[i].come) != rows[i].taken)
			fail_msg("row %zu", i);
		r = known(d);
		assert_memory_equal(&r, &stands->rec, sizeof(r));
		table_free(&d->records);
	}
}

static void without_a_store_nothing_waits(void **state)
{
	struct daemon *d = daemon_new();
	const struct store_item one = item(RECORD_GREY, NOW, 0, 1);

	(void)state;
	assert_null(daemon_store_slot(d));
	daemon_store_again(d, &one);
	daemon_settle(d);
	table_free(&d->records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newer_record_stands),
		cmocka_unit_test(without_a_store_nothing_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
