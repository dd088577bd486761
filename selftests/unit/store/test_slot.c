// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"
#include "store/engine.h"

static uint8_t slot_of(struct store *s, uint32_t first)
{
	struct store_item item = item_record(RECORD_GREY, 1, first, "::1");
	struct row_key key;

	codec_place(&item, &key);
	slot_place(s, &key);
	return key.b[GREY_SLOT];
}

static void groups_of_a_second_take_slots_in_turn(void **state)
{
	struct store *s = calloc(1, sizeof(*s));

	(void)state;
	assert_non_null(s);
	for (unsigned int g = 0; g < 100; g++) {
		slot_begin_group(s, NOW);
		assert_int_equal(slot_of(s, NOW), g < 31 ? g : 31);
		/* rows of another second come behind their own */
		assert_int_equal(slot_of(s, NOW - 1), 31);
		assert_int_equal(slot_of(s, NOW + 1), 31);
	}
	slot_begin_group(s, NOW + 1);
	assert_int_equal(slot_of(s, NOW + 1), 0);
	/* a group of stragglers only */
	slot_begin_group(s, NOW);
	assert_int_equal(slot_of(s, NOW + 1), 0);
	assert_int_equal(slot_of(s, NOW), 31);
	free(s);
}

/* Whatever slots rows came to lie in: each is found, and nothing else is. */
static void every_row_is_found_in_its_slot(void **state)
{
	enum { SECONDS = 3, TAGS = 120 };
	static uint8_t there[SECONDS][TAGS];
	struct store *s = shelf_open();
	uint64_t x = 41;

	(void)state;
	memset(there, 0, sizeof(there));
	for (int round = 0; round < 400; round++) {
		uint32_t second = random_below(&x, SECONDS), tag = random_below(&x, TAGS);
		struct store_item item =
			item_record(RECORD_GREY, (uint64_t)(tag + 1) << 8, NOW + second, "::1");
		uint8_t *t = &there[second][tag];
		struct store_stats st;
		uint64_t expected = 0;

		item.del = *t && random_below(&x, 3) == 0;
		if (*t)
			item.was = item.rec;
		*t = !item.del;
		assert_int_equal(apply_one(s, &item), 0);
		for (size_t i = 0; i < SECONDS * TAGS; i++)
			expected += (&there[0][0])[i];
		assert_int_equal(ops_of(s)->stats(s, &st), 0);
		assert_int_equal(st.records[RECORD_GREY], expected);
	}
	/* tags that are not there, between those that are */
	for (uint32_t second = 0; second < SECONDS + 1; second++) {
		for (uint32_t tag = 0; tag <= TAGS; tag++) {
			struct store_item item = item_record(
				RECORD_GREY, ((uint64_t)(tag + 1) << 8) - 1, NOW + second, "::1");
			struct store_stats before, after;

			assert_int_equal(ops_of(s)->stats(s, &before), 0);
			assert_int_equal(apply_del(s, &item), 0);
			assert_int_equal(ops_of(s)->stats(s, &after), 0);
			assert_int_equal(before.records[RECORD_GREY], after.records[RECORD_GREY]);
		}
	}
	shelf_close(&s);
}

/* What a first attempt costs on disk: long words, groups as the writer makes them, 4000 a second.
 */
static void a_grey_record_takes_at_most_128_bytes(void **state)
{
	enum { RECORDS = 100000, GROUP = 1000, RATE = 4000 };
	static struct store_item items[GROUP];
	const struct store_item *group[GROUP];
	struct store *s = shelf_open();
	uint64_t x = 9;
	struct stat st;

	(void)state;
	for (uint32_t i = 0; i < RECORDS; i += GROUP) {
		for (uint32_t k = 0; k < GROUP; k++) {
			char sender[60], recipient[60];

			items[k] = item_record(RECORD_GREY, random_next(&x), NOW + i / RATE,
					       "192.0.2.7");
			items[k].rec.took = k;
			snprintf(sender, sizeof(sender), "firstname.lastname%u@sender%u.example", k,
				 i / GROUP);
			snprintf(recipient, sizeof(recipient), "recipient%u@example.net", k % 997);
			store_text_pair(items[k].text, sender, recipient);
			group[k] = &items[k];
		}
		assert_int_equal(ops_of(s)->apply(s, group, GROUP), 0);
	}
	assert_int_equal(stat(shelf_path("store"), &st), 0);
	assert_in_range(st.st_blocks * 512 / RECORDS, 60, 128);
	shelf_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_of_a_second_take_slots_in_turn),
		TEST(every_row_is_found_in_its_slot),
		TEST(a_grey_record_takes_at_most_128_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
