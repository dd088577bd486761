// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "core/imports.c"
#include "core/verdicts.h"
#include "lists.h"

static const uint8_t straight[GG_LISTS] = {0, 1, 2, 3, 4, 5};

static struct import_item item(const char *text, uint8_t list, enum import_says says)
{
	struct import_item i = {.list = list, .says = says};
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	i.addr = p.addr;
	i.len = p.len;
	return i;
}

static struct imports *make(const struct import_item *items, size_t n, const uint8_t *rank)
{
	struct import_item own[50];
	struct imports *in = NULL;

	assert_true(n <= 50);
	memcpy(own, items, n * sizeof(*items));
	assert_int_equal(imports_make(own, n, rank, &in), 0);
	return in;
}

#define RANKED(rank, ...)                                                                          \
	make((const struct import_item[]){__VA_ARGS__},                                            \
	     sizeof((const struct import_item[]){__VA_ARGS__}) / sizeof(struct import_item), rank)
#define MAKE(...) RANKED(straight, __VA_ARGS__)

/* list 0: nothing, or a hole. */
static void says(const struct imports *in, const char *text, uint8_t list, int len)
{
	const struct import_item *i;
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	i = imports_find(in, &a);
	if (!list) {
		if (i && i->says != GG_UNKNOWN)
			fail_msg("%s: list %d", text, i->list);
		return;
	}
	if (!i || i->says == GG_UNKNOWN)
		fail_msg("%s: nothing", text);
	assert_int_equal(i->list, list);
	assert_int_equal(i->len, len);
}

static void no_list_says_nothing(void **state)
{
	struct imports *in = NULL;

	(void)state;
	assert_int_equal(imports_make(NULL, 0, straight, &in), 0);
	assert_int_equal(in->count, 0);
	says(in, "192.0.2.1", 0, 0);
	says(in, "2001:db8::1", 0, 0);
	imports_free(&in);
	assert_null(in);
	imports_free(&in);
}

static void the_most_specific_prefix_answers(void **state)
{
	struct imports *in =
		MAKE(item("192.0.2.0/24", 1, IMPORT_DENY), item("192.0.2.128/25", 2, IMPORT_ALLOW),
		     item("192.0.2.200", 1, IMPORT_DENY), item("2001:db8::/32", 2, IMPORT_DENY));

	(void)state;
	assert_int_equal(in->count, 4);
	assert_int_equal(in->count4, 3);
	says(in, "192.0.1.255", 0, 0);
	says(in, "192.0.2.0", 1, 120);
	says(in, "192.0.2.127", 1, 120);
	says(in, "192.0.2.128", 2, 121);
	says(in, "192.0.2.200", 1, 128);
	says(in, "192.0.2.201", 2, 121);
	says(in, "192.0.3.0", 0, 0);
	says(in, "2001:db8:ffff::", 2, 32);
	says(in, "2001:db9::", 0, 0);
	imports_free(&in);
}

static void of_the_same_prefix_the_first_list_answers(void **state)
{
	struct imports *in =
		MAKE(item("192.0.2.0/24", 3, IMPORT_ALLOW), item("192.0.2.0/24", 1, IMPORT_DENY),
		     item("192.0.2.0/24", 2, IMPORT_DENY));

	(void)state;
	assert_int_equal(in->count, 1);
	says(in, "192.0.2.7", 1, 120);
	imports_free(&in);
}

static void an_exception_takes_out_of_one_list(void **state)
{
	const uint8_t rank[GG_LISTS] = {[1] = 1, [2] = 1, [3] = 3};
	struct imports *in = RANKED(
		rank, item("10.0.0.0/8", 1, IMPORT_DENY), item("10.1.0.0/16", 2, IMPORT_EXCEPT),
		item("10.1.2.0/24", 1, IMPORT_DENY), item("10.1.3.0/24", 3, IMPORT_DENY),
		item("10.0.0.0/12", 3, IMPORT_ALLOW), item("10.64.0.0/10", 2, IMPORT_EXCEPT),
		item("203.0.113.0/24", 2, IMPORT_EXCEPT));

	(void)state;
	says(in, "10.200.0.1", 1, 104);
	says(in, "10.2.0.1", 3, 108);
	/* Within the first exception the first list is silent, the third is not. */
	says(in, "10.1.0.1", 3, 108);
	says(in, "10.1.2.1", 3, 108);
	says(in, "10.1.3.1", 3, 120);
	says(in, "10.65.0.1", 0, 0);
	/* What nobody lists needs no hole. */
	says(in, "203.0.113.1", 0, 0);
	assert_int_equal(in->count, 4);
	imports_free(&in);
}

/* black1, black2, white, white of spamd.conf(5), and one more of each behind them. */
static void no_list_but_the_one_is_excepted_from(void **state)
{
	const uint8_t rank[GG_LISTS] = {[1] = 0, [2] = 1, [3] = 1, [4] = 1, [5] = 4, [6] = 4};
	struct imports *in = RANKED(
		rank, item("192.0.2.50", 1, IMPORT_DENY), item("192.0.2.51", 1, IMPORT_DENY),
		item("192.0.2.50", 2, IMPORT_DENY), item("192.0.2.52/31", 2, IMPORT_DENY),
		item("192.0.2.48/29", 3, IMPORT_EXCEPT), item("2001:db8:1::/48", 1, IMPORT_ALLOW),
		item("2001:db8::/32", 2, IMPORT_DENY), item("2001:db8::/33", 3, IMPORT_EXCEPT),
		item("2001:db8:2::/48", 2, IMPORT_DENY),
		item("2001:db8:c000::/48", 4, IMPORT_EXCEPT),
		item("2001:db8:3::/48", 5, IMPORT_DENY), item("2001:db8:3::1", 6, IMPORT_EXCEPT));

	(void)state;
	says(in, "192.0.2.50", 1, 128);
	says(in, "192.0.2.51", 1, 128);
	says(in, "192.0.2.52", 0, 0);
	says(in, "2001:db8:1::1", 1, 48);
	says(in, "2001:db8:2::1", 0, 0);
	says(in, "2001:db8:3::2", 5, 48);
	says(in, "2001:db8:3::1", 0, 0);
	says(in, "2001:db8:8000::1", 2, 32);
	says(in, "2001:db8:c000::1", 0, 0);
	imports_free(&in);
}

static void a_list_may_except_from_itself_only(void **state)
{
	struct imports *in =
		MAKE(item("10.0.0.0/8", 1, IMPORT_DENY), item("10.0.0.0/9", 2, IMPORT_DENY),
		     item("10.1.0.0/16", 2, IMPORT_NEITHER), item("10.1.2.0/24", 2, IMPORT_DENY));

	(void)state;
	says(in, "10.2.0.0", 2, 105);
	says(in, "10.1.0.1", 1, 112);
	says(in, "10.1.2.1", 2, 120);
	imports_free(&in);
}

static void families_keep_to_themselves(void **state)
{
	struct imports *in =
		MAKE(item("::/0", 1, IMPORT_DENY), item("198.51.100.0/24", 2, IMPORT_DENY),
		     item("2001:db8::/32", 2, IMPORT_DENY));

	(void)state;
	says(in, "192.0.2.1", 0, 0);
	says(in, "198.51.100.1", 2, 120);
	says(in, "2001:db8::1", 2, 32);
	says(in, "2001:db9::1", 1, 0);
	says(in, "::1", 1, 0);
	imports_free(&in);
	in = MAKE(item("0.0.0.0/0", 1, IMPORT_DENY));
	says(in, "0.0.0.0", 1, 96);
	says(in, "255.255.255.255", 1, 96);
	says(in, "::1", 0, 0);
	imports_free(&in);
}

static void exactly_this_prefix_is_found(void **state)
{
	struct imports *in =
		MAKE(item("10.0.0.0/8", 1, IMPORT_DENY), item("10.0.0.0/16", 1, IMPORT_DENY),
		     item("2001:db8::/32", 1, IMPORT_DENY));
	static const char *const there[] = {"10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32"};
	static const char *const not_there[] = {"10.0.0.0/9",    "0.0.0.0/0",     "11.0.0.0/8",
						"10.0.0.0",      "2001:db8::/33", "::/0",
						"2001:db8::/31", "2001:db9::/32"};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		assert_int_equal(prefix_parse(there[i], &p), 0);
		assert_non_null(imports_get(in, &p));
	}
	for (size_t i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++) {
		assert_int_equal(prefix_parse(not_there[i], &p), 0);
		assert_null(imports_get(in, &p));
	}
	imports_free(&in);
}

/* Every address of the space in which random lists lie, asked of both. */
static void random_lists_say_what_a_search_says(void **state)
{
	static struct lists lists;
	struct import_item sorted[1000];
	uint64_t seed = 4;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct imports *in;
		size_t n = 1 + random_below(&seed, 600);

		lists_random(&lists, &seed, n);
		memcpy(sorted, lists.items, n * sizeof(*sorted));
		assert_int_equal(imports_make(sorted, n, lists.rank, &in), 0);
		assert_true(in->count <= n);
		for (size_t i = 1; i < in->count; i++)
			assert_true(by_place(&in->items[i - 1], &in->items[i]) < 0);
		for (int i = 0; i < 2000; i++) {
			struct addr a = lists_addr(&seed, i % 2);
			const struct import_item *want = lists_say(&lists, &a);
			const struct import_item *got = imports_find(in, &a);

			if (!want) {
				assert_true(!got || got->says == GG_UNKNOWN);
				continue;
			}
			assert_non_null(got);
			assert_int_equal(got->says, want->says);
			assert_int_equal(got->list, want->list);
			assert_int_equal(got->said, want->len);
			assert_true(got->len >= want->len);
		}
		imports_free(&in);
	}
}

struct asking {
	struct verdicts *v;
	struct addr a;
	atomic_bool stop;
	_Atomic uint64_t wrong, asked;
};

static void *ask(void *arg)
{
	struct asking *w = arg;
	struct verdict_entry e;

	while (!atomic_load(&w->stop)) {
		/* Every list names it: there is always an answer, and a whole one. */
		if (!verdicts_find(w->v, &w->a, 1000, &e, NULL) || e.verdict != GG_DENY ||
		    (e.list != 1 && e.list != 2))
			w->wrong++;
		w->asked++;
	}
	return NULL;
}

static void lists_are_replaced_under_their_readers(void **state)
{
	static struct asking w; /* the readers outlive a failed assertion */
	struct imports *old;
	static const uint8_t key[16] = "secret of a test";
	pthread_t readers[3];

	(void)state;
	assert_int_equal(addr_parse("192.0.2.200", &w.a), 0);
	assert_int_equal(verdicts_new(10, key, &w.v), 0);
	assert_null(verdicts_import(w.v, MAKE(item("192.0.2.0/24", 1, IMPORT_DENY))));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, ask, &w), 0);
	for (int i = 0; i < 1000 || w.asked < 1000; i++) {
		old = verdicts_import(
			w.v, MAKE(item(i % 2 ? "192.0.2.0/24" : "192.0.2.192/26", 1, IMPORT_DENY),
				  item(i % 3 ? "192.0.2.0/25" : "192.0.2.200", 2, IMPORT_DENY)));
		/* Whoever still read it would now find something else. */
		memset(old->items, 0xee, old->count * sizeof(*old->items));
		imports_free(&old);
	}
	atomic_store(&w.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(w.wrong, 0);
	assert_true(w.asked > 0);
	old = verdicts_import(w.v, NULL);
	imports_free(&old);
	verdicts_free(&w.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_list_says_nothing),
		cmocka_unit_test(the_most_specific_prefix_answers),
		cmocka_unit_test(of_the_same_prefix_the_first_list_answers),
		cmocka_unit_test(an_exception_takes_out_of_one_list),
		cmocka_unit_test(no_list_but_the_one_is_excepted_from),
		cmocka_unit_test(a_list_may_except_from_itself_only),
		cmocka_unit_test(families_keep_to_themselves),
		cmocka_unit_test(exactly_this_prefix_is_found),
		cmocka_unit_test(random_lists_say_what_a_search_says),
		cmocka_unit_test(lists_are_replaced_under_their_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
