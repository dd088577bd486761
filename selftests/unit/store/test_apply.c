// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "selftests/unit/random.h"
#include "selftests/unit/store/shelf.h"

static void items_survive_a_reopen(void **state)
{
	const struct store_item items[] = {
		item_record(RECORD_GREY, 1, NOW, "192.0.2.1"),
		item_record(RECORD_GREY, 2, NOW, "2001:db8::1"),
		item_record(RECORD_PASSED, 3, NOW, "192.0.2.1"),
		item_record(RECORD_SOURCE, 4, NOW, "2001:db8::1"),
		item_verdict("192.0.2.0/24", NOW + 10),
		item_trap(5, "old@example.net"),
	};
	const size_t n = sizeof(items) / sizeof(items[0]);
	const struct store_item *group[6];
	struct store *s = shelf_open();
	struct seen seen;

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < n; i++)
		group[i] = &items[i];
	assert_int_equal(ops_of(s)->apply(s, group, n), 0);
	for (int round = 0; round < 2; round++) {
		seen = load_all(s, NOW);
		assert_int_equal(seen.count, n);
		for (size_t i = 0; i < n; i++)
			assert_true(same_item(&items[i], &seen.items[i]));
		free(seen.items);
		shelf_close(&s);
		s = shelf_open();
		assert_non_null(s);
		assert_string_equal(shelf_err, "");
	}
	shelf_close(&s);
	assert_null(s);
}

static void an_update_stays_one_row(void **state)
{
	struct store *s = shelf_open();
	struct store_item a, b;
	struct seen seen;

	(void)state;
	for (enum record_state st = RECORD_GREY; st <= RECORD_SOURCE; st++) {
		a = item_record(st, 10 + (uint64_t)st, NOW, "192.0.2.1");
		assert_int_equal(apply_one(s, &a), 0);
		b = a;
		b.rec.last = NOW + 1000;
		b.rec.attempts = 300;
		assert_int_equal(replace(s, &a, &b), 0);
		seen = load_all(s, NOW);
		assert_int_equal(seen.count, st);
		assert_true(same_item(&b, seen_tag(&seen, b.rec.tag)));
		free(seen.items);
	}
	shelf_close(&s);
}

static void a_record_moves_with_its_state(void **state)
{
	static const enum record_state path[] = {RECORD_GREY, RECORD_PASSED, RECORD_GREY,
						 RECORD_PASSED};
	struct store *s = shelf_open();
	struct store_item item = item_record(RECORD_GREY, 1, NOW, "192.0.2.1"), next;
	struct store_stats st;

	(void)state;
	assert_int_equal(apply_one(s, &item), 0);
	for (size_t i = 1; i < 4; i++) {
		next = item;
		next.rec.state = (uint8_t)path[i];
		next.rec.passed = path[i] == RECORD_PASSED;
		if (path[i] == RECORD_GREY)
			next.rec.first = next.rec.last = NOW + 100;
		assert_int_equal(replace(s, &item, &next), 0);
		item = next;
		assert_int_equal(ops_of(s)->stats(s, &st), 0);
		assert_int_equal(st.records[RECORD_GREY], path[i] == RECORD_GREY);
		assert_int_equal(st.records[RECORD_PASSED], path[i] == RECORD_PASSED);
	}
	assert_int_equal(load_count(s, NOW + 100), 1);
	shelf_close(&s);
}

static void a_late_restart_leaves_no_old_row(void **state)
{
	struct store *s = shelf_open();
	struct store_item a = item_record(RECORD_GREY, 1, NOW, "192.0.2.1"), b = a;

	(void)state;
	assert_int_equal(apply_one(s, &a), 0);
	b.rec.first = b.rec.last = NOW + WINDOW + 1;
	assert_int_equal(replace(s, &a, &b), 0);
	/* NOW: a row with the old first would still be live */
	assert_int_equal(load_count(s, NOW), 1);
	/* the clock was set back */
	assert_int_equal(replace(s, &b, &a), 0);
	assert_int_equal(load_count(s, NOW), 1);
	shelf_close(&s);
}

/* Workers' queues overtake each other, so the delivery may come before the attempt. What is loaded
 * last counts. */
static void of_two_rows_of_a_tag_the_passed_one_is_loaded_last(void **state)
{
	struct store *s = shelf_open();
	struct store_item grey = item_record(RECORD_GREY, 1, NOW, "192.0.2.1"), passed = grey;
	struct seen seen;

	(void)state;
	passed.rec.state = RECORD_PASSED;
	assert_int_equal(apply_one(s, &passed), 0);
	assert_int_equal(apply_one(s, &grey), 0);
	seen = load_all(s, NOW);
	assert_int_equal(seen.items[seen.count - 1].rec.state, RECORD_PASSED);
	free(seen.items);
	shelf_close(&s);
}

static void deletes_take_the_row_and_its_queue_entry(void **state)
{
	const struct store_item items[] = {
		item_record(RECORD_GREY, 1, NOW, "192.0.2.1"),
		item_record(RECORD_PASSED, 3, NOW, "192.0.2.1"),
		item_record(RECORD_SOURCE, 4, NOW, "2001:db8::1"),
		item_verdict("192.0.2.0/24", NOW + 10),
		item_verdict("2001:db8::/32", 0),
		item_trap(5, "old@example.net"),
	};
	struct store *s = shelf_open();
	size_t steps = 9;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(apply_del(s, &items[i]), 0); /* not there: no error */
		assert_int_equal(apply_one(s, &items[i]), 0);
		assert_int_equal(load_count(s, NOW), 1);
		assert_int_equal(apply_del(s, &items[i]), 0);
		assert_int_equal(load_count(s, NOW), 0);
	}
	assert_int_equal(ops_of(s)->expire(s, UINT32_MAX, 100, &steps), 0);
	assert_int_equal(steps, 0);
	shelf_close(&s);
}

static void a_group_keeps_its_order_per_row(void **state)
{
	struct store *s = shelf_open();
	struct store_item put = item_record(RECORD_GREY, 1, NOW, "192.0.2.1"), del = put;
	struct store_item touch = put, pass = put;
	const struct store_item *group[4];

	(void)state;
	del.del = true;
	touch.was = put.rec;
	touch.rec.attempts = 2;
	pass.was = touch.rec;
	pass.rec.state = RECORD_PASSED;

	group[0] = &put;
	group[1] = &del;
	assert_int_equal(ops_of(s)->apply(s, group, 2), 0);
	assert_int_equal(load_count(s, NOW), 0);
	group[0] = &del;
	group[1] = &put;
	assert_int_equal(ops_of(s)->apply(s, group, 2), 0);
	assert_int_equal(load_count(s, NOW), 1);
	assert_int_equal(apply_del(s, &put), 0);
	group[0] = &put;
	group[1] = &touch;
	assert_int_equal(ops_of(s)->apply(s, group, 2), 0);
	assert_int_equal(load_count(s, NOW), 1);
	assert_int_equal(apply_del(s, &put), 0);
	group[2] = &pass;
	assert_int_equal(ops_of(s)->apply(s, group, 3), 0);
	assert_int_equal(load_count(s, NOW), 1);
	shelf_close(&s);
}

static void what_an_item_leaves_out_is_kept(void **state)
{
	struct store *s = shelf_open();
	struct store_item a, b;
	struct seen seen;

	(void)state;
	for (enum record_state st = RECORD_GREY; st <= RECORD_SOURCE; st++) {
		a = item_record(st, 1, NOW, "2001:db8::77:1");
		assert_int_equal(apply_one(s, &a), 0);
		b = a;
		b.rec.last = NOW + 5;
		memset(&b.prefix, 0, sizeof(b.prefix));
		memset(b.text, 0, sizeof(b.text));
		assert_int_equal(replace(s, &a, &b), 0);
		a.rec.last = NOW + 5;
		seen = load_all(s, NOW);
		assert_int_equal(seen.count, 1);
		assert_true(same_item(&a, &seen.items[0]));
		free(seen.items);
		/* with nothing stored, the record's own network must do */
		assert_int_equal(apply_del(s, &a), 0);
		assert_int_equal(apply_one(s, &b), 0);
		seen = load_all(s, NOW);
		assert_int_equal(seen.count, 1);
		assert_memory_equal(&seen.items[0].rec, &b.rec, sizeof(b.rec));
		free(seen.items);
		assert_int_equal(apply_del(s, &a), 0);
	}
	/* a null sender is a text, not the lack of one */
	a = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	assert_int_equal(apply_one(s, &a), 0);
	store_text_pair(a.text, "", "other@example.net");
	assert_int_equal(apply_one(s, &a), 0);
	seen = load_all(s, NOW);
	assert_string_equal(store_text_recipient(&seen.items[0]), "other@example.net");
	assert_string_equal(seen.items[0].text, "");
	free(seen.items);
	shelf_close(&s);
}

/* The store against a plain list, through random puts, touches, moves and deletes. */
static void the_store_is_a_map(void **state)
{
	enum { TAGS = 300 };
	static struct store_item model[TAGS];
	struct store *s = shelf_open();
	const struct store_item *group[40];
	static struct store_item items[40];
	uint64_t x = 12;
	struct seen seen;

	(void)state;
	memset(model, 0, sizeof(model));
	for (int round = 0; round < 300; round++) {
		for (int i = 0; i < 40; i++) {
			uint32_t t = random_below(&x, TAGS);
			enum record_state to = (enum record_state)(1 + random_below(&x, 3));
			uint32_t first = NOW + (uint32_t)round / 4;

			if (model[t].rec.state == to && to == RECORD_GREY)
				first = model[t].rec.first;
			items[i] =
				item_record(to, t + 1, first, t % 2 ? "192.0.2.1" : "2001:db8::1");
			items[i].rec.last = first + random_below(&x, 100);
			items[i].was = model[t].rec;
			group[i] = &items[i];
			if (random_below(&x, 4) == 0) {
				items[i] = model[t].rec.state ? model[t] : items[i];
				items[i].del = true;
				memset(&model[t], 0, sizeof(model[t]));
			} else {
				model[t] = items[i];
			}
		}
		assert_int_equal(ops_of(s)->apply(s, group, 40), 0);
		if (round % 50 == 49) {
			shelf_close(&s);
			s = shelf_open();
		}
	}
	seen = load_all(s, NOW);
	for (int t = 0; t < TAGS; t++) {
		const struct store_item *have = seen_tag(&seen, (uint64_t)t + 1);

		assert_int_equal(have != NULL, model[t].rec.state != RECORD_NONE);
		if (have)
			assert_true(same_item(have, &model[t]));
		seen.count -= have != NULL;
		if (have) /* each tag once: take it out and look again */
			memmove(seen.items + (have - seen.items), have + 1,
				(size_t)(seen.items + seen.count - have) * sizeof(*have));
		assert_null(seen_tag(&seen, (uint64_t)t + 1));
	}
	assert_int_equal(seen.count, 0);
	free(seen.items);
	shelf_close(&s);
}

static int fill(struct store *s, uint64_t from, size_t count)
{
	static struct store_item items[1000];
	const struct store_item *group[1000];
	int rc = 0;

	for (size_t done = 0; done < count && !rc; done += 1000) {
		for (size_t i = 0; i < 1000; i++) {
			items[i] = item_record(RECORD_GREY, from + done + i,
					       NOW + (uint32_t)(done / 1000), "192.0.2.1");
			group[i] = &items[i];
		}
		rc = ops_of(s)->apply(s, group, 1000);
	}
	return rc;
}

static void a_full_map_grows(void **state)
{
	struct store_conf conf = shelf_conf();
	struct store_stats st;
	struct store *s;

	(void)state;
	conf.map_bytes = 64 << 10;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(fill(s, 1, 30000), 0);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_true(st.grown >= 5);
	assert_false(st.full);
	assert_int_equal(st.records[RECORD_GREY], 30000);
	assert_true(st.bytes <= st.map_bytes);
	shelf_close(&s);
	/* a first map smaller than the file is no obstacle */
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(load_count(s, NOW), 30000);
	assert_int_equal(fill(s, 100000, 5000), 0);
	shelf_close(&s);
}

static void a_grey_record_is_small(void **state)
{
	struct store *s = shelf_open();
	struct store_stats st;
	uint64_t tag = 1;
	struct stat file;

	(void)state;
	/* groups of all sizes, as they come in a second of a busy day */
	for (uint32_t second = 0; second < 100; second++) {
		for (int g = 0; g < 10; g++) {
			static struct store_item items[64];
			const struct store_item *group[64];
			uint64_t x = second * 10 + (uint64_t)g + 1;

			for (int i = 0; i < 64; i++) {
				items[i] = item_record(RECORD_GREY, random_next(&x), NOW + second,
						       "192.0.2.1");
				store_text_pair(items[i].text, "newsletter-1234@example.com",
						"someone@example.net");
				group[i] = &items[i];
				tag++;
			}
			assert_int_equal(ops_of(s)->apply(s, group, 64), 0);
		}
	}
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.records[RECORD_GREY], tag - 1);
	assert_int_equal(stat(shelf_path("store"), &file), 0);
	assert_true((uint64_t)file.st_size / (tag - 1) < 100);
	assert_true(st.bytes / (tag - 1) < 96);
	shelf_close(&s);
}

/* At the limit grey records are given up, everything else still finds room. */
static void at_the_limit_what_matters_is_kept(void **state)
{
	struct store_conf conf = shelf_conf();
	struct store_item item;
	struct store_stats st;
	struct store *s;
	size_t steps;

	(void)state;
	conf.map_bytes = 64 << 10;
	conf.max_bytes = 1 << 20;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)), 0);
	assert_int_equal(fill(s, 1, 40000), 0);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_true(st.full);
	assert_true(st.lost > 0);
	assert_true(st.records[RECORD_GREY] < 15000);
	for (uint64_t i = 0; i < 3000; i++) {
		item = item_record(i % 2 ? RECORD_PASSED : RECORD_SOURCE, 1000000 + i, NOW,
				   "192.0.2.1");
		assert_int_equal(apply_one(s, &item), 0);
		if (i % 100 == 0) {
			item = item_verdict("192.0.2.0/24", 0);
			item.prefix.addr.b[14] = (uint8_t)(i / 100);
			assert_int_equal(apply_one(s, &item), 0);
		}
	}
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.records[RECORD_PASSED] + st.records[RECORD_SOURCE], 3000);
	assert_int_equal(st.verdicts, 30);
	/* once the grey ones are over there is room again, after a pause */
	do {
		assert_int_equal(ops_of(s)->expire(s, NOW + 2 * DAY, 1000, &steps), 0);
	} while (steps == 1000);
	assert_int_equal(ops_of(s)->expire(s, NOW + 2 * DAY + 60, 1000, &steps), 0);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_false(st.full);
	assert_int_equal(st.records[RECORD_GREY], 0);
	item = item_record(RECORD_GREY, 5, NOW + 2 * DAY, "192.0.2.1");
	assert_int_equal(apply_one(s, &item), 0);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.records[RECORD_GREY], 1);
	shelf_close(&s);
}

/* Nothing but passed records: they too find an end, as an error and not as a hang. */
static void a_limit_without_anything_to_give_up_is_an_error(void **state)
{
	struct store_conf conf = shelf_conf();
	struct store_item item;
	struct store_stats st;
	struct store *s;
	uint64_t n = 1;
	int rc = 0;

	(void)state;
	conf.map_bytes = conf.max_bytes = 256 << 10;
	assert_int_equal(store_open_lmdb(&conf, &s, shelf_key, shelf_err, sizeof(shelf_err)), 0);
	for (; !rc && n < 10000; n++) {
		item = item_record(RECORD_PASSED, n * 7919, NOW, "192.0.2.1");
		rc = apply_one(s, &item);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(ops_of(s)->stats(s, &st), 0);
	assert_int_equal(st.records[RECORD_PASSED], n - 2);
	assert_int_equal(st.errors, 1);
	assert_int_equal(load_count(s, NOW), n - 2);
	shelf_close(&s);
}

static int file_size_limit(void *arg)
{
	struct rlimit limit = {300 << 10, 300 << 10};
	struct store_item item;
	struct store_stats st;
	struct store *s = shelf_open();
	int rc = 0;

	(void)arg;
	signal(SIGXFSZ, SIG_IGN);
	if (!s || setrlimit(RLIMIT_FSIZE, &limit))
		return 1;
	rc = fill(s, 1, 20000);
	if (rc || ops_of(s)->stats(s, &st) || !st.full || !st.lost)
		return 2;
	for (uint64_t i = 0; i < 200; i++) {
		item = item_record(RECORD_PASSED, 1000000 + i, NOW, "192.0.2.1");
		if (apply_one(s, &item))
			return 3;
	}
	shelf_close(&s);
	s = shelf_open();
	if (!s || shelf_err[0] || ops_of(s)->stats(s, &st))
		return 4;
	return st.records[RECORD_PASSED] == 200 ? 0 : 5;
}

static void a_file_size_limit_is_survived(void **state)
{
	(void)state;
	assert_int_equal(in_child(file_size_limit, NULL), 0);
}

static int disk_full(void *arg)
{
	struct store_item item = item_record(RECORD_PASSED, 1, NOW, "192.0.2.1");
	struct store_stats st;
	struct store *s;
	size_t steps;

	(void)arg;
	if (own_tmpfs("size=1m"))
		return 77;
	s = shelf_open();
	if (!s || apply_one(s, &item) || filler(true))
		return 1;
	/* not one byte left: an error, and nothing is torn */
	for (uint64_t i = 0; i < 50; i++) {
		item = item_record(RECORD_PASSED, 100 + i, NOW, "192.0.2.1");
		if (apply_one(s, &item) == -ENOSPC)
			break;
		if (i == 49)
			return 2;
	}
	/* a full disk is no reason to forget */
	shelf_close(&s);
	s = shelf_open();
	if (!s || shelf_err[0])
		return 3;
	if (!load_count(s, NOW))
		return 4;
	if (apply_one(s, &item) != -ENOSPC)
		return 5;
	/* it is full until it can be written */
	for (uint32_t s_later = 0; s_later < 300; s_later += 60)
		if (ops_of(s)->expire(s, NOW + s_later, 10, &steps) || ops_of(s)->stats(s, &st) ||
		    !st.full || !ops_of(s)->apply(s, NULL, 0))
			return 6;
	/* and with room again it goes on by itself */
	if (filler(false) || ops_of(s)->apply(s, NULL, 0) ||
	    ops_of(s)->expire(s, NOW + 300, 10, &steps) ||
	    ops_of(s)->expire(s, NOW + 360, 10, &steps) || ops_of(s)->stats(s, &st) || st.full)
		return 7;
	if (fill(s, 5000, 1000) || ops_of(s)->stats(s, &st))
		return 8;
	return !st.full && st.records[RECORD_GREY] >= 1000 ? 0 : 9;
}

static void a_full_disk_is_an_error_and_passes(void **state)
{
	(void)state;
	run_or_skip(disk_full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(items_survive_a_reopen),
		TEST(an_update_stays_one_row),
		TEST(a_record_moves_with_its_state),
		TEST(a_late_restart_leaves_no_old_row),
		TEST(of_two_rows_of_a_tag_the_passed_one_is_loaded_last),
		TEST(deletes_take_the_row_and_its_queue_entry),
		TEST(a_group_keeps_its_order_per_row),
		TEST(what_an_item_leaves_out_is_kept),
		TEST(the_store_is_a_map),
		TEST(a_full_map_grows),
		TEST(a_grey_record_is_small),
		TEST(at_the_limit_what_matters_is_kept),
		TEST(a_limit_without_anything_to_give_up_is_an_error),
		TEST(a_file_size_limit_is_survived),
		TEST(a_full_disk_is_an_error_and_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
