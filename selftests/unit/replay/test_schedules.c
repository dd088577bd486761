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

/* ---- providers ---- */

/* The schedule of a sender, and what one of its attempts looks like. */
struct provider {
	const char *what;
	const char *src, *name, *sender; /* #, ^: number of the attempt; ~: its letter */
	const char *spf;
	uint32_t base; /* s, of its class */
	uint32_t times[12];
};

static const struct provider providers[] = {
	{"pool of /24s, name only",
	 "198.18.#.10",
	 "mail-#.out.m365.example",
	 "a.b@m365.example",
	 "none",
	 300,
	 {61, 123, 184, 306, 487, 728, 970}},
	{"pool of /24s, SPF only",
	 "198.18.#.10",
	 "",
	 "a@spf.example",
	 "pass",
	 900,
	 {300, 600, 1200, 2400, 4800}},
	{"pool of /64s, both",
	 "2001:db8:#::25",
	 "o#.mta.ses.example",
	 "a@ses.example",
	 "pass",
	 60,
	 {120, 600, 1800}},
	{"pool of /64s, name only",
	 "2001:db8:#::25",
	 "o#.mta.ses.example",
	 "a@ses.example",
	 "neutral",
	 300,
	 {120, 200, 600, 1800}},
	{"one address, no name, no SPF",
	 "192.0.2.77",
	 "",
	 "a@poor.example",
	 "none",
	 900,
	 {300, 900, 2100, 4500}},
	{"one /24", "192.0.2.#", NULL, "a@plain.example", NULL, 300, {100, 200, 400, 800}},
	{"one /64", "2001:db8:7:7::#", NULL, "a@plain.example", NULL, 300, {100, 200, 400, 800}},
	{"VERP",
	 "198.18.#.10",
	 "m#.news.example",
	 "bounce-5#3#1-bob=example.net@news.example",
	 "pass",
	 60,
	 {300, 900}},
	{"ids",
	 "198.18.#.10",
	 "m#.news.example",
	 "0100018a2b3c^-1b2c3d4e-ef01-2345-6789-abcdef012345-000000@news.example",
	 "pass",
	 60,
	 {300, 900}},
	{"SRS",
	 "198.18.#.10",
	 "m#.fwd.example",
	 "SRS0=ab#=T~=orig.example=alice@fwd.example",
	 "none",
	 300,
	 {300, 900, 1800}},
	{"BATV",
	 "198.18.#.10",
	 "m#.batv.example",
	 "prvs=1#4951f53a=alice@batv.example",
	 "pass",
	 60,
	 {300, 900}},
	{"bounces", "198.18.#.10", "m#.esp.example", "", "none", 300, {300, 900}},
	{"gives up early",
	 "198.18.5.10",
	 "omr01.aol.example",
	 "a@aol.example",
	 "none",
	 300,
	 {120, 390, 850, 1892}},
	{"hours apart",
	 "198.18.5.10",
	 "mx.slow.example",
	 "a@slow.example",
	 "none",
	 300,
	 {14400, 28800}},
	{"pool of /64s, SPF only",
	 "2001:db8:#::25",
	 "",
	 "a@six.example",
	 "pass",
	 900,
	 {60, 300, 700, 1200, 3600}},
	{"pool with names made from its addresses, SPF",
	 "198.18.#.10",
	 "ip-198-18-#-10.compute.cloud.example",
	 "a@cloud.example",
	 "pass",
	 900,
	 {300, 600, 1200, 2400}},
	{"pool of /24s, name only, SPF broken",
	 "198.18.#.10",
	 "out#.mta.broken.example",
	 "a@broken.example",
	 "permerror",
	 300,
	 {240, 480, 960}},
	{"pool of names below a public suffix of two labels",
	 "198.18.#.10",
	 "m#.mail.shop.co.uk",
	 "a@shop.co.uk",
	 "none",
	 300,
	 {600, 1200}},
	{"exponential back-off",
	 "198.18.5.10",
	 "mx.expo.example",
	 "a@expo.example",
	 "pass",
	 60,
	 {15, 30, 60, 120, 240, 480}},
	{"exponential back-off of a pool",
	 "2001:db8:#::1",
	 "mx#.expo.example",
	 "a@expo.example",
	 "none",
	 300,
	 {30, 60, 120, 240, 480, 960}},
	{"every hour", "198.18.#.10", "h#.hourly.example", "a@hourly.example", "none", 300, {3600}},
	{"every hour, no name, SPF", "198.18.#.10", "", "a@hourly.example", "pass", 900, {3600}},
	{"twice at once, then after half a day",
	 "198.18.5.10",
	 "mx.burst.example",
	 "a@burst.example",
	 "none",
	 300,
	 {1, 2, 43200}},
	{"a day less a little",
	 "198.18.#.10",
	 "d#.daily.example",
	 "a@daily.example",
	 "neutral",
	 300,
	 {DAY - 30}},
	{"a day less a little, nothing but its /64",
	 "2001:db8:7:7::#",
	 "",
	 "a@daily.example",
	 "none",
	 900,
	 {DAY - 1}},
	{"octets of its addresses in a pool's names",
	 "54.240.#.29",
	 "a#-29.smtp-out.amazonses.com",
	 "0100018c2b3d^-1b2c3d4e-ef01-2345-6789-abcdef012345-000000@amazonses.com",
	 "none",
	 300,
	 {30, 120, 600, 1800, 3600}},
	{"three octets",
	 "147.253.#.30",
	 "mta-253-#-30.sparkpostmail.com",
	 "msprvs1=1935#bhk2spzq=bounces-123456@bounces.shop.example",
	 "none",
	 300,
	 {60, 300, 600, 1800, 3600}},
	{"ids in names and senders",
	 "13.110.#.140",
	 "smtp-0a#e49c8.core1.sfdc-abc123.mta.salesforce.com",
	 "return=5s1a#k2j3h4=00db0000000#xyz=contact@bnc.salesforce.com",
	 "none",
	 300,
	 {60, 300, 900}},
	{"one id, in a host for bounces",
	 "108.174.#.140",
	 "mail3-#c.linkedin.com",
	 "s-2sjq#0f2bh7ya9w3c4d5e6f7g8h9j@bounce.linkedin.com",
	 "pass",
	 60,
	 {60, 300, 900}},
	{"a list's VERP",
	 "198.18.#.30",
	 "lists#.lists.example",
	 "dev-return-44#0-bob=example.net@lists.example",
	 "none",
	 300,
	 {60, 420, 900}},
	{"doubling minutes, SPF soft",
	 "148.163.#.1",
	 "mx0#-001b2d01.pphosted.com",
	 "person@corp.example",
	 "softfail",
	 300,
	 {60, 120, 240, 480, 960}},
	{"every ten minutes, one /64",
	 "2001:db8:7:7::#",
	 "smtp#.firm.example",
	 "boss@firm.example",
	 "pass",
	 60,
	 {600, 1200}},
	{"soft, hourly", "198.18.5.10", "", "a@poor.example", "softfail", 900, {3600, 7200}},
	{"softfail",
	 "198.18.5.10",
	 "mx.soft.example",
	 "a@soft.example",
	 "softfail",
	 300,
	 {100, 1800}},
};

static const char *text(const char *form, uint32_t i, char buf[200])
{
	size_t n = 0;

	if (!form)
		return NULL;
	for (const char *p = form; *p; p++) {
		if (*p == '#')
			n += (size_t)snprintf(buf + n, 200 - n, "%u", i + 1);
		else if (*p == '^')
			n += (size_t)snprintf(buf + n, 200 - n, "%04x", 0x1a2b + i);
		else
			buf[n++] = *p == '~' ? (char)('A' + i) : *p;
	}
	buf[n] = '\0';
	return buf;
}

/* Each gets through, on its first attempt after the delay of its class; and it was told how long.
 */
static void every_provider_is_delivered(void **state)
{
	struct replay_conf c = settings();

	(void)state;
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
		const struct provider *p = &providers[i];

		for (c.policy.jitter = 0; c.policy.jitter <= 20; c.policy.jitter += 20) {
			struct replay *r = engine(&c);
			char src[200], name[200], sender[200];
			struct replay_answer v;
			uint32_t n = 0, wait, spread = p->base * c.policy.jitter / 100;

			v = try(r, 0, text(p->src, 0, src), text(p->sender, 0, sender), BOB,
				text(p->name, 0, name), p->spf);
			assert_string_equal(v.verdict, "grey");
			assert_string_equal(v.reason, "first");
			wait = v.wait;
			if (wait + spread < p->base || wait > p->base + spread)
				fail_msg("%s: told %u s", p->what, wait);
			while (p->times[n]) {
				v = try(r, p->times[n], text(p->src, n + 1, src),
					text(p->sender, n + 1, sender), BOB,
					text(p->name, n + 1, name), p->spf);
				if (v.passed[REPLAY_OURS])
					break;
				assert_string_equal(v.reason, "early");
				assert_int_equal(v.wait, wait - p->times[n]);
				n++;
			}
			if (!p->times[n])
				fail_msg("%s is lost", p->what);
			assert_string_equal(v.reason, "mature");
			assert_true(p->times[n] >= wait);
			assert_true(!n || p->times[n - 1] < wait);
			assert_int_equal(replay_total(r, REPLAY_OURS).mails, 1);
			assert_int_equal(replay_total(r, REPLAY_OURS).never, 0);
			replay_free(&r);
			assert_null(r);
		}
	}
}

/* Callouts and bounces: SPF speaks of each host's own name in HELO. */
static void bounces_of_a_pool_without_names(void **state)
{
	struct replay_conf c = settings();
	struct replay *r = engine(&c);
	struct replay_answer v;
	uint32_t wait = 0;

	(void)state;
	for (uint32_t k = 0; k < 4; k++) {
		struct replay_attempt a = {
			.time = k * 600000, .helo = "", .sender = "", .recipient = BOB};
		char src[40], helo[60];

		snprintf(src, sizeof(src), "198.18.%u.1", k);
		snprintf(helo, sizeof(helo), "out%u.bigmail.example", k);
		a.helo = helo;
		assert_int_equal(addr_parse(src, &a.src), 0);
		assert_int_equal(replay_evidence(&a, "", "pass"), 0);
		assert_int_equal(replay_next(r, &a, &v), 0);
		wait = k ? wait : v.wait;
		assert_string_equal(v.identity, "spf");
		assert_int_equal(v.passed[REPLAY_OURS], k * 600 >= wait);
	}
	replay_free(&r);
}

/* ---- bots ---- */

static void bots_are_blocked(void **state)
{
	struct replay_conf c = settings();
	struct replay *r = engine(&c);
	uint64_t x = 8;

	(void)state;
	for (uint32_t bot = 0; bot < 3000; bot++) {
		char src[40], sender[80], rcpt[80];
		const char *name = bot % 2 ? "host.sender.example" : "";
		const char *spf = bot % 3 ? "pass" : "fail";
		uint32_t at = bot * 20;

		snprintf(src, sizeof(src), "10.%u.%u.7", bot >> 8, bot & 255);
		snprintf(sender, sizeof(sender), "bot.%c%c%c@spam.example", 'a' + bot % 26,
			 'a' + bot / 26 % 26, 'a' + bot / 676);
		snprintf(rcpt, sizeof(rcpt), "user%u@example.net", bot % 50);
		/* fire and forget; repeat at once, within the first minute */
		for (uint32_t t = 0; t < (bot % 4 ? 60u : 1u); t += 1 + random_below(&x, 9))
			assert_false(
				try(r, at + t, src, sender, rcpt, name, spf).passed[REPLAY_OURS]);
		/* another sender each time, however patient */
		for (uint32_t t = 100; t < 5000; t += 1000) {
			size_t len = 4 + random_below(&x, 8);

			for (size_t i = 0; i < len; i++)
				sender[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[random_below(
					&x, 36)];
			snprintf(sender + len, sizeof(sender) - len, "@spam.example");
			assert_false(
				try(r, at + t, src, sender, rcpt, name, spf).passed[REPLAY_OURS]);
		}
	}
	assert_int_equal(replay_total(r, REPLAY_OURS).passed, 0);
	replay_free(&r);
}

static void a_patient_bot_meets_the_suspicious_class(void **state)
{
	static const char *const names[] = {"198-51-100-7.dsl.isp.example", "ppp7.isp.example", "",
					    "c6336407.isp.example"};
	struct replay_conf c = settings();

	(void)state;
	c.policy.jitter = 0;
	for (size_t i = 0; i < 4; i++) {
		struct replay *r = engine(&c);
		struct replay_answer v =
			try(r, 0, "198.51.100.7", "a@b.example", BOB, names[i], "pass");

		assert_string_equal(v.delay_class, "suspicious");
		assert_int_equal(v.wait, 900);
		assert_false(try(r, 899, "198.51.100.7", "a@b.example", BOB, names[i], "pass")
				     .passed[REPLAY_OURS]);
		assert_true(try(r, 900, "198.51.100.7", "a@b.example", BOB, names[i], "pass")
				    .passed[REPLAY_OURS]);
		replay_free(&r);
	}
}

/* A bot on a customer's line, of a domain whose SPF vouches for it: it waits as it would alone,
 * though a clean host of the same domain began; and holds up none of that domain's own pool. */
static void a_bot_gains_nothing_by_its_domain(void **state)
{
	static const char *const bots[] = {"198-51-100-7.dsl.isp.example", "ppp7.isp.example",
					   "c6336407.isp.example"};
	struct replay_conf c = settings();

	(void)state;
	c.policy.jitter = 0;
	for (size_t i = 0; i < 3; i++) {
		struct replay *r = engine(&c);
		struct replay_answer v =
			try(r, 0, "192.0.2.1", "a@s.example", BOB, "mx1.s.example", "pass");

		assert_string_equal(v.delay_class, "clean");
		for (uint32_t at = 61; at < 900; at += 200) {
			v = try(r, at, "198.51.100.7", "a@s.example", BOB, bots[i], "pass");
			assert_string_equal(v.reason, "early");
			assert_string_equal(v.delay_class, "suspicious");
			assert_string_equal(v.identity, "spf");
			assert_int_equal(v.wait, 900 - at);
		}
		if (i)
			v = try(r, 899, "203.0.113.9", "a@s.example", BOB, "mx2.s.example", "pass");
		else
			v = try(r, 900, "198.51.100.7", "a@s.example", BOB, bots[i], "pass");
		assert_string_equal(v.reason, "mature");
		assert_string_equal(v.delay_class, i ? "clean" : "suspicious");
		replay_free(&r);
	}
}

/* A pool with an unlike host now and then: passes on its second attempt from any address that has
 * nothing against it, whoever tried in between. */
static void a_pool_passes_on_its_second_attempt(void **state)
{
	static const struct {
		const char *src, *name, *spf;
	} hosts[] = {
		{"198.18.1.10", "mail-1.google.example", "pass"},
		{"198.19.2.11", "mail-2.google.example", "pass"},
		{"203.0.113.12", "mail-3.google.example", "temperror"},
		{"198.18.3.13", "", "pass"},
		{"2001:db8:1::10", NULL, "pass"},
		{"2001:db8:2::10", "mail-4.google.example", NULL},
	};
	struct replay_conf c = settings();

	(void)state;
	for (size_t from = 0; from < 2; from++)
		for (size_t to = 0; to < 6; to++) {
			struct replay *r = engine(&c);

			assert_string_equal(try(r, 0, hosts[from].src, "a@gmail.example", BOB,
						hosts[from].name, hosts[from].spf)
						    .delay_class,
					    "clean");
			/* a bot that uses the name of a neighbour, and is told to go on waiting */
			assert_string_equal(try(r, 361, "198.51.100.7", "a@gmail.example", BOB,
						"7-100-51-198.pool.isp.example", "pass")
						    .reason,
					    "early");
			assert_string_equal(try(r, 362, hosts[to].src, "a@gmail.example", BOB,
						hosts[to].name, hosts[to].spf)
						    .reason,
					    "mature");
			replay_free(&r);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_provider_is_delivered),
		cmocka_unit_test(bounces_of_a_pool_without_names),
		cmocka_unit_test(bots_are_blocked),
		cmocka_unit_test(a_patient_bot_meets_the_suspicious_class),
		cmocka_unit_test(a_bot_gains_nothing_by_its_domain),
		cmocka_unit_test(a_pool_passes_on_its_second_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
