// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "selftests/unit/random.h"
#include "selftests/unit/replay/trace.h"

#define BOB "bob@example.net"

static void a_bad_helo_is_evidence(void **state)
{
	struct replay_conf c = settings();
	struct replay *r = engine(&c);
	struct replay_attempt a = {.helo = "localhost", .sender = "a@b.example", .recipient = BOB};
	struct replay_answer v;

	(void)state;
	assert_int_equal(addr_parse("192.0.2.7", &a.src), 0);
	assert_int_equal(replay_evidence(&a, "mx.b.example", "pass"), 0);
	assert_int_equal(replay_next(r, &a, &v), 0);
	assert_string_equal(v.delay_class, "suspicious");
	a.sender = "c@b.example";
	a.helo = "";
	assert_int_equal(replay_next(r, &a, &v), 0);
	assert_string_equal(v.delay_class, "clean");
	replay_free(&r);
}

/* ---- promotion and traps ---- */

static void deliver(struct replay *r, uint32_t at, const char *src, const char *sender)
{
	assert_string_equal(try(r, at, src, sender, BOB, NULL, NULL).verdict, "grey");
	assert_string_equal(try(r, at + 1000, src, sender, BOB, NULL, NULL).reason, "mature");
}

static void sources_and_networks_earn_and_lose_their_place(void **state)
{
	static char trap[] = "old@example.net";
	char *const traps[] = {trap};
	struct replay_conf c = settings();
	struct replay_answer v;
	struct replay *r;
	uint32_t at = 0;

	(void)state;
	c.traps = traps;
	c.trap_count = 1;
	r = engine(&c);
	for (int life = 0; life < 2; life++) {
		for (uint32_t host = 1; host <= 4; host++) {
			char src[40], sender[80];

			snprintf(src, sizeof(src), "192.0.2.%u", host);
			snprintf(sender, sizeof(sender), "one%u.%u@s.example", life, host);
			assert_string_equal(
				try(r, at, src, "new@s.example", BOB, NULL, NULL).verdict, "grey");
			deliver(r, at, src, sender);
			sender[0] = 'x';
			deliver(r, at + 2000, src, sender);
			v = try(r, at + 3001, src, "never.seen@s.example", BOB, NULL, NULL);
			assert_string_equal(v.verdict, "allow");
			assert_string_equal(v.identity, "address");
			at += 2 * DAY; /* what waited is over */
		}
		/* four hosts: the whole network, and no other */
		v = try(r, at, "192.0.2.200", "never.seen@s.example", BOB, NULL, NULL);
		assert_string_equal(v.verdict, "allow");
		assert_string_equal(v.identity, "network");
		v = try(r, at, "192.0.3.1", "never.seen@s.example", BOB, NULL, NULL);
		assert_string_equal(v.verdict, "grey");
		/* a trap takes the host's place and the network's; the other hosts keep theirs */
		v = try(r, at, "192.0.2.4", "a@s.example", trap, NULL, NULL);
		assert_string_equal(v.verdict, "deny");
		assert_string_equal(v.reason, "trap");
		v = try(r, at + 1, "192.0.2.4", "a@s.example", BOB, NULL, NULL);
		assert_string_equal(v.reason, "trapped");
		v = try(r, at + 1, "192.0.2.201", "never.seen@s.example", BOB, NULL, NULL);
		assert_string_equal(v.verdict, "grey");
		v = try(r, at + 1, "192.0.2.1", "never.seen@s.example", BOB, NULL, NULL);
		assert_string_equal(v.verdict, "allow");
		at += 50 *
		      DAY; /* idle: all of it is forgotten, and the second life is as the first */
	}
	assert_int_equal(replay_total(r, REPLAY_OURS).denied, 4);
	replay_free(&r);
}

/* The whole domain unused.example is one. */
static struct replay *engine_with_trap(void)
{
	static char trap[] = "@unused.example";
	static char *const traps[] = {trap};
	struct replay_conf c = settings();

	c.traps = traps;
	c.trap_count = 1;
	return engine(&c);
}

static void a_trap_ends_by_itself(void **state)
{
	struct replay *r = engine_with_trap();

	(void)state;
	/* never for the null sender */
	assert_string_equal(try(r, 0, "192.0.2.1", "", "x@unused.example", NULL, NULL).verdict,
			    "grey");
	assert_string_equal(
		try(r, 0, "192.0.2.1", "a@s.example", "x@unused.example", NULL, NULL).reason,
		"trap");
	/* each further mail starts the clock again */
	assert_string_equal(try(r, DAY - 1, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_equal(try(r, 2 * DAY - 2, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_equal(try(r, 3 * DAY, "192.0.2.1", "a@s.example", BOB, NULL, NULL).verdict,
			    "grey");
	replay_free(&r);
}

static void traps_take_patterns_and_relay_probes(void **state)
{
	static char pattern[] = "Sales-*@example.net", below[] = "@*.unused.example";
	static char ours[] = "example.net", more[] = "*.hosted.example";
	char *const traps[] = {pattern, below}, *const hosted[] = {ours, more};
	static const struct {
		const char *from, *to, *reason;
	} rows[] = {
		{"a@s.example", "sales-7@example.net", "trap"},
		{"", "sales-7@example.net", "first"},
		{"a@s.example", "sales@example.net", "first"},
		{"a@s.example", "x@deep.unused.example", "trap"},
		{"a@s.example", "x@unused.example", "relay"},
		{"a@s.example", "x@a.hosted.example", "first"},
		{"a@s.example", "x@hosted.example", "relay"},
		{"", "x@hosted.example", "first"},
		{"a@s.example", "postmaster@deep.unused.example", "exempt"},
		{"a@s.example", "x@[192.0.2.1]", "first"},
	};
	struct replay_conf c = settings();
	struct replay *r;

	(void)state;
	c.traps = traps;
	c.trap_count = 2;
	c.hosted = hosted;
	c.hosted_count = 2;
	r = engine(&c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char src[40];

		snprintf(src, sizeof(src), "203.0.%zu.1", i);
		assert_string_equal(try(r, 0, src, rows[i].from, rows[i].to, NULL, NULL).reason,
				    rows[i].reason);
	}
	replay_free(&r);
}

/* A further hit doubles the time, in the trap and after it. */
static void a_repeater_is_trapped_for_longer(void **state)
{
	struct replay *r = engine_with_trap();

	(void)state;
	try(r, 0, "192.0.2.1", "a@s.example", "x@unused.example", NULL, NULL);
	try(r, 10, "192.0.2.1", "a@s.example", "y@unused.example", NULL, NULL);
	assert_string_equal(try(r, 10 + 2 * DAY - 1, "192.0.2.1", "", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_equal(
		try(r, 10 + 2 * DAY, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason, "first");
	try(r, 3 * DAY, "192.0.2.1", "a@s.example", "x@unused.example", NULL, NULL);
	assert_string_equal(try(r, 7 * DAY - 1, "192.0.2.1", "", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_not_equal(try(r, 7 * DAY, "192.0.2.1", "", BOB, NULL, NULL).reason,
				"trapped");
	replay_free(&r);
}

/* Of IPv6 the /64 is in the trap; mail of a neighbour starts its clock, a hit of his doubles it. */
static void a_trap_of_ipv6_is_its_64(void **state)
{
	struct replay *r = engine_with_trap();

	(void)state;
	try(r, 0, "2001:db8::1", "a@s.example", "x@unused.example", NULL, NULL);
	assert_string_equal(try(r, 10, "2001:db8::2", "b@s.example", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_equal(try(r, 10, "2001:db8:0:1::2", "b@s.example", BOB, NULL, NULL).reason,
			    "first");
	assert_string_equal(try(r, DAY + 5, "2001:db8::1", "", BOB, NULL, NULL).reason, "trapped");
	assert_string_equal(try(r, DAY + 10, "2001:db8::3", "b@s.example", BOB, NULL, NULL).reason,
			    "first");
	try(r, 2 * DAY, "2001:db8::4", "a@s.example", "x@unused.example", NULL, NULL);
	assert_string_equal(try(r, 4 * DAY - 1, "2001:db8::1", "", BOB, NULL, NULL).reason,
			    "trapped");
	assert_string_not_equal(try(r, 4 * DAY, "2001:db8::1", "", BOB, NULL, NULL).reason,
				"trapped");
	replay_free(&r);
}

static void exempt_networks_pass(void **state)
{
	struct prefix exempt;
	struct replay_conf c = settings();
	struct replay *r;

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.0/8", &exempt), 0);
	c.exempt = &exempt;
	c.exempt_count = 1;
	r = engine(&c);
	assert_string_equal(try(r, 0, "10.1.2.3", "a@s.example", BOB, NULL, NULL).verdict, "allow");
	assert_string_equal(try(r, 0, "11.1.2.3", "a@s.example", BOB, NULL, NULL).verdict, "grey");
	replay_free(&r);
}

static void modes(void **state)
{
	struct replay_conf c = settings();
	struct replay *r;

	(void)state;
	c.policy.mode = POLICY_LEARN;
	r = engine(&c);
	assert_string_equal(try(r, 0, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason, "learn");
	assert_string_equal(try(r, 1, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason, "known");
	replay_free(&r);
	c.policy.mode = POLICY_OFF;
	r = engine(&c);
	assert_string_equal(try(r, 0, "192.0.2.1", "a@s.example", BOB, NULL, NULL).reason, "off");
	replay_free(&r);
}

/* ---- properties ---- */

/* A random log twice through two engines: every answer is the same; nothing unknown passes at once;
 * what has matured passes. */
static void twice_gives_the_same(void **state)
{
	struct replay_conf c = settings();
	struct replay *a = engine(&c), *b = engine(&c);
	uint64_t x = 1;
	uint32_t now = 0;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		char src[40], sender[60], name[60];
		uint32_t from = random_below(&x, 400);
		struct replay_answer v, w;
		const char *spf = random_below(&x, 2) ? "pass" : "none";

		now += random_below(&x, 60);
		snprintf(src, sizeof(src), "10.%u.%u.%u", from & 15, random_below(&x, 4),
			 from & 255);
		snprintf(sender, sizeof(sender), "u%c@d%u.example", 'a' + random_below(&x, 20),
			 from);
		snprintf(name, sizeof(name), "m%u.d%u.example", random_below(&x, 9), from);
		v = try(a, now, src, sender, BOB, name, spf);
		w = try(b, now, src, sender, BOB, name, spf);
		assert_string_equal(v.verdict, w.verdict);
		assert_string_equal(v.reason, w.reason);
		assert_string_equal(v.delay_class, w.delay_class);
		assert_string_equal(v.identity, w.identity);
		assert_int_equal(v.wait, w.wait);
		assert_int_equal(v.passed[REPLAY_OURS], strcmp(v.verdict, "grey") != 0);
		assert_int_equal(v.wait > 0, !v.passed[REPLAY_OURS]);
		if (!strcmp(v.reason, "first"))
			assert_false(v.passed[REPLAY_OURS]);
		if (!v.passed[REPLAY_OURS])
			assert_true(v.wait <= 1080);
	}
	replay_free(&a);
	replay_free(&b);
}

/* A pool whose evidence comes and goes, with hosts among it that look like customers' lines:
 * whoever was told a wait and comes after it, within the window and as somebody that is known,
 * passes, and from then on always. The lines wait their own time, which is told to each of them. */
static void a_mature_triplet_always_passes(void **state)
{
	struct replay_conf c = settings();
	struct replay *r = engine(&c);
	uint64_t x = 21;
	uint32_t now = 0;

	(void)state;
	for (uint32_t mail = 0; mail < 3000; mail++) {
		const uint32_t began = now;
		uint32_t due[2] = {UINT32_MAX, UINT32_MAX}; /* of hosts, of lines */
		char sender[60], domain[40];
		bool passed = false;

		snprintf(domain, sizeof(domain), "p%u.example", mail);
		snprintf(sender, sizeof(sender), "user@%s", domain);
		for (int k = 0; k < 9; k++) {
			bool line = random_below(&x, 5) == 0;
			char src[40], name[60] = "";
			struct replay_answer v;

			now += random_below(&x, k ? 1500 : 10);
			if (random_below(&x, 2))
				snprintf(src, sizeof(src), "10.%u.%u.1", mail % 250,
					 random_below(&x, 250));
			else
				snprintf(src, sizeof(src), "2001:db8:%x:%x::1", mail,
					 random_below(&x, 250));
			if (line)
				snprintf(name, sizeof(name), "ppp%u.isp.example",
					 random_below(&x, 9));
			else if (random_below(&x, 2))
				snprintf(name, sizeof(name), "m%u.%s", random_below(&x, 9), domain);
			v = try(r, now, src, sender, BOB, name, "pass");
			if (!k)
				assert_string_equal(v.verdict, "grey");
			if (passed || (now >= due[line] && now - began <= c.policy.window))
				assert_true(v.passed[REPLAY_OURS]);
			passed |= v.passed[REPLAY_OURS];
			if (!v.passed[REPLAY_OURS])
				due[line] = now + v.wait;
		}
	}
	replay_free(&r);
}

/* Whatever is known of a source: the first attempt of a mail passes when it is exempt, or not. */
static void no_first_attempt_passes_unless_exempt(void **state)
{
	static const char *const spf[] = {NULL,       "none",    "pass",      "fail",
					  "softfail", "neutral", "temperror", "permerror"};
	static const char *const names[] = {NULL, "", "mx.example.org", "1-2-3-4.dsl.isp.example",
					    "localhost"};
	struct replay_conf c = settings();
	struct replay *r;
	uint64_t x = 5;

	(void)state;
	c.policy.promote_after = 0;
	r = engine(&c);
	for (uint32_t i = 0; i < 20000; i++) {
		bool exempt = random_below(&x, 10) == 0;
		char src[40], sender[60], rcpt[60];
		struct replay_answer v;

		snprintf(src, sizeof(src), random_below(&x, 2) ? "10.0.%u.1" : "2001:db8:%x::1",
			 random_below(&x, 250));
		snprintf(sender, sizeof(sender), "u.%c%c%c%c@s.example", 'a' + i % 20,
			 'a' + i / 20 % 20, 'a' + i / 400 % 20, 'a' + i / 8000);
		snprintf(rcpt, sizeof(rcpt), "%s@d%u.example", exempt ? "Abuse" : "bob",
			 random_below(&x, 50));
		v = try(r, i, src, sender, rcpt, names[random_below(&x, 5)],
			spf[random_below(&x, 8)]);
		assert_int_equal(v.passed[REPLAY_OURS], exempt);
		assert_string_equal(v.reason, exempt ? "exempt" : "first");
	}
	replay_free(&r);
}

/* Between seconds no delay is shorter than it says, nor longer: to the millisecond for all attempts
 * of a mail, whatever rung they meet at. */
static void a_delay_is_exact_between_seconds(void **state)
{
	struct replay_conf c = settings();
	uint64_t x = 31;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		const uint64_t first = random_below(&x, 100000);
		const char *name = i % 2 ? "mx.s.example" : "", *spf = i % 3 ? "pass" : "none";
		struct replay *r = engine(&c);
		struct replay_answer v;
		uint64_t due;

		v = try_at(r, first, "192.0.2.1", "a@s.example", BOB, name, spf);
		due = first + v.wait * UINT64_C(1000);
		v = try_at(r, due - 1 - random_below(&x, 20), "192.0.2.9", "a@s.example", BOB, name,
			   spf);
		assert_string_equal(v.reason, "early");
		assert_int_equal(v.wait, 1);
		v = try_at(r, due + random_below(&x, 2), "192.0.2.8", "a@s.example", BOB, name,
			   spf);
		assert_string_equal(v.reason, "mature");
		replay_free(&r);
	}
}

/* Where a mail begins anew, out of step with its first attempt: told a second more, and true. */
static void a_later_beginning_is_not_early_either(void **state)
{
	struct replay_conf c = settings();
	struct replay_answer v;
	struct replay *r;

	(void)state;
	c.policy.jitter = 0;
	r = engine(&c);
	try_at(r, 900, "192.0.2.1", "a@s.example", BOB, NULL, NULL);
	v = try_at(r, 100300, "198.51.100.1", "a@s.example", BOB, NULL, NULL);
	assert_string_equal(v.reason, "first");
	assert_int_equal(v.wait, 301);
	/* 299.9 s later, then as it was told */
	v = try_at(r, 400200, "198.51.100.1", "a@s.example", BOB, NULL, NULL);
	assert_string_equal(v.reason, "early");
	v = try_at(r, 401300, "198.51.100.1", "a@s.example", BOB, NULL, NULL);
	assert_string_equal(v.reason, "mature");
	replay_free(&r);
}

/* Traps too: 24 h from the last hit, not a moment less. */
static void a_trap_is_not_over_early(void **state)
{
	static char trap[] = "old@example.net";
	char *const traps[] = {trap};
	struct replay_conf c = settings();
	struct replay *r;

	(void)state;
	c.traps = traps;
	c.trap_count = 1;
	r = engine(&c);
	try_at(r, 999, "192.0.2.1", "a@s.example", trap, NULL, NULL);
	assert_string_equal(
		try_at(r, DAY * UINT64_C(1000) + 998, "192.0.2.1", "", BOB, NULL, NULL).reason,
		"trapped");
	assert_string_equal(
		try_at(r, DAY * UINT64_C(1000) + 1000, "192.0.2.1", "", BOB, NULL, NULL).reason,
		"first");
	replay_free(&r);
}

/* Nothing is forgotten to make room: each of 200 000 mails is met again. */
static void a_log_of_any_length_is_remembered(void **state)
{
	struct replay_conf c = settings();
	struct replay *r;

	(void)state;
	c.policy.promote_after = 0;
	r = engine(&c);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 200000; i++) {
			char src[40], sender[60];

			snprintf(src, sizeof(src), "%u.%u.%u.1", 11 + i % 7, i >> 8 & 255, i & 255);
			snprintf(sender, sizeof(sender), "u@d%u.example", i);
			if (strcmp(try(r, round * 5000, src, sender, BOB, NULL, NULL).reason,
				   round ? "mature" : "first"))
				fail_msg("mail %u", i);
		}
	assert_int_equal(replay_total(r, REPLAY_OURS).mails, 200000);
	assert_int_equal(replay_total(r, REPLAY_OURS).never, 0);
	replay_free(&r);
}

static const char *host(uint32_t i, char src[40])
{
	snprintf(src, 40, "192.0.2.%u", i);
	return src;
}

/* What hosts of a network earned is gone with a trap that each of them walked into: when it is
 * over, whatever they send is answered as if they had never earned anything. */
static void promotion_and_demotion_are_inverse(void **state)
{
	static char trap[] = "old@example.net";
	char *const traps[] = {trap};
	struct replay_conf c = settings();
	uint32_t earned = 0;
	uint64_t x = 41;

	(void)state;
	c.traps = traps;
	c.trap_count = 1;
	for (uint32_t round = 0; round < 200; round++) {
		struct replay *promoted = engine(&c), *plain = engine(&c);
		uint32_t hosts = 1 + random_below(&x, 6), at = 0, allowed = 0;
		char src[40], sender[60];

		for (uint32_t h = 1; h <= hosts; h++)
			for (uint32_t mail = random_below(&x, 4); mail < 4; mail++) {
				snprintf(sender, sizeof(sender), "%c%c@past.example", 'a' + h,
					 'a' + mail);
				try(promoted, at, host(h, src), sender, BOB, NULL, NULL);
				try(promoted, at + 400, src, sender, BOB, NULL, NULL);
				at += 1000;
			}
		for (uint32_t h = 1; h <= hosts; h++)
			allowed += !strcmp(
				try(promoted, at, host(h, src), "new@past.example", BOB, NULL, NULL)
					.verdict,
				"allow");
		for (uint32_t h = 1; h <= hosts; h++) {
			try(promoted, at, host(h, src), "a@s.example", trap, NULL, NULL);
			try(plain, at, src, "a@s.example", trap, NULL, NULL);
		}
		earned += allowed;
		at += DAY + 1;
		for (int i = 0; i < 100; i++) {
			struct replay_answer v, w;

			at += random_below(&x, 900);
			snprintf(sender, sizeof(sender), "%c@new.example",
				 'a' + random_below(&x, 12));
			host(1 + random_below(&x, 8), src);
			v = try(promoted, at, src, sender, BOB, NULL, NULL);
			w = try(plain, at, src, sender, BOB, NULL, NULL);
			if (strcmp(v.verdict, w.verdict) || strcmp(v.reason, w.reason))
				fail_msg("%u of %u hosts allowed: %s is %s (%s), not %s (%s)",
					 allowed, hosts, src, v.verdict, v.reason, w.verdict,
					 w.reason);
			assert_string_equal(v.identity, w.identity);
			assert_int_equal(v.wait, w.wait);
		}
		replay_free(&promoted);
		replay_free(&plain);
	}
	assert_true(earned > 200);
}

static void time_does_not_go_back(void **state)
{
	struct replay_conf c = settings();
	struct replay *r = engine(&c);

	(void)state;
	c.policy.jitter = 0;
	try(r, 1000, "192.0.2.1", "a@s.example", BOB, NULL, NULL);
	assert_false(try(r, 10, "192.0.2.1", "a@s.example", BOB, NULL, NULL).passed[REPLAY_OURS]);
	assert_true(try(r, 1360, "192.0.2.1", "a@s.example", BOB, NULL, NULL).passed[REPLAY_OURS]);
	replay_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_helo_is_evidence),
		cmocka_unit_test(sources_and_networks_earn_and_lose_their_place),
		cmocka_unit_test(a_trap_ends_by_itself),
		cmocka_unit_test(traps_take_patterns_and_relay_probes),
		cmocka_unit_test(a_repeater_is_trapped_for_longer),
		cmocka_unit_test(a_trap_of_ipv6_is_its_64),
		cmocka_unit_test(exempt_networks_pass),
		cmocka_unit_test(modes),
		cmocka_unit_test(twice_gives_the_same),
		cmocka_unit_test(a_mature_triplet_always_passes),
		cmocka_unit_test(no_first_attempt_passes_unless_exempt),
		cmocka_unit_test(promotion_and_demotion_are_inverse),
		cmocka_unit_test(a_delay_is_exact_between_seconds),
		cmocka_unit_test(a_later_beginning_is_not_early_either),
		cmocka_unit_test(a_trap_is_not_over_early),
		cmocka_unit_test(a_log_of_any_length_is_remembered),
		cmocka_unit_test(time_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
