// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "replay/internal.h"
#include "selftests/unit/replay/trace.h"

static const uint8_t key[16] = "tally";

static void add_at(struct tally *t, uint64_t ms, const char *sender, const char *recipient,
		   bool ours, bool spamd)
{
	const bool passed[REPLAY_POLICIES] = {[REPLAY_OURS] = ours, [REPLAY_SPAMD] = spamd};
	const struct policy_conf c = {.key = "pair"};
	char normalised[POLICY_MAILBOX];
	struct tally_mail *m = NULL;
	struct tally_key k;

	policy_normalise(sender, normalised, sizeof(normalised));
	k = tally_expect(t, key, normalised, policy_pair(&c, normalised, recipient));
	assert_int_equal(tally_mail(t, &k, ms, &m), 0);
	tally_add(t, m, ms, false, passed);
}

static void add(struct tally *t, uint32_t s, const char *sender, const char *recipient, bool ours,
		bool spamd)
{
	add_at(t, s * UINT64_C(1000), sender, recipient, ours, spamd);
}

struct seen {
	struct spread_row rows[10];
	char names[10][40];
	int count;
};

static void see(const struct spread_row *d, void *arg)
{
	struct seen *s = arg;

	snprintf(s->names[s->count], 40, "%s", d->name);
	s->rows[s->count++] = *d;
}

static void mails_are_counted_once(void **state)
{
	struct tally t = {.attempts = 0};
	struct replay_totals n;

	(void)state;
	add(&t, 100, "a@x", "b@y", false, false);
	add(&t, 160, "A@X", "B@Y", true, false);
	add(&t, 200, "a@x", "b@y", true, true);
	add(&t, 200, "a@x", "c@y", false, false);
	n = tally_total(&t, REPLAY_OURS);
	assert_int_equal(n.attempts, 4);
	assert_int_equal(n.passed, 2);
	assert_int_equal(n.deferred, 2);
	assert_int_equal(n.mails, 2);
	assert_int_equal(n.never, 1);
	n = tally_total(&t, REPLAY_SPAMD);
	assert_int_equal(n.passed, 1);
	assert_int_equal(n.deferred, 3);
	assert_int_equal(n.never, 1);
	n = tally_total(&t, REPLAY_POSTGREY);
	assert_int_equal(n.passed, 0);
	assert_int_equal(n.never, 2);
	tally_free(&t);
}

static void percentiles_by_domain(void **state)
{
	struct tally t = {.attempts = 0};
	struct seen s = {.count = 0};
	char to[40];

	(void)state;
	/* 100 mails that wait 1..100 s, in a mixed order, and one that never passes */
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(to, sizeof(to), "u%u@y", i);
		add(&t, 1000, "a@many", to, false, false);
		add(&t, 1000 + (i * 37) % 100 + 1, "a@many", to, true, false);
	}
	add(&t, 1000, "b@many", "b@y", false, false);
	add(&t, 1000, "a@one", "b@y", true, false);
	add(&t, 1000, "", "b@y", false, false);
	add(&t, 1000, "a@none", "b@y", false, false);
	assert_int_equal(tally_domains(&t, REPLAY_OURS, see, &s), 0);
	assert_int_equal(s.count, 4);
	assert_string_equal(s.names[0], "many");
	assert_int_equal(s.rows[0].mails, 101);
	assert_int_equal(s.rows[0].never, 1);
	assert_int_equal(s.rows[0].p50, 50);
	assert_int_equal(s.rows[0].p90, 90);
	assert_int_equal(s.rows[0].p99, 99);
	assert_int_equal(s.rows[0].max, 100);
	/* as many mails: by name */
	assert_string_equal(s.names[1], "");
	assert_string_equal(s.names[2], "none");
	assert_int_equal(s.rows[2].never, 1);
	assert_string_equal(s.names[3], "one");
	assert_int_equal(s.rows[3].max, 0);
	assert_int_equal(s.rows[3].never, 0);
	tally_free(&t);
}

static void delays_are_whole_seconds(void **state)
{
	struct tally t = {.attempts = 0};
	struct seen s = {.count = 0};

	(void)state;
	add_at(&t, 999, "a@x", "b@y", false, false);
	add_at(&t, 60998, "a@x", "b@y", true, false);
	add_at(&t, 999, "a@z", "b@y", false, false);
	add_at(&t, 60999, "a@z", "b@y", true, false);
	assert_int_equal(tally_domains(&t, REPLAY_OURS, see, &s), 0);
	assert_int_equal(s.rows[0].max, 59);
	assert_int_equal(s.rows[1].max, 60);
	tally_free(&t);
}

static void nothing_is_no_domain(void **state)
{
	struct tally t = {.attempts = 0};
	struct seen s = {.count = 0};

	(void)state;
	assert_int_equal(tally_domains(&t, REPLAY_OURS, see, &s), 0);
	assert_int_equal(s.count, 0);
	assert_int_equal(tally_total(&t, REPLAY_OURS).never, 0);
	tally_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_are_counted_once),
		cmocka_unit_test(percentiles_by_domain),
		cmocka_unit_test(delays_are_whole_seconds),
		cmocka_unit_test(nothing_is_no_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
