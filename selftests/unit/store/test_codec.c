// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"
#include "store/codec.h"

static struct store_item any_item(uint64_t *x)
{
	static const enum record_state states[] = {RECORD_GREY, RECORD_PASSED, RECORD_SOURCE};
	enum record_state state = states[random_below(x, 3)];
	bool is4 = random_below(x, 2);
	struct store_item item;
	char sender[300], recipient[300];

	item = item_record(state, random_next(x) | 1, (uint32_t)random_next(x),
			   is4 ? "192.0.2.1" : "2001:db8::1");
	for (int i = 0; i < 16; i++)
		if (!is4 || i >= 12)
			item.prefix.addr.b[i] = (uint8_t)random_next(x);
	memset(item.rec.net, 0, sizeof(item.rec.net));
	memcpy(item.rec.net, item.prefix.addr.b + (is4 ? 12 : 0), is4 ? 4 : 8);
	item.rec.last = random_below(x, 2) ? item.rec.first : (uint32_t)random_next(x);
	item.rec.attempts = (uint16_t)(random_next(x) >> random_below(x, 64));
	item.rec.passed = (uint16_t)(state == RECORD_GREY ? 0 : random_next(x));
	item.rec.delay_class = (uint8_t)random_below(x, 4);
	item.rec.rung = (uint8_t)(1 + random_below(x, 4));
	item.rec.shadow = random_below(x, 2);
	item.rec.learnt = random_below(x, 2);
	item.rec.took = random_below(x, 2) ? 0 : random_below(x, RECORD_TOOK_MAX + 1);
	memset(sender, 'a' + (int)random_below(x, 26), sizeof(sender));
	memset(recipient, 'A' + (int)random_below(x, 26), sizeof(recipient));
	sender[random_below(x, 290)] = '\0';
	recipient[1 + random_below(x, 200)] = '\0';
	sender[299] = recipient[299] = '\0';
	store_text_pair(item.text, sender, recipient);
	return item;
}

static void assert_round_trip(const struct store_item *item, uint32_t due)
{
	struct store_item back;
	struct row_value value;
	struct row_key key;
	enum sub sub = codec_place(item, &key);

	codec_pack(item, due, &value);
	assert_int_equal(codec_unpack(sub, key.b, key.len, value.b, value.len, &back), 0);
	assert_true(same_item(item, &back));
	if (codec_slides(sub))
		assert_int_equal(codec_due(value.b), due);
}

static void every_kind_comes_back_whole(void **state)
{
	struct store_item items[] = {
		item_record(RECORD_GREY, 1, NOW, "192.0.2.1"),
		item_record(RECORD_GREY, UINT64_MAX, UINT32_MAX, "2001:db8:1:2:3:4:5:6"),
		item_record(RECORD_PASSED, 2, 0, "192.0.2.1"),
		item_record(RECORD_SOURCE, 3, NOW, "::"),
		item_verdict("192.0.2.0/24", 0),
		item_verdict("192.0.2.1", NOW),
		item_verdict("2001:db8::/32", UINT32_MAX),
		item_verdict("::/0", 1),
		item_trap(9, "@example.net"),
		item_correspondent(10, "example.org", NOW + 7),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		assert_round_trip(&items[i], NOW + 5);
	memset(items[4].text, 'x', STORE_TEXT - 1);
	assert_round_trip(&items[4], 0);
	items[4].text[0] = '\0';
	memset(items[4].text, 0, STORE_TEXT);
	assert_round_trip(&items[4], 0);
}

static void any_record_comes_back_whole(void **state)
{
	uint64_t x = 3;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct store_item item = any_item(&x);

		assert_round_trip(&item, (uint32_t)random_next(&x));
	}
}

/* Rows on disk are input: whatever is in them, nothing is read or written past an end. */
static void damaged_rows_are_refused(void **state)
{
	uint64_t x = 4;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct store_item item = any_item(&x), back, untouched;
		struct row_value value;
		struct row_key key;
		enum sub sub = codec_place(&item, &key);

		memset(&back, 0x5a, sizeof(back));
		untouched = back;
		codec_pack(&item, 1, &value);
		for (size_t cut = 0; cut < key.len; cut++)
			assert_int_equal(codec_unpack(sub, key.b, cut, value.b, value.len, &back),
					 -EILSEQ);
		assert_int_equal(codec_unpack(sub, key.b, key.len + 1u, value.b, value.len, &back),
				 -EILSEQ);
		for (size_t cut = 0; cut < 8; cut++)
			assert_int_equal(codec_unpack(sub, key.b, key.len, value.b, cut, &back),
					 -EILSEQ);
		assert_memory_equal(&back, &untouched, sizeof(back));
		value.b[random_below(&x, value.len)] = (uint8_t)random_next(&x);
		if (!codec_unpack(sub, key.b, key.len, value.b, value.len, &back)) {
			assert_int_equal(back.text[STORE_TEXT - 1], 0);
			assert_true(strlen(store_text_recipient(&back)) < STORE_TEXT);
		}
	}
}

static void noise_is_never_read_past_its_end(void **state)
{
	uint64_t x = 5;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		size_t key_len = random_below(&x, 24), value_len = random_below(&x, 220);
		uint8_t *key = malloc(key_len + 1), *value = malloc(value_len + 1);
		struct store_item item;

		for (size_t k = 0; k < key_len; k++)
			key[k] = (uint8_t)random_next(&x);
		for (size_t v = 0; v < value_len; v++)
			value[v] = (uint8_t)random_next(&x);
		for (int sub = 0; sub <= SUB_MAX; sub++)
			if (!codec_unpack(sub, key, key_len, value, value_len, &item))
				assert_int_equal(item.text[STORE_TEXT - 1], 0);
		free(key);
		free(value);
	}
}

static void texts_are_cut_fairly(void **state)
{
	static const struct {
		size_t sender, recipient, sender_left, recipient_left;
	} rows[] = {
		{0, 0, 0, 0},      {20, 30, 20, 30},  {67, 67, 67, 67},   {100, 34, 100, 34},
		{100, 35, 99, 35}, {35, 100, 35, 99}, {200, 200, 67, 67}, {300, 10, 124, 10},
		{0, 300, 0, 134},  {300, 0, 134, 0},  {68, 67, 67, 67},   {67, 68, 67, 67},
	};
	struct store_item item;
	char a[301], b[301];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&item, 0x5a, sizeof(item));
		memset(a, 'a', sizeof(a));
		memset(b, 'b', sizeof(b));
		a[rows[i].sender] = b[rows[i].recipient] = '\0';
		store_text_pair(item.text, a, b);
		assert_int_equal(strlen(item.text), rows[i].sender_left);
		assert_int_equal(strlen(store_text_recipient(&item)), rows[i].recipient_left);
		assert_int_equal(item.text[STORE_TEXT - 1], 0);
	}
}

static void grey_rows_sort_by_time(void **state)
{
	uint64_t x = 6;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint32_t a = (uint32_t)random_next(&x), b = (uint32_t)random_next(&x);
		struct store_item p = item_record(RECORD_GREY, random_next(&x), a, "::1");
		struct store_item q = item_record(RECORD_GREY, random_next(&x), b, "::1");
		struct row_key k, l;

		codec_place(&p, &k);
		codec_place(&q, &l);
		assert_int_equal(memcmp(k.b, l.b, k.len) < 0, a < b);
		assert_int_equal(codec_grey_first(k.b), a);
	}
}

static void lifetimes_end_when_the_policy_says(void **state)
{
	const struct {
		struct store_item item;
		uint32_t over;
	} rows[] = {
		{item_record(RECORD_GREY, 1, NOW, "::1"), NOW + WINDOW + 1},
		{item_record(RECORD_PASSED, 1, NOW, "::1"), NOW + KEEP + 1},
		{item_record(RECORD_SOURCE, 1, NOW, "::1"), NOW + KEEP + 1},
		{item_record(RECORD_GREY, 1, UINT32_MAX - 5, "::1"), UINT32_MAX},
		{item_record(RECORD_PASSED, 1, UINT32_MAX, "::1"), UINT32_MAX},
		{item_verdict("::1", 0), 0},
		{item_verdict("::1", NOW), NOW},
		{item_trap(1, "a@x"), 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(codec_over(&rows[i].item, WINDOW, KEEP), rows[i].over);
}

static void entries_of_the_queue_come_back(void **state)
{
	struct store_item v = item_verdict("2001:db8::/32", 5);
	struct row_key row, k;
	const void *part;
	uint32_t due;
	enum sub sub;
	size_t len;

	(void)state;
	assert_int_equal(codec_place(&v, &row), SUB_VERDICT);
	k = codec_due_key(77, SUB_VERDICT, row.b, row.len);
	assert_int_equal(codec_due_parse(k.b, k.len, &due, &sub, &part, &len), 0);
	assert_int_equal(due, 77);
	assert_int_equal(sub, SUB_VERDICT);
	assert_int_equal(len, row.len);
	assert_memory_equal(part, row.b, len);
	for (size_t cut = 0; cut <= 5; cut++)
		assert_int_equal(codec_due_parse(k.b, cut, &due, &sub, &part, &len), -EILSEQ);
	for (int other = 0; other < 256; other++) {
		k.b[4] = (uint8_t)other;
		assert_int_equal(codec_due_parse(k.b, k.len, &due, &sub, &part, &len),
				 other <= SUB_MAX && codec_slides(other) ? 0 : -EILSEQ);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back_whole),
		cmocka_unit_test(any_record_comes_back_whole),
		cmocka_unit_test(damaged_rows_are_refused),
		cmocka_unit_test(noise_is_never_read_past_its_end),
		cmocka_unit_test(texts_are_cut_fairly),
		cmocka_unit_test(grey_rows_sort_by_time),
		cmocka_unit_test(lifetimes_end_when_the_policy_says),
		cmocka_unit_test(entries_of_the_queue_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
