// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "policy/conduct.h"
#include "settings.h"

/* A table of one source. */
struct one {
	struct cell cell;
	bool found;
	struct addr src;
};

static struct conduct happen(struct one *t, enum conduct_event event, uint32_t now, uint32_t until)
{
	struct conduct_edit e = {.event = event,
				 .src = t->src,
				 .now = now,
				 .until = until,
				 .memory = 30 * DAY,
				 .row = DAY};

	assert_true(conduct_edit(&t->cell, t->found, &e));
	t->found = true;
	return e.after;
}

static struct one source(const char *text)
{
	struct one t = {.cell = {.tag = 42}};

	assert_int_equal(addr_parse(text, &t.src), 0);
	return t;
}

static void a_row_is_broken_by_what_is_known(void **state)
{
	struct one t = source("192.0.2.7");

	(void)state;
	for (int i = 1; i <= 4; i++)
		assert_int_equal(happen(&t, CONDUCT_UNKNOWN, NOW, 0).unknown, i);
	assert_int_equal(happen(&t, CONDUCT_KNOWN, NOW, 0).unknown, 0);
	assert_int_equal(happen(&t, CONDUCT_UNKNOWN, NOW, 0).unknown, 1);
	assert_int_equal(happen(&t, CONDUCT_DELIVERED, NOW, 0).unknown, 0);
	assert_int_equal(happen(&t, CONDUCT_UNKNOWN, NOW, 0).unknown, 1);
	/* and by a day of rest, not by less */
	assert_int_equal(happen(&t, CONDUCT_UNKNOWN, NOW + DAY, 0).unknown, 2);
	assert_int_equal(happen(&t, CONDUCT_UNKNOWN, NOW + 2 * DAY + 1, 0).unknown, 1);
	assert_int_equal(conduct_of(&t.cell).tag, 42);
}

static void who_delivers_may_mistype_more(void **state)
{
	static const struct {
		uint16_t good, unknown;
		uint32_t harvest;
		bool harvests;
	} rows[] = {
		{0, 4, 5, false},     {0, 5, 5, true},          {0, 6, 5, true},
		{1, 9, 5, false},     {1, 10, 5, true},         {9, 49, 5, false},
		{9, 50, 5, true},     {200, 49, 5, false},      {200, 50, 5, true},
		{0, 65535, 0, false}, {200, 65535, 6000, true}, {0, 1, 1, true},
		{0, 0, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conduct c = {.good = rows[i].good, .unknown = rows[i].unknown};

		if (conduct_harvests(&c, rows[i].harvest) != rows[i].harvests)
			fail_msg("row %zu", i);
	}
}

static void the_share_of_what_was_refused(void **state)
{
	static const struct {
		uint16_t good, bad;
		uint32_t percent, least;
		bool is_bad;
	} rows[] = {
		{0, 0, 50, 10, false}, {0, 9, 50, 10, false},   {0, 10, 50, 10, true},
		{5, 5, 50, 10, true},  {6, 5, 50, 10, false},   {100, 100, 0, 0, false},
		{0, 0, 1, 0, false},   {127, 128, 50, 1, true}, {10, 0, 1, 10, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conduct c = {.good = rows[i].good, .bad = rows[i].bad};

		if (conduct_is_bad(&c, rows[i].percent, rows[i].least) != rows[i].is_bad)
			fail_msg("row %zu", i);
	}
}

/* A source that was good for years turns within some hundred messages. */
static void old_merits_fade(void **state)
{
	struct one t = source("2001:db8::1");
	struct conduct c = {0};
	int n = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		c = happen(&t, CONDUCT_DELIVERED, NOW, 0);
	assert_true(c.good + c.bad < CONDUCT_SPAN);
	while (!conduct_is_bad(&c, 50, 10) && n++ < 10000) {
		c = happen(&t, CONDUCT_REFUSED, NOW, 0);
		assert_true(c.good + c.bad < CONDUCT_SPAN);
	}
	assert_in_range(n, 20, CONDUCT_SPAN);
	c = happen(&t, CONDUCT_DEMOTED, NOW, 0);
	assert_int_equal(c.good + c.bad, 0);
}

static void traps_are_remembered_from_their_end(void **state)
{
	struct one t = source("2001:db8::1");
	struct conduct c;

	(void)state;
	assert_int_equal(happen(&t, CONDUCT_TRAPPED, NOW, NOW + DAY).traps, 1);
	c = happen(&t, CONDUCT_TRAPPED, NOW + 10, NOW + 10 * DAY);
	assert_int_equal(c.traps, 2);
	assert_int_equal(c.until, NOW + 10 * DAY);
	assert_int_equal(happen(&t, CONDUCT_KNOWN, NOW + 40 * DAY, 0).traps, 2);
	assert_int_equal(happen(&t, CONDUCT_KNOWN, NOW + 71 * DAY, 0).traps, 0);
	for (int i = 0; i < 300; i++)
		c = happen(&t, CONDUCT_TRAPPED, NOW + 71 * DAY, NOW + 72 * DAY);
	assert_int_equal(c.traps, UINT8_MAX);
}

static void a_source_is_an_address_or_a_64(void **state)
{
	struct policy_conf c = settings();
	struct addr a, b;

	(void)state;
	addr_parse("2001:db8:1::1", &a);
	addr_parse("2001:db8:1::2", &b);
	assert_int_equal(policy_conduct_tag(&c, &a), policy_conduct_tag(&c, &b));
	addr_parse("2001:db8:1:1::1", &b);
	assert_int_not_equal(policy_conduct_tag(&c, &a), policy_conduct_tag(&c, &b));
	addr_parse("192.0.2.1", &a);
	addr_parse("192.0.2.2", &b);
	assert_int_not_equal(policy_conduct_tag(&c, &a), policy_conduct_tag(&c, &b));
	assert_int_equal(policy_visit_tag(&c, &a), policy_visit_tag(&c, &b));
	addr_parse("192.0.3.2", &b);
	assert_int_not_equal(policy_visit_tag(&c, &a), policy_visit_tag(&c, &b));
}

static void the_longest_unheard_of_goes_first(void **state)
{
	struct one old = source("192.0.2.1"), young = source("192.0.2.2");
	struct one trapped = source("192.0.2.3");

	(void)state;
	happen(&old, CONDUCT_KNOWN, NOW, 0);
	happen(&young, CONDUCT_KNOWN, NOW + 1, 0);
	happen(&trapped, CONDUCT_TRAPPED, NOW, NOW + DAY);
	assert_true(conduct_rank(&old.cell, NULL) > conduct_rank(&young.cell, NULL));
	assert_true(conduct_rank(&young.cell, NULL) > conduct_rank(&trapped.cell, NULL));
	assert_true(conduct_rank(&trapped.cell, NULL) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_broken_by_what_is_known),
		cmocka_unit_test(who_delivers_may_mistype_more),
		cmocka_unit_test(the_share_of_what_was_refused),
		cmocka_unit_test(old_merits_fade),
		cmocka_unit_test(traps_are_remembered_from_their_end),
		cmocka_unit_test(a_source_is_an_address_or_a_64),
		cmocka_unit_test(the_longest_unheard_of_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
