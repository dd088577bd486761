// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/store/shelf.h"

/* More than a few pages, and an exact number of them (127, 128, 129 rows each). */
static const size_t counts[] = {0, 1, 127, 128, 129, 256, 1000};

static size_t walk_count(struct store *s, enum store_kind kind, enum record_state state)
{
	struct seen seen = {0};

	assert_int_equal(ops_of(s)->walk(s, kind, state, see_item, &seen), 0);
	for (size_t i = 0; i < seen.count; i++) {
		assert_int_equal(seen.items[i].kind, kind);
		if (state != RECORD_NONE)
			assert_int_equal(seen.items[i].rec.state, state);
		for (size_t j = 0; j < i && kind == STORE_RECORD; j++)
			assert_int_not_equal(seen.items[i].rec.tag, seen.items[j].rec.tag);
	}
	free(seen.items);
	return seen.count;
}

static void put_many(struct store *s, enum record_state state, uint64_t from, size_t n)
{
	static struct store_item items[1000];
	const struct store_item *group[1000];

	for (size_t i = 0; i < n; i++) {
		items[i] = item_record(state, from + i, NOW + (uint32_t)i % 3, "192.0.2.1");
		group[i] = &items[i];
	}
	assert_int_equal(ops_of(s)->apply(s, group, n), 0);
}

static void a_walk_sees_each_row_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct store *s = shelf_open();
		struct store_item item;

		put_many(s, RECORD_GREY, 1, counts[i]);
		put_many(s, RECORD_PASSED, 10001, counts[i] / 2);
		put_many(s, RECORD_SOURCE, 20001, counts[i] / 3);
		for (unsigned int v = 0; v < 5; v++) {
			item = item_verdict("192.0.2.1", 0);
			item.prefix.addr.b[15] = (uint8_t)v;
			assert_int_equal(apply_one(s, &item), 0);
			item = item_trap(30000 + v, "a@x");
			assert_int_equal(apply_one(s, &item), 0);
		}
		assert_int_equal(walk_count(s, STORE_RECORD, RECORD_GREY), counts[i]);
		assert_int_equal(walk_count(s, STORE_RECORD, RECORD_PASSED), counts[i] / 2);
		assert_int_equal(walk_count(s, STORE_RECORD, RECORD_SOURCE), counts[i] / 3);
		assert_int_equal(walk_count(s, STORE_RECORD, RECORD_NONE),
				 counts[i] + counts[i] / 2 + counts[i] / 3);
		assert_int_equal(walk_count(s, STORE_VERDICT, RECORD_NONE), 5);
		assert_int_equal(walk_count(s, STORE_TRAP, RECORD_NONE), 5);
		shelf_close(&s);
		shelf_names("", true);
	}
}

static bool stop_at(const struct store_item *item, void *arg)
{
	(void)item;
	return --*(int *)arg > 0;
}

static void a_walk_stops_when_told(void **state)
{
	struct store *s = shelf_open();

	(void)state;
	put_many(s, RECORD_GREY, 1, 300);
	put_many(s, RECORD_PASSED, 1001, 300);
	for (int want = 1; want < 600; want += 37) {
		int left = want;

		assert_int_equal(ops_of(s)->walk(s, STORE_RECORD, RECORD_NONE, stop_at, &left), 0);
		assert_int_equal(left, 0);
	}
	shelf_close(&s);
}

struct meddler {
	struct store *s;
	uint64_t seen;
	uint64_t last_tag;
	bool grow;
};

/* Rows come in key order, so while one half is read the other can be taken away. */
static bool see_and_write(const struct store_item *item, void *arg)
{
	struct meddler *m = arg;
	struct store_item other;

	assert_true(item->rec.tag > m->last_tag);
	m->last_tag = item->rec.tag;
	m->seen++;
	if (m->grow && m->seen == 1) {
		put_many(m->s, RECORD_GREY, 1, 1000);
		for (uint64_t i = 0; i < 30; i++)
			put_many(m->s, RECORD_SOURCE, 100000 + i * 1000, 1000);
	}
	if (!m->grow && m->seen == 1)
		for (uint64_t t = 501; t <= 1000; t++) {
			other = item_record(RECORD_PASSED, t, NOW, "192.0.2.1");
			assert_int_equal(apply_del(m->s, &other), 0);
		}
	return true;
}

/* See is called outside of any transaction: the writer may commit, and the map grow, meanwhile. */
static void a_walk_lets_the_writer_write(void **state)
{
	struct store *s = shelf_open();
	struct meddler m = {.s = s, .grow = true};
	struct store_stats st;

	(void)state;
	put_many(s, RECORD_PASSED, 1, 1000);
	assert_int_equal(ops_of(s)->walk(s, STORE_RECORD, RECORD_PASSED, see_and_write, &m), 0);
	assert_int_equal(m.seen, 1000);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_true(st.grown > 0);
	m = (struct meddler){.s = s};
	assert_int_equal(ops_of(s)->walk(s, STORE_RECORD, RECORD_PASSED, see_and_write, &m), 0);
	assert_int_equal(m.seen, 500);
	shelf_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_walk_sees_each_row_once),
		TEST(a_walk_stops_when_told),
		TEST(a_walk_lets_the_writer_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
