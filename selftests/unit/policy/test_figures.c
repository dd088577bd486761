// SPDX-License-Identifier: GPL-2.0-or-later
/* What records keep for `greygate report`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "selftests/unit/policy/settings.h"

/* The delay of the first delivery stays, whatever comes later. */
static void a_record_says_how_long_it_took(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	assert_int_equal(r.took, 0);
	e.now = NOW + 777;
	run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.took, 777);
	e.now = NOW + 9 * DAY;
	run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.took, 777);
	/* it ran out and begins anew */
	e.now += c.keep + 1;
	run_edit(&r, policy_edit_attempt, &e);
	assert_int_equal(r.took, 0);
	e.now += 10 * DAY;
	run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.took, RECORD_TOOK_MAX);
}

/* Before that the same bits hold the part of the second in which it began. */
static void the_beginning_of_a_delay_is_no_part_of_it(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	a.ms = 900;
	run_edit(&r, policy_edit_attempt, &e);
	assert_int_equal(r.took, 900);
	a.ms = 100;
	e.now = NOW + 777;
	run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.took, 776);
	/* a delivery without an attempt, a source */
	r = (struct record){.tag = TAG};
	run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.took, 0);
	r = (struct record){.tag = TAG};
	run_edit(&r, policy_edit_source, &e);
	assert_int_equal(r.took, 0);
}

static void what_learn_mode_let_through_is_marked(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	assert_false(r.learnt);
	c.mode = POLICY_LEARN;
	e.now = NOW + 10;
	run_edit(&r, policy_edit_attempt, &e);
	assert_true(r.learnt);
	c.mode = POLICY_ENFORCE;
	run_edit(&r, policy_edit_delivered, &e);
	assert_true(r.learnt);
}

/* Of a pool whose retries come from another network each time one record stands for the triplet,
 * and after that one is gone another one does. */
static void each_triplet_counts_once(void **state)
{
	static const char *const sources[] = {"192.0.2.7", "198.51.100.7", "203.0.113.7",
					      "2001:db8::7"};
	const struct policy_evidence known = {.name_state = NAME_CONFIRMED,
					      .name = "out1.mail.example.com"};
	struct record name = {.tag = 1},
		      networks[4] = {{.tag = 2}, {.tag = 3}, {.tag = 4}, {.tag = 5}};
	struct policy_conf c = settings();
	int counted = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct policy_attempt a = attempt(sources[i], "a@x", "b@y");
		struct policy_identity ids[POLICY_RUNGS];
		struct record *own[2] = {&networks[i], NULL}, found[2];
		struct policy_decision d;
		int n;

		/* the first one comes while DNS is dead */
		if (i)
			a.evidence = &known;
		n = policy_identities(&c, &a, ids);
		assert_int_equal(n, i ? 2 : 1);
		if (i) {
			own[0] = &name;
			own[1] = &networks[i];
		}
		for (int k = 0; k < n; k++)
			found[k] = *own[k];
		/* what is known of the first network is found by its tag alone */
		d = policy_decide(&c, &a, ids, found, n, NOW + (uint32_t)i);
		for (int k = 0; k < n; k++) {
			struct policy_edit e = edit_of(&c, &a, NOW + (uint32_t)i);

			e.shadow = policy_shadow(&d, k);
			run_edit(own[k], policy_edit_attempt, &e);
		}
	}
	counted = !name.shadow;
	for (int i = 1; i < 4; i++)
		counted += !networks[i].shadow;
	assert_int_equal(counted, 1);
	assert_false(networks[0].shadow);
	/* over: the next attempt counts again */
	{
		struct policy_attempt a = attempt(sources[1], "a@x", "b@y");
		struct policy_identity ids[POLICY_RUNGS];
		struct record found[2] = {name, networks[1]};
		uint32_t later = NOW + 2 * DAY;
		struct policy_decision d;

		a.evidence = &known;
		d = policy_decide(&c, &a, ids, found, policy_identities(&c, &a, ids), later);
		assert_false(policy_shadow(&d, 0));
		assert_true(policy_shadow(&d, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_says_how_long_it_took),
		cmocka_unit_test(the_beginning_of_a_delay_is_no_part_of_it),
		cmocka_unit_test(what_learn_mode_let_through_is_marked),
		cmocka_unit_test(each_triplet_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
