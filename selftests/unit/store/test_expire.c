// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"

static size_t expire_all(struct store *s, uint32_t now, size_t max)
{
	size_t steps, total = 0;

	do {
		assert_int_equal(ops_of(s)->expire(s, now, max, &steps), 0);
		assert_true(steps <= max);
		total += steps;
	} while (steps == max);
	return total;
}

static uint64_t rows(struct store *s)
{
	struct store_stats st;

	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	return st.records[RECORD_GREY] + st.records[RECORD_PASSED] + st.records[RECORD_SOURCE] +
	       st.verdicts + st.traps;
}

static void rows_go_at_their_second(void **state)
{
	const struct {
		struct store_item item;
		uint32_t last_alive;
	} table[] = {
		{item_record(RECORD_GREY, 1, NOW, "192.0.2.1"), NOW + WINDOW},
		{item_record(RECORD_PASSED, 2, NOW, "192.0.2.1"), NOW + KEEP},
		{item_record(RECORD_SOURCE, 3, NOW, "2001:db8::1"), NOW + KEEP},
		{item_verdict("192.0.2.1", NOW + 50), NOW + 49},
		{item_verdict("2001:db8::/32", NOW + 50), NOW + 49},
	};
	struct store *s = shelf_open();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(apply_one(s, &table[i].item), 0);
		assert_int_equal(load_count(s, table[i].last_alive), 1);
		assert_int_equal(load_count(s, table[i].last_alive + 1), 0);
		assert_int_equal(expire_all(s, table[i].last_alive, 10), 0);
		assert_int_equal(rows(s), 1);
		assert_int_equal(expire_all(s, table[i].last_alive + 1, 10), 1);
		assert_int_equal(rows(s), 0);
	}
	shelf_close(&s);
}

static void some_rows_never_go(void **state)
{
	const struct store_item items[] = {item_verdict("192.0.2.1", 0), item_trap(1, "a@x")};
	struct store *s = shelf_open();

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(apply_one(s, &items[i]), 0);
	assert_int_equal(expire_all(s, UINT32_MAX, 10), 0);
	assert_int_equal(load_count(s, UINT32_MAX), 2);
	shelf_close(&s);
}

static void a_used_row_is_put_off(void **state)
{
	struct store *s = shelf_open();
	struct store_item a = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	struct store_stats st;

	(void)state;
	assert_int_equal(apply_one(s, &a), 0);
	for (uint32_t day = 1; day <= 100; day++) {
		struct store_item b = a;

		b.rec.last = NOW + day * DAY;
		assert_int_equal(replace(s, &a, &b), 0);
		a = b;
		/* looked at once in keep, not at every use */
		assert_int_equal(expire_all(s, a.rec.last, 10), day == 37 || day == 74);
		assert_int_equal(load_count(s, a.rec.last), 1);
	}
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.expired, 0);
	expire_all(s, a.rec.last + KEEP, 10);
	assert_int_equal(rows(s), 1);
	expire_all(s, a.rec.last + KEEP + 1, 10);
	assert_int_equal(rows(s), 0);
	shelf_close(&s);
}

static void a_verdict_follows_its_last_word(void **state)
{
	/* expires, in order of the puts; 0 is never */
	static const struct {
		uint32_t first, second;
	} table[] = {{100, 200}, {200, 100}, {0, 100}, {100, 0}, {100, 100}};
	struct store *s = shelf_open();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct store_item a =
			item_verdict("192.0.2.1", table[i].first ? NOW + table[i].first : 0);
		struct store_item b =
			item_verdict("192.0.2.1", table[i].second ? NOW + table[i].second : 0);

		assert_int_equal(apply_one(s, &a), 0);
		assert_int_equal(apply_one(s, &b), 0);
		if (table[i].second) {
			expire_all(s, NOW + table[i].second - 1, 10);
			assert_int_equal(rows(s), 1);
			expire_all(s, NOW + table[i].second, 10);
			assert_int_equal(rows(s), 0);
		} else {
			expire_all(s, UINT32_MAX, 10);
			assert_int_equal(rows(s), 1);
			assert_int_equal(apply_del(s, &b), 0);
		}
	}
	shelf_close(&s);
}

static void lifetimes_change_while_it_runs(void **state)
{
	struct store *s = shelf_open();
	struct store_item grey = item_record(RECORD_GREY, 1, NOW, "192.0.2.1");
	struct store_item passed = item_record(RECORD_PASSED, 2, NOW, "192.0.2.1");

	(void)state;
	assert_int_equal(apply_one(s, &grey), 0);
	assert_int_equal(apply_one(s, &passed), 0);
	ops_of(s)->lifetimes(s, 2 * WINDOW, 2 * KEEP);
	assert_int_equal(load_count(s, NOW + 2 * WINDOW), 2);
	expire_all(s, NOW + 2 * WINDOW, 10);
	assert_int_equal(rows(s), 2);
	expire_all(s, NOW + 2 * KEEP, 10);
	assert_int_equal(rows(s), 1);
	expire_all(s, NOW + 2 * KEEP + 1, 10);
	assert_int_equal(rows(s), 0);
	assert_int_equal(apply_one(s, &passed), 0);
	ops_of(s)->lifetimes(s, 10, 10);
	/* queued for later, but no longer shown */
	assert_int_equal(load_count(s, NOW + 11), 0);
	shelf_close(&s);
}

static void a_clock_set_back_removes_nothing(void **state)
{
	struct store *s = shelf_open();
	struct store_item a = item_record(RECORD_GREY, 1, NOW, "192.0.2.1");
	struct store_item b = item_record(RECORD_PASSED, 2, NOW, "192.0.2.1");

	(void)state;
	assert_int_equal(apply_one(s, &a), 0);
	assert_int_equal(apply_one(s, &b), 0);
	assert_int_equal(expire_all(s, NOW - 100 * DAY, 10), 0);
	assert_int_equal(expire_all(s, 0, 10), 0);
	assert_int_equal(load_count(s, NOW), 2);
	shelf_close(&s);
}

static void work_per_call_is_bounded(void **state)
{
	struct store *s = shelf_open();
	size_t steps = 0, calls = 0;
	struct store_item item;

	(void)state;
	for (uint64_t i = 0; i < 50; i++) {
		item = item_record(i % 2 ? RECORD_GREY : RECORD_PASSED, i + 1, NOW, "192.0.2.1");
		assert_int_equal(apply_one(s, &item), 0);
	}
	do {
		assert_int_equal(ops_of(s)->expire(s, NOW + 2 * KEEP, 7, &steps), 0);
		assert_int_equal(rows(s), 50 - (calls * 7 + steps));
		calls++;
	} while (steps == 7);
	assert_int_equal(calls, 8);
	assert_int_equal(ops_of(s)->expire(s, NOW + 2 * KEEP, 0, &steps), 0);
	assert_int_equal(steps, 0);
	shelf_close(&s);
}

/* What the model keeps of a row: when it is over, 0 when there is none. */
struct kept {
	struct record rec;
	uint32_t over;
};

/* Random puts, slides, moves and deletes under a clock that goes on: after each sweep exactly the
 * rows that the model still has are there. */
static void expiry_is_exact(void **state)
{
	enum { TAGS = 400, VERDICTS = 100 };
	static struct kept records[TAGS];
	static uint32_t verdicts[VERDICTS];
	struct store *s = shelf_open();
	uint32_t now = NOW;
	uint64_t x = 21;

	(void)state;
	memset(records, 0, sizeof(records));
	memset(verdicts, 0, sizeof(verdicts));
	for (int round = 0; round < 400; round++) {
		static struct store_item items[50];
		const struct store_item *group[50];
		uint64_t alive = 0;

		now += random_below(&x, round % 10 ? 3 * 3600 : 10 * DAY);
		for (size_t i = 0; i < 50; i++) {
			uint32_t t = random_below(&x, TAGS), v = random_below(&x, VERDICTS);
			enum record_state to = (enum record_state)(1 + random_below(&x, 3));
			struct kept *k = &records[t];

			group[i] = &items[i];
			if (random_below(&x, 4) == 0) {
				char text[32];

				snprintf(text, sizeof(text), "192.0.2.%u", v);
				items[i] = item_verdict(text, now + 1 + random_below(&x, 5 * DAY));
				items[i].del = random_below(&x, 5) == 0;
				verdicts[v] = items[i].del ? 0 : items[i].entry.expires;
				continue;
			}
			items[i] = item_record(to, t + 1, now, "192.0.2.1");
			if (to == RECORD_GREY && k->rec.state == to && now - k->rec.first <= WINDOW)
				items[i].rec.first = k->rec.first;
			items[i].was = k->rec;
			k->rec = items[i].rec;
			k->over = to == RECORD_GREY ? k->rec.first + WINDOW + 1 : now + KEEP + 1;
		}
		assert_int_equal(ops_of(s)->apply(s, group, 50), 0);
		expire_all(s, now, 1 + random_below(&x, 60));
		for (size_t t = 0; t < TAGS; t++)
			alive += records[t].over > now;
		for (size_t v = 0; v < VERDICTS; v++)
			alive += verdicts[v] > now;
		assert_int_equal(rows(s), alive);
		assert_int_equal(load_count(s, now), alive);
	}
	expire_all(s, UINT32_MAX - 1, 1000);
	assert_int_equal(rows(s), 0);
	shelf_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_go_at_their_second),        TEST(some_rows_never_go),
		TEST(a_used_row_is_put_off),          TEST(a_verdict_follows_its_last_word),
		TEST(lifetimes_change_while_it_runs), TEST(a_clock_set_back_removes_nothing),
		TEST(work_per_call_is_bounded),       TEST(expiry_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
