// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "store/backlog.h"

static struct store_item item_of(enum store_kind kind, enum record_state state, uint64_t tag)
{
	return (struct store_item){.kind = (uint8_t)kind, .rec = {.tag = tag, .state = state}};
}

static size_t fill(struct backlog *b, enum store_kind kind, enum record_state state)
{
	struct store_item item;
	size_t n = 0;

	do
		item = item_of(kind, state, n + 1);
	while (!backlog_add(b, &item) && ++n);
	assert_int_equal(backlog_add(b, &item), -ENOBUFS);
	return n;
}

static void an_empty_one_holds_nothing(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	backlog_drop(&b, 0);
	assert_int_equal(b.count, 0);
	backlog_free(&b);
}

/* In and out in turns of all sizes, so that the places are moved and grown again and again. */
static void the_order_stays(void **state)
{
	uint64_t in = 0, out = 0;
	struct store_item item;
	struct backlog b;

	(void)state;
	backlog_init(&b);
	for (size_t round = 1; round < 200; round++) {
		for (size_t i = 0; i < round * 7 % 997; i++) {
			item = item_of(STORE_RECORD, RECORD_PASSED, ++in);
			assert_int_equal(backlog_add(&b, &item), 0);
		}
		for (size_t i = 0; i < b.count; i++)
			assert_int_equal(backlog_at(&b, i)->rec.tag, out + 1 + i);
		out += round % 3 ? b.count / 2 : b.count;
		backlog_drop(&b, round % 3 ? b.count / 2 : b.count);
		assert_int_equal(b.count, in - out);
		if (!b.count)
			assert_null(b.items);
	}
	backlog_free(&b);
}

static void what_people_said_finds_room_last(void **state)
{
	struct store_item notice = item_of(STORE_RECORD, RECORD_GREY, 7), gone = notice;
	struct backlog b;

	(void)state;
	notice.notice = true;
	gone.del = true;
	backlog_init(&b);
	assert_int_equal(fill(&b, STORE_RECORD, RECORD_GREY), BACKLOG_ITEMS / 4);
	assert_int_equal(backlog_add(&b, &notice), 0);
	assert_int_equal(backlog_add(&b, &gone), 0);
	assert_int_equal(fill(&b, STORE_RECORD, RECORD_PASSED), BACKLOG_ITEMS / 2 - 2);
	assert_int_equal(fill(&b, STORE_TRAP, RECORD_TRAP), BACKLOG_ITEMS / 4);
	assert_int_equal(b.count, BACKLOG_ITEMS);
	backlog_drop(&b, BACKLOG_ITEMS);
	assert_int_equal(fill(&b, STORE_VERDICT, RECORD_NONE), BACKLOG_ITEMS);
	backlog_free(&b);
}

static bool see_two(const struct store_item *item, void *arg)
{
	uint64_t *tags = arg;

	tags[++tags[0]] = item->rec.tag;
	return tags[0] < 2;
}

static void one_kind_is_seen_until_enough(void **state)
{
	uint64_t tags[3] = {0};
	struct store_item item;
	struct backlog b;

	(void)state;
	backlog_init(&b);
	for (uint64_t i = 1; i <= 8; i++) {
		item = item_of(i % 2 ? STORE_TRAP : STORE_VERDICT, RECORD_NONE, i);
		assert_int_equal(backlog_add(&b, &item), 0);
	}
	backlog_drop(&b, 1);
	backlog_each(&b, STORE_TRAP, see_two, tags);
	assert_int_equal(tags[0], 2);
	assert_int_equal(tags[1], 3);
	assert_int_equal(tags[2], 5);
	backlog_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_holds_nothing),
		cmocka_unit_test(the_order_stays),
		cmocka_unit_test(what_people_said_finds_room_last),
		cmocka_unit_test(one_kind_is_seen_until_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
