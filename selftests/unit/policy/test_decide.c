// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "selftests/unit/policy/settings.h"
#include "selftests/unit/random.h"

static struct record grey(uint32_t first)
{
	return (struct record){
		.tag = 77,
		.first = first,
		.last = first,
		.attempts = 1,
		.state = RECORD_GREY,
		.delay_class = CLASS_DEFAULT,
		.rung = RUNG_NETWORK,
	};
}

static struct record passed(uint32_t last)
{
	struct record r = grey(last - 1000);

	r.state = RECORD_PASSED;
	r.last = last;
	r.passed = 1;
	return r;
}

static void a_record_decides_by_its_age(void **state)
{
	const struct {
		struct record record;
		enum policy_reason reason;
		uint32_t wait, age;
	} rows[] = {
		{{.tag = 77}, REASON_FIRST, 300, 0},
		{grey(NOW), REASON_EARLY, 300, 0},
		{grey(NOW - 1), REASON_EARLY, 299, 1},
		{grey(NOW - 299), REASON_EARLY, 1, 299},
		{grey(NOW - 300), REASON_MATURE, 0, 300},
		{grey(NOW - DAY), REASON_MATURE, 0, DAY},
		{grey(NOW - DAY - 1), REASON_LATE, 300, DAY + 1},
		{grey(NOW - 30 * DAY), REASON_LATE, 300, 30 * DAY},
		/* the clock was set back: the record is new, not old */
		{grey(NOW + 1), REASON_EARLY, 300, 0},
		{grey(NOW + 30 * DAY), REASON_EARLY, 300, 0},
		{passed(NOW), REASON_KNOWN, 0, 1000},
		{passed(NOW - 36 * DAY), REASON_KNOWN, 0, 36 * DAY + 1000},
		{passed(NOW - 36 * DAY - 1), REASON_FIRST, 300, 0},
		{passed(NOW + 500), REASON_KNOWN, 0, 500},
		/* records of another kind say nothing about a triplet */
		{{.tag = 77, .first = NOW - 400, .last = NOW, .state = RECORD_SOURCE},
		 REASON_FIRST,
		 300,
		 0},
		{{.tag = 77, .first = NOW - 400, .last = NOW, .state = RECORD_TRAP},
		 REASON_FIRST,
		 300,
		 0},
	};
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_decision d = decide_one(&c, &a, &rows[i].record, NOW);
		bool pass = rows[i].reason == REASON_MATURE || rows[i].reason == REASON_KNOWN;

		assert_int_equal(d.reason, rows[i].reason);
		assert_int_equal(d.verdict, pass ? POLICY_PASS : POLICY_GREY);
		assert_int_equal(d.wait, rows[i].wait);
		assert_int_equal(d.age, rows[i].age);
		assert_int_equal(d.delay_class, CLASS_DEFAULT);
		assert_int_equal(d.tag, 77);
		assert_int_equal(d.rung, RUNG_NETWORK);
	}
}

/* First attempt and retry anywhere in their seconds: mature to the thousandth, neither early nor
 * late, and the wait that is told is enough. */
static void no_part_of_a_second_ends_a_delay_early(void **state)
{
	A_TRIPLET(c, a, e, r);
	uint64_t x = 17;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		const uint64_t first = NOW * UINT64_C(1000) + random_below(&x, 5000);
		const uint64_t due = first + 300000;
		const uint64_t times[] = {due - 1 - random_below(&x, 1500), due - 1, due,
					  due + random_below(&x, 1500)};

		r = (struct record){.tag = TAG};
		e.now = (uint32_t)(first / 1000);
		a.ms = first % 1000;
		run_edit(&r, policy_edit_attempt, &e);
		for (size_t k = 0; k < 4; k++) {
			struct policy_decision d;

			a.ms = times[k] % 1000;
			d = decide_one(&c, &a, &r, (uint32_t)(times[k] / 1000));
			assert_int_equal(d.reason, times[k] < due ? REASON_EARLY : REASON_MATURE);
			assert_int_equal(d.age, (times[k] - first) / 1000);
			assert_int_equal(d.wait,
					 (due - (times[k] < due ? times[k] : due) + 999) / 1000);
		}
		/* a retry that waits still does not move the first attempt */
		a.ms = 0;
		e.now = (uint32_t)(first / 1000) + 1;
		run_edit(&r, policy_edit_attempt, &e);
		assert_int_equal(r.took, first % 1000);
		/* the clock was set back by a part of a second, or by more */
		a.ms = 0;
		assert_int_equal(decide_one(&c, &a, &r, (uint32_t)(first / 1000)).age, 0);
		e.now = NOW - 9;
		a.ms = 5;
		run_edit(&r, policy_edit_attempt, &e);
		assert_int_equal(r.first, NOW - 9);
		assert_int_equal(r.took, 5);
	}
}

static void the_class_of_the_first_attempt_stays(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
	struct record r = grey(NOW - 400);
	struct policy_decision d;

	(void)state;
	r.delay_class = CLASS_SUSPICIOUS;
	d = decide_one(&c, &a, &r, NOW);
	assert_int_equal(d.reason, REASON_EARLY);
	assert_int_equal(d.delay_class, CLASS_SUSPICIOUS);
	assert_int_equal(d.wait, 500);
	r.delay_class = CLASS_CLEAN;
	assert_int_equal(decide_one(&c, &a, &r, NOW).reason, REASON_MATURE);
	/* a late one starts over with the class of today */
	r.delay_class = CLASS_SUSPICIOUS;
	r.first = NOW - 2 * DAY;
	d = decide_one(&c, &a, &r, NOW);
	assert_int_equal(d.reason, REASON_LATE);
	assert_int_equal(d.delay_class, CLASS_DEFAULT);
	/* a class this program does not know waits like the default */
	r = grey(NOW - 299);
	r.delay_class = 7;
	assert_int_equal(decide_one(&c, &a, &r, NOW).wait, 1);
}

/* Class of the record, what is known of the host that comes now, and in which class it waits: what
 * speaks against the host counts, what it lacks or what is not known does not. */
static void suspicion_belongs_to_the_host(void **state)
{
	static const struct {
		enum policy_class record;
		struct policy_evidence e;
		enum policy_class class;
	} rows[] = {
		{CLASS_CLEAN, {.name = ""}, CLASS_CLEAN},
		{CLASS_CLEAN, {.spf = SPF_TEMPERROR}, CLASS_CLEAN},
		{CLASS_CLEAN, {.spf = SPF_SOFTFAIL}, CLASS_CLEAN},
		{CLASS_CLEAN, {.name_state = NAME_NONE}, CLASS_CLEAN},
		{CLASS_CLEAN, {.name_state = NAME_UNCONFIRMED}, CLASS_CLEAN},
		{CLASS_CLEAN,
		 {.name_state = NAME_CONFIRMED, .name = "mx2.example.org", .spf = SPF_PASS},
		 CLASS_CLEAN},
		{CLASS_CLEAN,
		 {.name_state = NAME_CONFIRMED, .name = "dsl-7.isp.example", .spf = SPF_PASS},
		 CLASS_SUSPICIOUS},
		{CLASS_CLEAN, {.spf = SPF_FAIL}, CLASS_SUSPICIOUS},
		{CLASS_CLEAN, {.list_score = 1}, CLASS_SUSPICIOUS},
		{CLASS_CLEAN, {.early_talk = true}, CLASS_SUSPICIOUS},
		{CLASS_CLEAN, {.early_pipelining = true}, CLASS_SUSPICIOUS},
		{CLASS_CLEAN, {.bad_helo = true}, CLASS_SUSPICIOUS},
		{CLASS_DEFAULT, {.early_talk = true}, CLASS_SUSPICIOUS},
		{CLASS_DEFAULT,
		 {.name_state = NAME_CONFIRMED, .name = "mx2.example.org", .spf = SPF_PASS},
		 CLASS_DEFAULT},
		/* good evidence does not wash off what the first attempt was */
		{CLASS_SUSPICIOUS,
		 {.name_state = NAME_CONFIRMED, .name = "mx2.example.org", .spf = SPF_PASS},
		 CLASS_SUSPICIOUS},
		{CLASS_SUSPICIOUS, {.early_talk = true}, CLASS_SUSPICIOUS},
	};
	static const enum policy_rung rungs[] = {RUNG_SPF, RUNG_NETWORK, RUNG_ADDRESS};
	struct policy_attempt a = attempt("198.51.100.7", "a@x", "b@y");
	struct policy_conf c = settings();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 3; k++) {
			const uint32_t delay = c.delay[rows[i].class];
			const struct policy_identity id = {rungs[k], 77};
			struct record r = grey(NOW - 50);
			struct policy_decision d;

			r.delay_class = rows[i].record;
			a.evidence = &rows[i].e;
			d = policy_decide(&c, &a, &id, &r, 1, NOW);
			if (d.delay_class != rows[i].class)
				fail_msg("row %zu: %s", i, policy_class_text(d.delay_class));
			assert_int_equal(d.reason, REASON_EARLY);
			/* since the first attempt, not since the host's own */
			assert_int_equal(d.wait, delay - 50);
			d = policy_decide(&c, &a, &id, &r, 1, r.first + delay - 1);
			assert_int_equal(d.verdict, POLICY_GREY);
			assert_int_equal(d.wait, 1);
			d = policy_decide(&c, &a, &id, &r, 1, r.first + delay);
			assert_int_equal(d.reason, REASON_MATURE);
			/* what was delivered waits no more, whoever brings it */
			r = passed(NOW - 50);
			assert_int_equal(policy_decide(&c, &a, &id, &r, 1, NOW).reason,
					 REASON_KNOWN);
			/* and who is exempt does not at all */
			r = grey(NOW - 50);
			a.exempt = true;
			assert_int_equal(policy_decide(&c, &a, &id, &r, 1, NOW).reason,
					 REASON_EXEMPT);
			a.exempt = false;
		}
}

static void modes_and_exemptions_come_before_records(void **state)
{
	static const struct {
		enum policy_mode mode;
		bool exempt;
		const char *recipient;
		bool mature;
		enum policy_reason reason;
		enum policy_class class;
	} rows[] = {
		{POLICY_ENFORCE, false, "b@y", false, REASON_FIRST, CLASS_DEFAULT},
		{POLICY_ENFORCE, false, "b@y", true, REASON_MATURE, CLASS_DEFAULT},
		{POLICY_ENFORCE, true, "b@y", false, REASON_EXEMPT, CLASS_EXEMPT},
		{POLICY_ENFORCE, true, "b@y", true, REASON_EXEMPT, CLASS_EXEMPT},
		{POLICY_ENFORCE, false, "postmaster@y", false, REASON_EXEMPT, CLASS_EXEMPT},
		{POLICY_ENFORCE, false, "ABUSE@y", false, REASON_EXEMPT, CLASS_EXEMPT},
		{POLICY_LEARN, false, "b@y", false, REASON_LEARN, CLASS_DEFAULT},
		{POLICY_LEARN, false, "b@y", true, REASON_MATURE, CLASS_DEFAULT},
		{POLICY_LEARN, true, "b@y", false, REASON_EXEMPT, CLASS_EXEMPT},
		{POLICY_OFF, false, "b@y", false, REASON_OFF, CLASS_DEFAULT},
		{POLICY_OFF, true, "b@y", true, REASON_OFF, CLASS_DEFAULT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_attempt a = attempt("192.0.2.1", "a@x", rows[i].recipient);
		struct policy_conf c = settings();
		struct record r = {.tag = 77};
		struct policy_decision d;

		if (rows[i].mature)
			r = grey(NOW - 400);
		a.exempt = rows[i].exempt;
		c.mode = rows[i].mode;
		d = decide_one(&c, &a, &r, NOW);
		assert_int_equal(d.reason, rows[i].reason);
		assert_int_equal(d.delay_class, rows[i].class);
		assert_int_equal(d.verdict, d.reason == REASON_FIRST ? POLICY_GREY : POLICY_PASS);
		if (d.verdict == POLICY_PASS)
			assert_int_equal(d.wait, 0);
	}
}

static void the_null_sender_waits_like_others(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.1", "", "b@y");
	struct record none = {.tag = 77}, r = grey(NOW - 300);

	(void)state;
	assert_int_equal(decide_one(&c, &a, &none, NOW).reason, REASON_FIRST);
	assert_int_equal(decide_one(&c, &a, &r, NOW).reason, REASON_MATURE);
}

static void the_furthest_of_all_rungs_decides(void **state)
{
	const struct record kinds[] = {
		{.tag = 0}, grey(NOW - 2 * DAY), grey(NOW - 10), grey(NOW - 300), passed(NOW - 10)};
	static const enum policy_reason order[] = {REASON_FIRST, REASON_LATE, REASON_EARLY,
						   REASON_MATURE, REASON_KNOWN};
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
	const struct policy_identity ids[2] = {{RUNG_NAME, 11}, {RUNG_NETWORK, 22}};
	struct policy_conf c = settings();

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 5; j++) {
			const struct record pair[2] = {kinds[i], kinds[j]};
			struct policy_decision d = policy_decide(&c, &a, ids, pair, 2, NOW);

			assert_int_equal(d.reason, order[i > j ? i : j]);
			/* equal ones: the stronger rung, which is asked first */
			assert_int_equal(d.tag, j > i ? 22 : 11);
			assert_int_equal(d.rung, j > i ? RUNG_NETWORK : RUNG_NAME);
		}
	}
}

static void of_two_early_rungs_the_shorter_wait_counts(void **state)
{
	const struct record pair[2] = {grey(NOW - 10), grey(NOW - 200)};
	const struct policy_identity ids[2] = {{RUNG_NAME, 11}, {RUNG_NETWORK, 22}};
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
	struct policy_conf c = settings();
	struct policy_decision d = policy_decide(&c, &a, ids, pair, 2, NOW);

	(void)state;
	assert_int_equal(d.reason, REASON_EARLY);
	assert_int_equal(d.tag, 22);
	assert_int_equal(d.wait, 100);
}

static void without_identities_an_attempt_is_a_first_one(void **state)
{
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
	struct policy_conf c = settings();

	(void)state;
	assert_int_equal(policy_decide(&c, &a, NULL, NULL, 0, NOW).verdict, POLICY_GREY);
	c.mode = POLICY_OFF;
	assert_int_equal(policy_decide(&c, &a, NULL, NULL, 0, NOW).verdict, POLICY_PASS);
}

static void delays_stay_within_their_jitter(void **state)
{
	struct policy_conf c = settings();
	uint64_t x = 1;

	(void)state;
	for (c.jitter = 0; c.jitter <= 50; c.jitter += 10) {
		for (enum policy_class cl = CLASS_CLEAN; cl < CLASS_MAX; cl++) {
			uint32_t spread = c.delay[cl] * c.jitter / 100;
			uint32_t low = UINT32_MAX, high = 0;

			for (int i = 0; i < 5000; i++) {
				uint64_t tag = random_next(&x);
				uint32_t d = policy_delay(&c, cl, tag);

				assert_int_equal(policy_delay(&c, cl, tag), d);
				if (d < low)
					low = d;
				if (d > high)
					high = d;
			}
			uint32_t least = c.delay[cl] - spread;

			/* what repeats within a minute gains nothing by the jitter */
			if (least < 60)
				least = 60;
			assert_in_range(low, least, c.delay[cl]);
			assert_in_range(high, c.delay[cl], c.delay[cl] + spread);
			/* and use it: a jitter that never comes near its bounds is none */
			assert_true(low <= least + spread / 20);
			assert_true(high >= c.delay[cl] + spread - spread / 20);
		}
	}
}

static void a_delay_never_outlasts_the_window(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
	struct record r = grey(NOW - 500);

	(void)state;
	c.window = 1000;
	c.delay[CLASS_DEFAULT] = UINT32_MAX;
	c.jitter = 50;
	assert_int_equal(policy_delay(&c, CLASS_DEFAULT, 5), 500);
	assert_int_equal(decide_one(&c, &a, &r, NOW).reason, REASON_MATURE);
}

static void jitter_depends_on_the_secret(void **state)
{
	struct policy_conf c = settings();
	uint32_t before[64], changed = 0;

	(void)state;
	c.jitter = 20;
	for (uint64_t t = 0; t < 64; t++)
		before[t] = policy_delay(&c, CLASS_SUSPICIOUS, t + 1);
	c.key[0] ^= 1;
	for (uint64_t t = 0; t < 64; t++)
		changed += before[t] != policy_delay(&c, CLASS_SUSPICIOUS, t + 1);
	assert_true(changed > 48);
}

static void minutes_are_rounded_up(void **state)
{
	static const struct {
		uint32_t wait, minutes;
	} rows[] = {
		{0, 1},
		{1, 1},
		{60, 1},
		{61, 2},
		{299, 5},
		{300, 5},
		{301, 6},
		{840, 14},
		{841, 15},
		{900, 15},
		{901, 20},
		{1200, 20},
		{1201, 25},
		{3600, 60},
		{3601, 65},
		{86400, 1440},
		{UINT32_MAX, 71582790},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(policy_minutes(rows[i].wait), rows[i].minutes);
}

static void minutes_never_promise_too_early(void **state)
{
	(void)state;
	for (uint32_t wait = 0; wait < 20000; wait++) {
		assert_true(policy_minutes(wait) * 60 >= wait);
		assert_true(policy_minutes(wait) <= policy_minutes(wait + 1));
	}
}

static void records_are_over_in_their_time(void **state)
{
	static const struct {
		enum record_state state;
		uint32_t first_ago, last_ago;
		bool over;
	} rows[] = {
		{RECORD_NONE, 0, 0, true},
		{RECORD_GREY, DAY, DAY, false},
		{RECORD_GREY, DAY + 1, 0, true}, /* retries do not extend it */
		{RECORD_PASSED, 90 * DAY, 36 * DAY, false},
		{RECORD_PASSED, 90 * DAY, 36 * DAY + 1, true},
		{RECORD_SOURCE, 90 * DAY, 36 * DAY, false},
		{RECORD_SOURCE, 90 * DAY, 36 * DAY + 1, true},
		{RECORD_TRAP, 5000 * DAY, 5000 * DAY, false},
		{9, 0, 0, true},
	};
	struct policy_conf c = settings();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record r = {.tag = 1, .state = (uint8_t)rows[i].state};

		r.first = NOW - rows[i].first_ago;
		r.last = NOW - rows[i].last_ago;
		assert_int_equal(policy_expired(&c, &r, NOW), rows[i].over);
		r.first = r.last = NOW + 1000;
		if (rows[i].state >= RECORD_GREY && rows[i].state <= RECORD_TRAP)
			assert_false(policy_expired(&c, &r, NOW));
	}
}

/* Whatever the record's class and jitter: grey until a moment, then mature until the window ends,
 * never back; and the wait counts down second by second. */
static void decisions_are_monotone_in_time(void **state)
{
	struct policy_attempt a = attempt("2001:db8::1", "a@x", "b@y");
	struct policy_conf c = settings();
	uint64_t x = 7;

	(void)state;
	c.jitter = 20;
	for (int round = 0; round < 200; round++) {
		/* every other one lies across the wrap of the clock in 2106 */
		struct record r =
			grey(round % 2 ? UINT32_MAX - (uint32_t)(random_next(&x) % DAY) : NOW);
		uint32_t wait = UINT32_MAX, t = 0;
		bool mature = false;

		r.tag = random_next(&x);
		r.delay_class = (uint8_t)(1 + random_next(&x) % 3);
		for (; t <= c.window; t += 1 + (uint32_t)(random_next(&x) % 200)) {
			struct policy_decision d = decide_one(&c, &a, &r, r.first + t);

			assert_int_equal(d.age, t);
			assert_true(d.wait <= wait);
			assert_int_equal(d.verdict == POLICY_PASS, d.wait == 0);
			if (mature)
				assert_int_equal(d.reason, REASON_MATURE);
			if (d.verdict == POLICY_GREY)
				assert_int_equal(t + d.wait,
						 policy_delay(&c, r.delay_class, r.tag));
			mature = d.reason == REASON_MATURE;
			wait = d.wait;
		}
		assert_true(mature);
		assert_int_equal(decide_one(&c, &a, &r, r.first + c.window).reason, REASON_MATURE);
		assert_int_equal(decide_one(&c, &a, &r, r.first + c.window + 1).reason,
				 REASON_LATE);
	}
}

/* No settings and no time let an unknown triplet through in enforce mode. */
static void nothing_unknown_passes_a_first_attempt(void **state)
{
	uint64_t x = 99;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct policy_attempt a = attempt("192.0.2.1", round % 3 ? "a@x" : "", "b@y");
		struct policy_conf c = settings();
		struct record r = {.tag = random_next(&x)};
		struct policy_decision d;

		for (int cl = 0; cl < CLASS_MAX; cl++)
			c.delay[cl] = (uint32_t)(random_next(&x) % 3000);
		c.jitter = (uint32_t)(random_next(&x) % 51);
		c.window = (uint32_t)(random_next(&x) % (2 * DAY));
		c.keep = (uint32_t)(random_next(&x) % (40 * DAY));
		d = decide_one(&c, &a, &r, (uint32_t)random_next(&x));
		assert_int_equal(d.verdict, POLICY_GREY);
		assert_int_equal(d.reason, REASON_FIRST);
	}
}

static void traps_double_up_to_their_cap(void **state)
{
	static const struct {
		uint32_t life, max;
		uint8_t repeats;
		uint32_t want;
	} rows[] = {
		{DAY, 30 * DAY, 0, DAY},          {DAY, 30 * DAY, 1, 2 * DAY},
		{DAY, 30 * DAY, 4, 16 * DAY},     {DAY, 30 * DAY, 5, 30 * DAY},
		{DAY, 30 * DAY, 255, 30 * DAY},   {DAY, HOUR, 0, HOUR},
		{1, UINT32_MAX, 255, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(policy_trap_life(rows[i].life, rows[i].max, rows[i].repeats),
				 rows[i].want);
}

static void a_delivery_marks_what_was_new(void **state)
{
	const struct policy_identity ids[2] = {{RUNG_SPF, 11}, {RUNG_NETWORK, 22}};
	struct policy_decision d = {.reason = REASON_MATURE, .tag = 22};

	(void)state;
	assert_true(policy_marks(&d, &ids[0]));
	assert_true(policy_marks(&d, &ids[1]));
	d.reason = REASON_KNOWN;
	assert_false(policy_marks(&d, &ids[0]));
	assert_true(policy_marks(&d, &ids[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_decides_by_its_age),
		cmocka_unit_test(no_part_of_a_second_ends_a_delay_early),
		cmocka_unit_test(the_class_of_the_first_attempt_stays),
		cmocka_unit_test(suspicion_belongs_to_the_host),
		cmocka_unit_test(modes_and_exemptions_come_before_records),
		cmocka_unit_test(the_null_sender_waits_like_others),
		cmocka_unit_test(the_furthest_of_all_rungs_decides),
		cmocka_unit_test(of_two_early_rungs_the_shorter_wait_counts),
		cmocka_unit_test(without_identities_an_attempt_is_a_first_one),
		cmocka_unit_test(delays_stay_within_their_jitter),
		cmocka_unit_test(a_delay_never_outlasts_the_window),
		cmocka_unit_test(jitter_depends_on_the_secret),
		cmocka_unit_test(minutes_are_rounded_up),
		cmocka_unit_test(minutes_never_promise_too_early),
		cmocka_unit_test(records_are_over_in_their_time),
		cmocka_unit_test(decisions_are_monotone_in_time),
		cmocka_unit_test(nothing_unknown_passes_a_first_attempt),
		cmocka_unit_test(traps_double_up_to_their_cap),
		cmocka_unit_test(a_delivery_marks_what_was_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
