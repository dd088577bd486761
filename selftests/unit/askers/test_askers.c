// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "askers.h"

#define NOW 1000000u
#define CHAINS 1024 /* questions so far apart share one */
static struct askers *a;

static int make(void **state)
{
	(void)state;
	return askers_new(2, &a);
}

static int unmake(void **state)
{
	(void)state;
	askers_free(&a);
	askers_free(&a);
	return a ? -1 : 0;
}

static struct asker asker(uint64_t question, uint64_t source, uint32_t asked)
{
	return (struct asker){.question = question, .source = source, .asked = asked};
}

static bool keep(uint64_t question, uint64_t source, uint32_t now)
{
	const struct asker who = asker(question, source, now);

	return askers_keep(a, &who, now);
}

/* How many wait for the answer, and no longer afterwards; the sum of their sources. */
static int taken(uint64_t question, uint32_t now, uint64_t *ret_sum)
{
	struct asker who;
	int n = 0;

	*ret_sum = 0;
	while (askers_take(a, question, now, &who)) {
		assert_int_equal(who.question, question);
		*ret_sum += who.source;
		n++;
	}
	return n;
}

static void queues_keep_their_order(void **state)
{
	struct asker who = asker(1, 2, NOW);
	uint64_t first = 0, last[2] = {0};
	int seen = 0;

	(void)state;
	assert_false(askers_next(a, &who));
	for (uint64_t i = 1; i <= 10; i++) {
		who = asker(i, i, NOW);
		memset(who.mailbox, 'x', VERIFY_MAILBOX);
		assert_true(askers_put(a, (int)(i % 2), &who));
	}
	while (askers_next(a, &who)) {
		int producer = (int)(who.question % 2);

		first = first ? first : who.question;
		assert_true(who.question > last[producer]);
		last[producer] = who.question;
		assert_int_equal(strlen(who.mailbox), VERIFY_MAILBOX);
		seen++;
	}
	assert_int_equal(seen, 10);
	assert_true(first == 1 || first == 2);
}

static void a_full_queue_takes_nobody(void **state)
{
	struct asker who = asker(1, 1, NOW);
	int n = 0;

	(void)state;
	while (n < 100000 && askers_put(a, 0, &who))
		n++;
	assert_in_range(n, 1, 99999);
	assert_true(askers_put(a, 1, &who)); /* the other one's is its own */
	assert_true(askers_next(a, &who));
	for (int left = n; left; left--)
		assert_true(askers_next(a, &who));
	assert_false(askers_next(a, &who));
	assert_true(askers_put(a, 0, &who));
}

static void all_who_wait_for_an_answer_get_it_once(void **state)
{
	uint64_t sum;

	(void)state;
	assert_int_equal(taken(7, NOW, &sum), 0);
	assert_true(keep(7, 1, NOW));
	assert_true(keep(7, 10, NOW));
	assert_true(keep(7 + CHAINS, 100, NOW));
	assert_true(keep(7, 1000, NOW + 1));
	assert_true(keep(8, 10000, NOW));
	assert_true(keep(7, 10, NOW + 2)); /* waits already */
	assert_int_equal(taken(7, NOW + 2, &sum), 3);
	assert_int_equal(sum, 1011);
	assert_int_equal(taken(7, NOW + 2, &sum), 0);
	assert_int_equal(taken(7 + CHAINS, NOW + 2, &sum), 1);
	assert_int_equal(sum, 100);
	assert_int_equal(taken(8, NOW + 2, &sum), 1);
	assert_true(keep(7, 10, NOW + 2)); /* a new question */
	assert_int_equal(taken(7, NOW + 2, &sum), 1);
}

static void nobody_waits_for_ever(void **state)
{
	uint64_t sum;

	(void)state;
	assert_true(keep(7, 1, NOW));
	assert_true(keep(7, 10, NOW + 1));
	assert_true(keep(7 + CHAINS, 100, NOW));
	assert_int_equal(taken(7, NOW + ASKERS_PATIENCE, &sum), 1);
	assert_int_equal(sum, 10);
	assert_int_equal(taken(7 + CHAINS, NOW + ASKERS_PATIENCE, &sum), 0);
	/* who has waited too long does not stand in for whoever comes anew */
	assert_true(keep(9, 1, NOW));
	assert_true(keep(9, 1, NOW + ASKERS_PATIENCE));
	assert_int_equal(taken(9, NOW + ASKERS_PATIENCE + 1, &sum), 1);
}

static void of_one_recipient_so_many(void **state)
{
	uint64_t sum;

	(void)state;
	for (uint64_t i = 1; i <= ASKERS_EACH; i++)
		assert_true(keep(7, i, NOW));
	assert_false(keep(7, ASKERS_EACH + 1, NOW));
	assert_true(keep(7, ASKERS_EACH, NOW)); /* is there */
	assert_true(keep(7 + CHAINS, 1, NOW));
	assert_int_equal(taken(7, NOW, &sum), ASKERS_EACH);
	assert_true(keep(7, ASKERS_EACH + 1, NOW));
}

static void in_all_so_many(void **state)
{
	uint64_t sum;
	int left = 0;

	(void)state;
	for (uint64_t i = 0; i < ASKERS_KEPT; i++)
		assert_true(keep(i, i + 1, NOW + (i >= ASKERS_KEPT / 2)));
	assert_false(keep(ASKERS_KEPT, 1, NOW + 1));
	assert_int_equal(taken(5, NOW + 1, &sum), 1);
	assert_true(keep(ASKERS_KEPT, 1, NOW + 1));
	assert_false(keep(ASKERS_KEPT + 1, 1, NOW + 1));
	/* the first half has waited too long by then */
	for (uint64_t i = 1; i < ASKERS_KEPT / 2; i++)
		assert_true(keep(ASKERS_KEPT + i, 1, NOW + ASKERS_PATIENCE));
	for (uint64_t i = 0; i < 2 * ASKERS_KEPT; i++)
		left += taken(i, NOW + ASKERS_PATIENCE, &sum);
	assert_int_equal(left, ASKERS_KEPT);
	for (uint64_t i = 0; i < ASKERS_KEPT; i++)
		assert_true(keep(i, 1, NOW + ASKERS_PATIENCE));
}

static void tags_are_never_zero(void **state)
{
	(void)state;
	assert_int_not_equal(askers_tag(5, 5), 0);
	assert_int_not_equal(askers_tag(5, 6), askers_tag(5, 7));
	assert_int_not_equal(askers_tag(5, 6), askers_tag(4, 6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queues_keep_their_order),
		TEST(a_full_queue_takes_nobody),
		TEST(all_who_wait_for_an_answer_get_it_once),
		TEST(nobody_waits_for_ever),
		TEST(of_one_recipient_so_many),
		TEST(in_all_so_many),
		TEST(tags_are_never_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
