// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose word on a prefix of greylist.exempt is in force; and what comes in force at the end of an
 * entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "../source/tables.h"
#include "ending.h"

#define SINGLE "192.0.2.7"
#define NETWORK "2001:db8:1::/64"

static struct prefix exempt[2];

static int make(void **state)
{
	(void)state;
	if (tables_make(1000, 1000))
		return -1;
	exempt[0] = prefix(SINGLE);
	exempt[1] = prefix(NETWORK);
	config.greylist.exempt = exempt;
	config.greylist.exempt_count = 2;
	for (int i = 0; i < 2; i++)
		daemon_verdict_put(&d, &exempt[i], &verdict_of_config, "exempt");
	return 0;
}

static int unmake_all(void **state)
{
	ends_free(&d.ends);
	return unmake(state);
}

static int try(const struct prefix *p, enum gg_origin origin, uint32_t expires)
{
	const struct verdict_entry e = {
		.verdict = GG_DENY, .action = GG_REJECT, .origin = origin, .expires = expires};

	return daemon_verdict_put(&d, p, &e, "test");
}

/* What stands there, over or not. */
static struct verdict_entry stands(const struct prefix *p)
{
	struct verdict_entry e = {0};

	verdicts_get(d.verdicts, p, 0, &e);
	return e;
}

static bool is_exempt(const struct prefix *p)
{
	return stands(p).list == VERDICT_OF_CONFIG && stands(p).verdict == GG_ALLOW;
}

static bool is_denied(const struct prefix *p)
{
	return stands(p).origin == GG_BY_OPERATOR && stands(p).verdict == GG_DENY;
}

static void only_an_operator_takes_its_place(void **state)
{
	static const enum gg_origin others[] = {GG_BY_LEARNING, GG_BY_TRAP, GG_BY_LIMIT,
						GG_BY_CORRESPONDENT};
	const struct prefix near = prefix("192.0.2.8");
	const uint32_t now = daemon_now();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			assert_int_equal(try(&exempt[i], others[k], now + 100), -EEXIST);
			assert_true(is_exempt(&exempt[i]));
		}
		assert_int_equal(try(&exempt[i], GG_BY_OPERATOR, now + 100), 0);
		/* nor an operator's, in force or just over */
		assert_int_equal(try(&exempt[i], GG_BY_LIMIT, now + 100), -EEXIST);
		assert_true(is_denied(&exempt[i]));
		assert_int_equal(try(&exempt[i], GG_BY_OPERATOR, now - 1), 0);
		assert_int_equal(try(&exempt[i], GG_BY_LEARNING, now + 100), -EEXIST);
		assert_true(is_denied(&exempt[i]));
	}
	assert_int_equal(try(&near, GG_BY_LIMIT, now + 100), 0);
}

static void it_is_in_force_once_nobody_says_otherwise(void **state)
{
	const uint32_t now = daemon_now();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		try(&exempt[i], GG_BY_OPERATOR, 0);
		assert_int_equal(daemon_verdict_put(&d, &exempt[i], &verdict_of_config, "exempt"),
				 -EEXIST);
		assert_true(is_denied(&exempt[i]));
		assert_true(verdict_forget(&d, &exempt[i]));
		assert_true(is_exempt(&exempt[i]));
		assert_false(verdict_forget(&d, &exempt[i]));

		try(&exempt[i], GG_BY_OPERATOR, now + 1000);
		verdict_expire(&d, &exempt[i]);
		assert_true(is_denied(&exempt[i]));
		ending_step(&d);
		assert_true(is_denied(&exempt[i]));
		try(&exempt[i], GG_BY_OPERATOR, now - 1);
		ending_step(&d);
		assert_true(is_exempt(&exempt[i]));

		/* what a start finds over is replaced, too */
		try(&exempt[i], GG_BY_OPERATOR, now - 1);
		assert_int_equal(daemon_verdict_put(&d, &exempt[i], &verdict_of_config, "exempt"),
				 0);
		assert_true(is_exempt(&exempt[i]));
		assert_int_equal(daemon_verdict_del(&d, &exempt[i]), 0);
		assert_true(is_exempt(&exempt[i]));
	}
}

static void new_settings_take_only_it_away(void **state)
{
	(void)state;
	try(&exempt[0], GG_BY_OPERATOR, 0);
	config.greylist.exempt_count = 0;
	for (size_t i = 0; i < 2; i++)
		verdict_unexempt(&d, &exempt[i]);
	assert_true(is_denied(&exempt[0]));
	assert_int_equal(stands(&exempt[1]).verdict, GG_UNKNOWN);
	assert_int_equal(try(&exempt[1], GG_BY_LEARNING, 0), 0);
}

/* Of entries that were there before the settings no end has been noted. */
static void new_settings_stand_behind_what_there_is(void **state)
{
	static struct config other;
	const uint32_t now = daemon_now();

	(void)state;
	config.greylist.exempt_count = 0;
	ending_step(&d);
	try(&exempt[1], GG_BY_OPERATOR, now - 1);
	ending_step(&d);
	assert_true(is_denied(&exempt[1]));
	other = config;
	other.greylist.exempt_count = 2;
	atomic_store(&d.config, &other);
	ending_step(&d);
	assert_true(is_exempt(&exempt[1]));
}

/* The kernel has one entry for a prefix. */
static void a_list_stands_behind_what_there_is(void **state)
{
	const struct prefix p = prefix("198.51.100.0/24"), near = prefix("198.51.101.0/24");
	struct import_item item = {.addr = p.addr, .len = p.len, .list = 1, .says = IMPORT_DENY};
	const uint8_t rank[GG_LISTS] = {[1] = 1};
	const uint32_t now = daemon_now();
	struct imports *in;

	(void)state;
	ending_step(&d);
	for (int later = 0; later < 2; later++) {
		try(&near, GG_BY_OPERATOR, now - 1);
		if (later)
			try(&p, GG_BY_OPERATOR, now - 1);
		assert_int_equal(imports_make(&item, 1, rank, &in), 0);
		in = verdicts_import(d.verdicts, in);
		imports_free(&in);
		assert_true(verdicts_listed(d.verdicts, &p));
		assert_false(verdicts_listed(d.verdicts, &near));
		if (!later)
			try(&p, GG_BY_OPERATOR, now - 1);
		ending_step(&d);
		assert_int_equal(stands(&p).verdict, GG_UNKNOWN);
		assert_true(is_denied(&near)); /* until all are gone through */
		in = verdicts_import(d.verdicts, NULL);
		imports_free(&in);
		ending_step(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_an_operator_takes_its_place, make, unmake_all),
		cmocka_unit_test_setup_teardown(it_is_in_force_once_nobody_says_otherwise, make,
						unmake_all),
		cmocka_unit_test_setup_teardown(new_settings_take_only_it_away, make, unmake_all),
		cmocka_unit_test_setup_teardown(new_settings_stand_behind_what_there_is, make,
						unmake_all),
		cmocka_unit_test_setup_teardown(a_list_stands_behind_what_there_is, make,
						unmake_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
