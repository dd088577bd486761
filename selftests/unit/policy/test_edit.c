// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "selftests/unit/policy/settings.h"
#include "selftests/unit/random.h"

static const table_edit_fn edits[] = {policy_edit_attempt, policy_edit_delivered,
				      policy_edit_source};

static void a_first_attempt_makes_a_record(void **state)
{
	static const struct {
		const char *src;
		uint8_t is4, net[8];
	} rows[] = {
		{"192.0.2.7", 1, {192, 0, 2, 7}},
		{"2001:db8:1:2:3:4:5:6", 0, {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2}},
	};
	struct policy_conf c = settings();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct policy_attempt a = attempt(rows[i].src, "a@x", "b@y");
		struct policy_edit e = edit_of(&c, &a, NOW);
		struct record r = {.tag = TAG};

		e.delay_class = CLASS_SUSPICIOUS;
		assert_true(run_edit(&r, policy_edit_attempt, &e));
		assert_int_equal(r.tag, TAG);
		assert_int_equal(r.state, RECORD_GREY);
		assert_int_equal(r.first, NOW);
		assert_int_equal(r.last, NOW);
		assert_int_equal(r.attempts, 1);
		assert_int_equal(r.passed, 0);
		assert_int_equal(r.delay_class, CLASS_SUSPICIOUS);
		assert_int_equal(r.rung, RUNG_NETWORK);
		assert_int_equal(r.is4, rows[i].is4);
		assert_memory_equal(r.net, rows[i].net, 8);
		assert_int_equal(e.before.state, RECORD_NONE);
		assert_memory_equal(&e.after, &r, sizeof(r));
	}
}

static void a_retry_touches_and_keeps_the_class(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct policy_attempt b = attempt("192.0.2.8", "a@x", "b@y");
	struct policy_edit e = edit_of(&c, &a, NOW), f = edit_of(&c, &b, NOW + DAY);
	struct record r = {.tag = TAG}, first;

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	first = r;
	f.delay_class = CLASS_CLEAN;
	assert_true(run_edit(&r, policy_edit_attempt, &f));
	assert_int_equal(r.first, NOW);
	assert_int_equal(r.last, NOW + DAY);
	assert_int_equal(r.attempts, 2);
	assert_int_equal(r.delay_class, CLASS_DEFAULT);
	assert_int_equal(r.net[3], 8);
	assert_memory_equal(&f.before, &first, sizeof(first));
}

static void an_attempt_after_the_window_is_a_first_one(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct policy_edit e = edit_of(&c, &a, NOW), f = edit_of(&c, &a, NOW + DAY + 1);
	struct record r = {.tag = TAG};

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	run_edit(&r, policy_edit_attempt, &e);
	f.delay_class = CLASS_SUSPICIOUS;
	assert_true(run_edit(&r, policy_edit_attempt, &f));
	assert_int_equal(r.first, NOW + DAY + 1);
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.delay_class, CLASS_SUSPICIOUS);
	assert_int_equal(f.before.first, NOW);
}

static void a_clock_set_back_restarts_the_wait(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct policy_edit e = edit_of(&c, &a, NOW + 10 * DAY), f = edit_of(&c, &a, NOW);
	struct record r = {.tag = TAG};

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	run_edit(&r, policy_edit_attempt, &f);
	assert_int_equal(r.first, NOW);
	assert_int_equal(r.last, NOW);
	assert_int_equal(r.attempts, 2);
	assert_int_equal(decide_one(&c, &a, &r, NOW + 300).reason, REASON_MATURE);
}

static void a_delivery_turns_grey_into_passed_and_slides(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	e.now = NOW + 400;
	assert_true(run_edit(&r, policy_edit_delivered, &e));
	assert_int_equal(r.state, RECORD_PASSED);
	assert_int_equal(r.first, NOW);
	assert_int_equal(r.last, NOW + 400);
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.passed, 1);
	assert_true(e.first_pass);
	assert_int_equal(e.before.state, RECORD_GREY);
	assert_int_equal(e.after.state, RECORD_PASSED);

	/* an attempt on it changes nothing */
	e.now = NOW + 500;
	assert_false(run_edit(&r, policy_edit_attempt, &e));
	assert_int_equal(r.last, NOW + 400);
	assert_memory_equal(&e.after, &r, sizeof(r));

	/* the next delivery slides it, and is no first one */
	e.now = NOW + 400 + 36 * DAY;
	assert_true(run_edit(&r, policy_edit_delivered, &e));
	assert_int_equal(r.last, e.now);
	assert_int_equal(r.passed, 2);
	assert_false(e.first_pass);

	/* idle for longer than keep: over, and grey again */
	e.now += 36 * DAY + 1;
	assert_true(run_edit(&r, policy_edit_attempt, &e));
	assert_int_equal(r.state, RECORD_GREY);
	assert_int_equal(r.first, e.now);
	assert_int_equal(r.passed, 0);
	assert_int_equal(e.before.state, RECORD_PASSED);
}

static void a_message_may_end_after_the_window(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	run_edit(&r, policy_edit_attempt, &e);
	e.now = NOW + DAY + 60;
	assert_true(run_edit(&r, policy_edit_delivered, &e));
	assert_int_equal(r.state, RECORD_PASSED);
	assert_int_equal(r.first, NOW);
	assert_true(e.first_pass);
	assert_int_equal(e.before.first, NOW);
}

static void a_delivery_needs_no_record(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	assert_true(run_edit(&r, policy_edit_delivered, &e));
	assert_int_equal(r.state, RECORD_PASSED);
	assert_int_equal(r.attempts, 1);
	assert_int_equal(r.passed, 1);
	assert_true(e.first_pass);
	assert_int_equal(e.before.state, RECORD_NONE);
}

static void distinct_triplets_promote_at_the_threshold(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("2001:db8::7", "a@x", "b@y");

	(void)state;
	for (c.promote_after = 0; c.promote_after < 6; c.promote_after++) {
		struct record r = {.tag = TAG};

		for (uint32_t n = 1; n <= 8; n++) {
			struct policy_edit e = edit_of(&c, &a, NOW + n);

			assert_true(run_edit(&r, policy_edit_source, &e));
			assert_int_equal(r.state, RECORD_SOURCE);
			assert_int_equal(r.passed, n);
			assert_int_equal(r.first, NOW + 1);
			assert_int_equal(r.last, NOW + n);
			assert_int_equal(e.promote, c.promote_after && n >= c.promote_after);
		}
	}
}

static void an_idle_source_starts_over(void **state)
{
	A_TRIPLET(c, a, e, r);

	(void)state;
	run_edit(&r, policy_edit_source, &e);
	e.now = NOW + 36 * DAY + 1;
	assert_true(run_edit(&r, policy_edit_source, &e));
	assert_int_equal(r.passed, 1);
	assert_false(e.promote);
	assert_int_equal(r.first, e.now);
}

/* What proves no retry can never promote, through either door. */
static void some_deliveries_never_count(void **state)
{
	static const struct {
		enum policy_mode mode;
		const char *sender, *recipient;
		bool exempt, counts;
	} rows[] = {
		{POLICY_ENFORCE, "a@x", "b@y", false, true},
		{POLICY_ENFORCE, "", "b@y", false, false},
		{POLICY_ENFORCE, "a@x", "b@y", true, false},
		{POLICY_ENFORCE, "a@x", "postmaster@y", false, false},
		{POLICY_ENFORCE, "a@x", "Abuse@y", false, false},
		{POLICY_LEARN, "a@x", "b@y", false, false},
		{POLICY_OFF, "a@x", "b@y", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_attempt a = attempt("192.0.2.7", rows[i].sender, rows[i].recipient);
		struct policy_conf c = settings();
		struct policy_edit e = edit_of(&c, &a, NOW);
		struct record triplet = {.tag = TAG}, source = {.tag = TAG}, before;

		a.exempt = rows[i].exempt;
		c.mode = rows[i].mode;
		c.promote_after = 1;
		run_edit(&triplet, policy_edit_attempt, &e);
		e.now = NOW + 400;
		run_edit(&triplet, policy_edit_delivered, &e);
		assert_int_equal(triplet.state, RECORD_PASSED);
		assert_int_equal(e.first_pass, rows[i].counts);
		assert_int_equal(run_edit(&source, policy_edit_source, &e), rows[i].counts);
		assert_int_equal(e.promote, rows[i].counts);
		assert_int_equal(e.after.state, rows[i].counts ? RECORD_SOURCE : RECORD_NONE);

		/* nor does it move a source that stands before the threshold */
		source = (struct record){
			.tag = TAG, .first = NOW, .last = NOW, .passed = 9, .state = RECORD_SOURCE};
		before = source;
		if (!rows[i].counts) {
			assert_false(run_edit(&source, policy_edit_source, &e));
			assert_memory_equal(&source, &before, sizeof(source));
			assert_false(e.promote);
		}
	}
}

/* A network counts each of its addresses once: when that address reaches its own threshold. */
static void sources_promote_their_network(void **state)
{
	struct policy_conf c = settings();
	struct record network = {.tag = TAG + 1};
	uint32_t promoted = 0;

	(void)state;
	for (uint32_t host = 1; host <= 6; host++) {
		struct record source = {.tag = TAG};

		for (uint32_t n = 1; n <= 5; n++) {
			struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
			struct policy_edit e = edit_of(&c, &a, NOW + n), f = e;

			a.src.b[15] = (uint8_t)host;
			assert_true(run_edit(&source, policy_edit_source, &e));
			assert_int_equal(e.reached, n == c.promote_after);
			if (!e.reached)
				continue;
			assert_true(run_edit(&network, policy_edit_network, &f));
			assert_int_equal(network.passed, host);
			assert_int_equal(f.promote, host >= c.promote_net_after);
			assert_int_equal(f.reached, host == c.promote_net_after);
			promoted += f.reached;
		}
	}
	assert_int_equal(promoted, 1);
}

/* To demote is to delete the record: what follows is what followed the first time. */
static void demotion_undoes_promotion(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct record first[8], r;
	uint64_t x = 4;

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint32_t n = 1 + random_below(&x, 8);

		c.promote_after = random_below(&x, 6);
		for (int life = 0; life < 2; life++) {
			r = (struct record){.tag = TAG};
			for (uint32_t i = 0; i < n; i++) {
				struct policy_edit e = edit_of(&c, &a, NOW + i);

				run_edit(&r, policy_edit_source, &e);
				assert_int_equal(e.promote,
						 c.promote_after && i + 1 >= c.promote_after);
				if (!life)
					first[i] = r;
				else
					assert_memory_equal(&first[i], &r, sizeof(r));
			}
		}
	}
}

/* Patience keeps its class; each attempt beyond n a minute lowers it by one, for good. */
static void hammering_lowers_the_class(void **state)
{
	static const struct {
		uint32_t hammer, every, attempts;
		enum policy_class from, to;
	} rows[] = {
		{10, 1, 10, CLASS_CLEAN, CLASS_CLEAN},
		{10, 1, 11, CLASS_CLEAN, CLASS_DEFAULT},
		{10, 1, 12, CLASS_CLEAN, CLASS_SUSPICIOUS},
		{10, 1, 50, CLASS_CLEAN, CLASS_SUSPICIOUS},
		{10, 6, 500, CLASS_CLEAN, CLASS_CLEAN},
		{10, 5, 500, CLASS_CLEAN, CLASS_SUSPICIOUS},
		{10, 60, 1000, CLASS_DEFAULT, CLASS_DEFAULT},
		{1, 30, 2, CLASS_DEFAULT, CLASS_SUSPICIOUS},
		{0, 1, 1000, CLASS_CLEAN, CLASS_CLEAN},
		{65535, 0, 60000, CLASS_CLEAN, CLASS_CLEAN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
		struct policy_conf c = settings();
		struct record r = {.tag = TAG};

		c.hammer = rows[i].hammer;
		for (uint32_t n = 0; n < rows[i].attempts; n++) {
			struct policy_edit e = edit_of(&c, &a, NOW + n * rows[i].every);

			e.delay_class = rows[i].from;
			run_edit(&r, policy_edit_attempt, &e);
		}
		if (r.delay_class != rows[i].to)
			fail_msg("row %zu: %s", i, policy_class_text(r.delay_class));
		assert_int_equal(r.first, NOW);
	}
}

static void counters_saturate(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct policy_edit e = edit_of(&c, &a, NOW);
	struct record r = {.tag = TAG,
			   .first = NOW,
			   .last = NOW,
			   .attempts = UINT16_MAX - 1,
			   .passed = UINT16_MAX - 1,
			   .state = RECORD_GREY};

	(void)state;
	for (int i = 0; i < 3; i++)
		run_edit(&r, policy_edit_attempt, &e);
	assert_int_equal(r.attempts, UINT16_MAX);
	for (int i = 0; i < 3; i++)
		run_edit(&r, policy_edit_delivered, &e);
	assert_int_equal(r.passed, UINT16_MAX);
	r = (struct record){.tag = TAG,
			    .first = NOW,
			    .last = NOW,
			    .passed = UINT16_MAX,
			    .state = RECORD_SOURCE};
	run_edit(&r, policy_edit_source, &e);
	assert_int_equal(r.passed, UINT16_MAX);
	assert_true(e.promote);
}

static void victims_come_in_order(void **state)
{
	static const struct {
		uint8_t state;
		uint32_t last;
	} best_first[] = {
		{RECORD_GREY, NOW - 36 * DAY}, {RECORD_GREY, NOW - 100}, {RECORD_GREY, NOW},
		{RECORD_GREY, UINT32_MAX},     {RECORD_PASSED, 0},       {RECORD_PASSED, NOW - 100},
		{RECORD_PASSED, NOW},          {RECORD_SOURCE, 0},       {RECORD_SOURCE, NOW},
		{RECORD_SOURCE, UINT32_MAX},
	};
	uint32_t last = UINT32_MAX;
	struct record r = {.tag = TAG};
	struct cell cell;

	(void)state;
	for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
		r.state = best_first[i].state;
		r.last = best_first[i].last;
		cell = record_cell(&r);
		assert_true(policy_rank(&cell, NULL) < last);
		assert_int_not_equal(policy_rank(&cell, NULL), 0);
		last = policy_rank(&cell, NULL);
	}
	r.state = RECORD_TRAP;
	cell = record_cell(&r);
	assert_int_equal(policy_rank(&cell, NULL), 0);
}

/* The order in which workers get to a record's bucket is chance: once a delivery is among the
 * edits, the triplet is passed, counted once, whatever the order. */
static void any_order_of_edits_ends_the_same(void **state)
{
	struct policy_conf c = settings();
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	uint64_t x = 5;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct policy_edit e = edit_of(&c, &a, NOW);
		struct record r = {.tag = TAG};
		int first_passes = 0, delivered = 0;

		run_edit(&r, policy_edit_attempt, &e);
		e.now = NOW + 300 + (uint32_t)(random_next(&x) % DAY / 2);
		for (int i = 0; i < 8; i++) {
			int which = (int)(random_next(&x) % 2);

			run_edit(&r, edits[which], &e);
			if (which == 1) {
				delivered++;
				first_passes += e.first_pass;
			}
		}
		assert_int_equal(r.first, NOW);
		assert_int_equal(r.passed, delivered);
		assert_int_equal(first_passes, delivered > 0);
		assert_int_equal(r.state, delivered ? RECORD_PASSED : RECORD_GREY);
	}
}

/* A long life under a wandering clock, also across 2106: what decide calls mature or known passes,
 * what it calls grey had no delay's worth of age; the records never hold impossible values. */
static void decisions_and_edits_agree(void **state)
{
	struct policy_attempt a = attempt("192.0.2.7", "a@x", "b@y");
	struct policy_conf c = settings();
	uint64_t x = 11;

	(void)state;
	c.jitter = 20;
	for (int life = 0; life < 300; life++) {
		uint32_t now = life % 2 ? UINT32_MAX - 2 * DAY : NOW;
		struct record r = {.tag = random_next(&x)};

		for (int step = 0; step < 60; step++) {
			struct policy_edit e = edit_of(&c, &a, now);
			struct policy_decision d = decide_one(&c, &a, &r, now);
			struct record before = r;

			if (d.verdict == POLICY_GREY) {
				assert_true(run_edit(&r, policy_edit_attempt, &e));
				assert_int_equal(r.state, RECORD_GREY);
				if (d.reason == REASON_FIRST || d.reason == REASON_LATE)
					assert_int_equal(r.first, now);
				else
					assert_true(now - r.first <
						    policy_delay(&c, r.delay_class, r.tag));
				/* what the sender is told holds */
				assert_int_equal(decide_one(&c, &a, &r, now + d.wait).reason,
						 REASON_MATURE);
			} else {
				assert_true(before.state == RECORD_GREY ||
					    before.state == RECORD_PASSED);
				if (random_next(&x) % 2) {
					assert_true(run_edit(&r, policy_edit_delivered, &e));
					assert_int_equal(r.state, RECORD_PASSED);
				}
			}
			assert_true((int32_t)(r.last - r.first) >= 0);
			assert_false(policy_expired(&c, &r, now) && d.verdict == POLICY_PASS);
			now += (uint32_t)(random_next(&x) % (step % 5 ? 600 : 2 * DAY));
			if (random_next(&x) % 16 == 0)
				now -= (uint32_t)(random_next(&x) % HOUR);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_attempt_makes_a_record),
		cmocka_unit_test(a_retry_touches_and_keeps_the_class),
		cmocka_unit_test(an_attempt_after_the_window_is_a_first_one),
		cmocka_unit_test(a_clock_set_back_restarts_the_wait),
		cmocka_unit_test(a_delivery_turns_grey_into_passed_and_slides),
		cmocka_unit_test(a_message_may_end_after_the_window),
		cmocka_unit_test(a_delivery_needs_no_record),
		cmocka_unit_test(distinct_triplets_promote_at_the_threshold),
		cmocka_unit_test(an_idle_source_starts_over),
		cmocka_unit_test(some_deliveries_never_count),
		cmocka_unit_test(sources_promote_their_network),
		cmocka_unit_test(demotion_undoes_promotion),
		cmocka_unit_test(hammering_lowers_the_class),
		cmocka_unit_test(counters_saturate),
		cmocka_unit_test(victims_come_in_order),
		cmocka_unit_test(any_order_of_edits_ends_the_same),
		cmocka_unit_test(decisions_and_edits_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
