// SPDX-License-Identifier: GPL-2.0-or-later
/* Who goes when a set of verdicts is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/verdicts.c"
#include "census.h"
#include "selftests/unit/random.h"

#define NOW 1000000u

static void in_a_full_set_the_daemons_own_entries_make_room(void **state)
{
	struct verdict_entry learned = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING}, was;
	struct verdict_entry word = {.verdict = GG_DENY, .origin = GG_BY_OPERATOR};
	struct prefix p = prefix("10.0.0.0"), net = prefix("192.0.2.0/24"), gone;
	struct verdicts *v = some(50);
	size_t learnt = 0, said = 0, went = 0;
	int rc = 0;

	(void)state;
	assert_int_equal(verdicts_put(v, &net, &learned), 0);
	for (uint32_t i = 0; !rc; i++) {
		p.addr.b[15] = (uint8_t)i;
		learned.expires = NOW + 1000 + i;
		rc = verdicts_put_over(v, &p, &learned, &gone, &was);
		learnt += !rc;
	}
	/* The last one took a place already. */
	assert_int_equal(rc, 1);
	assert_false(verdicts_get(v, &gone, 0, NULL));
	assert_int_equal(was.origin, GG_BY_LEARNING);
	assert_in_range(was.expires, NOW + 1000, learned.expires - 1);
	p = prefix("2001:db8::");
	for (uint32_t i = 0; rc >= 0 && i < 1000; i++) {
		p.addr.b[14] = (uint8_t)(i >> 8);
		p.addr.b[15] = (uint8_t)i;
		/* Those that end give way as little as those that don't. */
		word.expires = i % 2 ? NOW + 1 : 0;
		rc = verdicts_put_over(v, &p, &word, &gone, &was);
		if (rc < 0)
			break;
		said++;
		assert_true(verdicts_get(v, &p, NOW, NULL));
		if (!rc)
			continue;
		went++;
		assert_int_equal(was.origin, GG_BY_LEARNING);
		assert_true(addr_is4(&gone.addr));
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(said + learnt - went + 1, verdicts_count(v));
	assert_true(went > learnt / 2);
	/* What nobody has set an end to stands, too. */
	assert_true(verdicts_get(v, &net, 0, NULL));
	check_and_free(&v);
}

/* Number i of the networks that a bot has addresses in: each lasts longer than the one before. */
static struct prefix network(bool four, uint32_t i, struct verdict_entry *e)
{
	struct prefix p = prefix(four ? "10.0.0.0/24" : "2001:db8::/64");
	uint8_t *number = p.addr.b + (four ? 13 : 6);

	number[0] = (uint8_t)(i >> 8);
	number[1] = (uint8_t)i;
	e->expires = NOW + 1000 + i;
	return p;
}

static void networks_make_room_for_networks(void **state)
{
	struct verdict_entry trapped = {.verdict = GG_DENY, .origin = GG_BY_TRAP}, was;
	const struct verdict_entry word = {
		.verdict = GG_DENY, .origin = GG_BY_OPERATOR, .expires = NOW + 1};
	struct prefix said = prefix("198.51.100.0/24"), said6 = prefix("2001:db9::/64"), p, gone;

	(void)state;
	for (int four = 0; four < 2; four++) {
		struct verdicts *v = some(50);
		size_t put = 2, went = 0;

		assert_int_equal(verdicts_put(v, &said, &word), 0);
		assert_int_equal(verdicts_put(v, &said6, &word), 0);
		for (uint32_t i = 0; i < 5000; i++, put++) {
			int rc;

			p = network(four, i, &trapped);
			rc = verdicts_put_over(v, &p, &trapped, &gone, &was);
			assert_true(rc >= 0);
			assert_true(verdicts_get(v, &p, NOW, NULL));
			if (!rc)
				continue;
			went++;
			assert_int_equal(was.origin, GG_BY_TRAP);
			assert_true(was.expires < trapped.expires);
			assert_false(verdicts_get(v, &gone, 0, NULL));
		}
		assert_true(went > 4000);
		assert_int_equal(verdicts_count(v), put - went);
		assert_true(verdicts_get(v, &said, NOW, NULL));
		assert_true(verdicts_get(v, &said6, NOW, NULL));
		check_and_free(&v);
	}
}

static void the_last_prefix_of_a_length_takes_it_along(void **state)
{
	struct verdict_entry e = {.verdict = GG_DENY, .origin = GG_BY_TRAP, .expires = NOW + 1};
	struct prefix net = prefix("2001:db8:5::/64"), p = prefix("10.0.0.0"), gone;
	struct verdicts *v = some(50);
	struct verdict_entry was;

	(void)state;
	assert_int_equal(verdicts_put(v, &net, &e), 0);
	assert_true(verdicts_find(v, &net.addr, NOW, NULL, NULL));
	for (uint32_t i = 0; verdicts_get(v, &net, 0, NULL); i++) {
		assert_in_range(i, 0, 100000);
		p.addr.b[13] = (uint8_t)(i >> 16);
		p.addr.b[14] = (uint8_t)(i >> 8);
		p.addr.b[15] = (uint8_t)i;
		e.expires = NOW + 1000 + i;
		assert_true(verdicts_put_over(v, &p, &e, &gone, &was) >= 0);
	}
	assert_int_equal(v->lengths[0].count[64], 0);
	assert_int_equal(v->lengths[0].used[1], 0);
	check_and_free(&v);
}

struct crowd {
	struct verdicts *v;
	_Atomic int number, wrong;
	_Atomic bool done;
};

/* Networks and addresses push each other out, and some are deleted. */
static void *push(void *arg)
{
	struct crowd *crowd = arg;
	uint64_t rnd = 1 + (uint64_t)atomic_fetch_add(&crowd->number, 1);
	struct verdict_entry e = {.verdict = GG_DENY, .origin = GG_BY_TRAP};

	for (int i = 0; i < 40000; i++) {
		struct prefix p = network(random_below(&rnd, 2), random_below(&rnd, 500), &e);

		if (!random_below(&rnd, 3))
			p = addr_host(&p.addr);
		if (!random_below(&rnd, 8))
			verdicts_del(crowd->v, &p);
		else if (verdicts_put(crowd->v, &p, &e))
			atomic_fetch_add(&crowd->wrong, 1);
	}
	atomic_store(&crowd->done, true);
	return NULL;
}

static bool every_third(const struct prefix *p, const struct verdict_entry *e, void *arg)
{
	(void)p;
	(void)e;
	return ++*(int *)arg % 3 == 0;
}

static void lengths_stay_true_under_eviction(void **state)
{
	struct crowd crowd = {.v = some(100)};
	pthread_t thread[3];
	int seen = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, push, &crowd), 0);
	while (!atomic_load(&crowd.done))
		verdicts_walk(crowd.v, NOW, every_third, &seen);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(crowd.wrong, 0);
	check_and_free(&crowd.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_full_set_the_daemons_own_entries_make_room),
		cmocka_unit_test(networks_make_room_for_networks),
		cmocka_unit_test(the_last_prefix_of_a_length_takes_it_along),
		cmocka_unit_test(lengths_stay_true_under_eviction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
