// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "selftests/unit/random.h"
#include "fastpath/bucket.h"

#define SLOTS GG_BUCKET_SLOTS

static const struct bucket_geometry geometries[] = {
	{GG_EXACT_BUCKETS, 0},   {GG_EXACT_BUCKETS + 1, 1}, {76923, 0xffffffff},
	{89285, 0x9e3779b1},     {1 << 20, 4711},           {10000019, 0x80000000},
	{UINT32_MAX / 64, 12345}};

/* What the slot holds and where it stands name one address: two in one place would be one. */
static void a_place_leads_back_to_its_address(void **state)
{
	static const uint32_t ends[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
	struct bucket_place p, away;
	uint64_t seed = 4711;
	uint32_t addr;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(geometries) / sizeof(geometries[0]); i++) {
		for (j = 0; j < 500000; j++) {
			addr = j < 5 ? ends[j] : (uint32_t)random_next(&seed);
			p = bucket_place4(geometries[i], addr);
			assert_in_range(p.at, 1, geometries[i].buckets);
			assert_int_equal(p.rest & ~GG_SLOT_REST, 0);
			if (bucket_address4(geometries[i], p) != addr)
				fail_msg("%08x of %u buckets", addr, geometries[i].buckets);
			away = bucket_away(geometries[i], p);
			assert_in_range(away.at, 1, geometries[i].buckets);
			assert_int_not_equal(away.at, p.at);
			assert_int_equal(away.rest, p.rest | GG_SLOT_AWAY);
			if (bucket_address4(geometries[i], away) != addr)
				fail_msg("%08x away, of %u", addr, geometries[i].buckets);
		}
	}
}

static struct bucket_place place(uint16_t key, uint8_t rest)
{
	return (struct bucket_place){.at = 1, .key = key, .rest = rest};
}

/* Those of one bucket don't crowd into another one. */
static void who_is_away_is_spread(void **state)
{
	const struct bucket_geometry g = {58823, 4711};
	static uint8_t count[58824];
	struct bucket_place p = {.at = 1234};
	uint32_t most = 0, used = 0;

	(void)state;
	for (p.key = 0; p.key < UINT16_MAX; p.key++) {
		uint8_t *n = &count[bucket_away(g, p).at];

		used += !*n;
		if (++*n > most)
			most = *n;
	}
	assert_in_range(most, 2, 4);
	assert_true(used > 40000);
}

/* Its half, the four of no half, the other half, and then there is no room. */
static void a_bucket_holds_twenty_and_each_is_found(void **state)
{
	static const uint8_t order[2][SLOTS] = {
		{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 8, 9, 10, 11, 12, 13, 14, 15},
		{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0, 1, 2, 3, 4, 5, 6, 7}};
	struct gg_bucket b;
	int half, i, slot;

	(void)state;
	for (half = 0; half < 2; half++) {
		memset(&b, 0, sizeof(b));
		for (i = 0; i < SLOTS; i++) {
			slot = bucket_free(&b, place((uint16_t)(2 * i + half), 0x10));
			assert_int_equal(slot, order[half][i]);
			bucket_set(&b, slot, place((uint16_t)(2 * i + half), 0x10), GG_MEANS_DENY);
		}
		assert_int_equal(bucket_free(&b, place(1000, 0)), SLOTS);
		for (i = 0; i < SLOTS; i++) {
			slot = bucket_find(&b, place((uint16_t)(2 * i + half), 0x10));
			assert_int_equal(slot, order[half][i]);
			assert_int_equal(bucket_byte(&b, slot), GG_MEANS_DENY | 0x10);
			assert_int_equal(bucket_find(&b, place((uint16_t)(2 * i + half), 0x30)),
					 SLOTS);
		}
		bucket_set(&b, 5, place(0, 0), 0);
		assert_int_equal(bucket_free(&b, place(1000, 0)), 5);
		assert_int_equal(bucket_free(&b, place(1001, 0)), 5);
	}
}

/* A slot that was freed keeps its key, and a key of 0 is one like others. */
static void what_is_free_is_never_found(void **state)
{
	struct gg_bucket b = {};

	(void)state;
	assert_int_equal(bucket_find(&b, place(0, 0)), SLOTS);
	bucket_set(&b, 3, place(77, 0x30), GG_MEANS_ALLOW);
	assert_int_equal(bucket_find(&b, place(77, 0x30)), 3);
	bucket_set(&b, 3, place(77, 0x30), 0);
	assert_int_equal(bucket_byte(&b, 3), 0);
	assert_int_equal(bucket_find(&b, place(77, 0x30)), SLOTS);
	assert_int_equal(bucket_find(&b, place(77, 0)), SLOTS);
	bucket_set(&b, 0, place(0, 0), GG_MEANS_ASK);
	assert_int_equal(bucket_find(&b, place(0, 0)), 0);
}

static void the_earliest_end_stands(void **state)
{
	static const struct {
		uint64_t expires, end;
	} rows[] = {
		{0, 0},      {UINT64_MAX, (uint64_t)0xffffff * 16},
		{1000, 992}, {5000, 992},
		{0, 992},    {991, 976},
		{15, 16}, /* 0 would be none */
	};
	struct gg_bucket b = {};
	size_t i;

	(void)state;
	b.state = GG_BUCKET_FULL | (GG_BUCKET_TURN & 0x54);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bucket_add_end(&b, rows[i].expires);
		assert_int_equal(bucket_end(&b), rows[i].end);
		assert_int_equal(b.state & (GG_BUCKET_FULL | GG_BUCKET_TURN),
				 GG_BUCKET_FULL | (GG_BUCKET_TURN & 0x54));
	}
	bucket_clear_end(&b);
	assert_int_equal(b.state, GG_BUCKET_FULL | (GG_BUCKET_TURN & 0x54));
}

static void turns_are_odd_and_even_and_touch_nothing_else(void **state)
{
	struct gg_bucket b = {.state = 0xabcdef00 | GG_BUCKET_FULL};
	uint32_t before;
	int i;

	(void)state;
	for (i = 0; i < 300; i++) {
		before = b.state;
		bucket_turn(&b);
		assert_int_equal(b.state & ~GG_BUCKET_TURN, 0xabcdef00 | GG_BUCKET_FULL);
		assert_int_equal(!!(b.state & GG_BUCKET_BUSY), i % 2 == 0);
		assert_int_not_equal(b.state, before);
	}
}

static void a_mark_is_taken_once(void **state)
{
	struct gg_bucket b = {}, before;
	int i;

	(void)state;
	for (i = 0; i < SLOTS; i++)
		bucket_set(&b, i, place((uint16_t)i, 0x20), GG_MEANS_DENY | GG_SLOT_OFTEN);
	before = b;
	for (i = 0; i < SLOTS; i++) {
		assert_false(bucket_take_mark(&b, i));
		b.slot[gg_index_slot(i)] |= GG_SLOT_SEEN;
		assert_true(bucket_take_mark(&b, i));
		assert_false(bucket_take_mark(&b, i));
		assert_memory_equal(&b, &before, sizeof(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_leads_back_to_its_address),
		cmocka_unit_test(who_is_away_is_spread),
		cmocka_unit_test(a_bucket_holds_twenty_and_each_is_found),
		cmocka_unit_test(what_is_free_is_never_found),
		cmocka_unit_test(the_earliest_end_stands),
		cmocka_unit_test(turns_are_odd_and_even_and_touch_nothing_else),
		cmocka_unit_test(a_mark_is_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
