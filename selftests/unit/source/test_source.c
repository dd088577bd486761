// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is denied by a trap, and until when: an IPv4 address, an IPv6 address with its /64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tables.h"

#define LIFE 200u /* s */
#define MAX 1000u

static int make(void **state)
{
	(void)state;
	config.trap.life = LIFE * 1000;
	config.trap.max = MAX * 1000;
	config.trap.action = GG_REJECT;
	return tables_make(100, 100);
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* why NULL: other mail. 0: nothing changed, else how long the entry in force lasts. s */
static uint32_t trap(const char *src, uint32_t now, const char *why)
{
	const struct source s = {&d, &config, &policy, addr(src), now};
	struct verdict_entry e = {0};

	if (!source_trap(&s, why, &e))
		return 0;
	assert_int_equal(e.verdict, GG_DENY);
	assert_int_equal(e.action, GG_REJECT);
	assert_int_equal(e.origin, GG_BY_TRAP);
	return e.expires - now;
}

/* The entry of exactly this prefix. */
static bool have(const char *text, uint32_t now, struct verdict_entry *ret)
{
	const struct prefix p = prefix(text);

	return verdicts_get(d.verdicts, &p, now, ret);
}

static bool is_trap(const char *text, uint32_t now, uint32_t lasts, uint8_t repeats)
{
	struct verdict_entry e;

	return have(text, now, &e) && e.verdict == GG_DENY && e.origin == GG_BY_TRAP &&
	       e.expires - now == lasts && e.repeats == repeats;
}

/* What is in force for an address. */
static enum gg_verdict verdict(const char *src, uint32_t now)
{
	struct verdict_entry e;
	struct addr a = addr(src);

	return verdicts_find(d.verdicts, &a, now, &e, NULL) ? e.verdict : GG_UNKNOWN;
}

static void ipv4_is_the_address(void **state)
{
	struct verdict_entry e;
	struct prefix network;
	struct addr a = addr("192.0.2.7");

	(void)state;
	assert_int_equal(trap("192.0.2.7", NOW, NULL), 0); /* it is in no trap */
	assert_int_equal(trap("192.0.2.7", NOW, "hit"), LIFE);
	assert_true(is_trap("192.0.2.7", NOW, LIFE, 0));
	assert_false(have("192.0.2.0/24", NOW, &e));
	assert_int_equal(verdict("192.0.2.8", NOW), GG_UNKNOWN);
	assert_false(source_network(&d, &a, NOW, &network, &e));
	assert_int_equal(trap("192.0.2.7", NOW, NULL), 0); /* within the same second */
	assert_int_equal(trap("192.0.2.7", NOW + 50, NULL), LIFE);
	assert_int_equal(trap("192.0.2.7", NOW + 60, "hit"), 2 * LIFE);
	assert_true(is_trap("192.0.2.7", NOW + 60, 2 * LIFE, 1));
	assert_int_equal(trap("192.0.2.7", NOW + 70, NULL), 2 * LIFE);
	for (int i = 0; i < 300; i++)
		assert_in_range(trap("192.0.2.7", NOW + 80, "hit"), 4 * LIFE, MAX);
	assert_int_equal(trap("192.0.2.7", NOW + 80, "hit"), MAX);
	assert_false(source_release(&d, &a));
	assert_int_equal(verdict("192.0.2.7", NOW + 80), GG_DENY);
	assert_int_equal(verdict("192.0.2.7", NOW + 80 + MAX), GG_UNKNOWN);
	/* it is remembered for trap max, and a hit goes on from there */
	assert_int_equal(trap("192.0.2.7", NOW + 80 + MAX, "hit"), MAX);
	assert_int_equal(trap("192.0.2.7", NOW + 80 + 4 * MAX, "hit"), LIFE);
}

static void ipv6_is_the_64_too(void **state)
{
	struct addr a = addr("2001:db8::7"), other = addr("2001:db8:0:1::7");
	struct verdict_entry e;
	struct prefix network;

	(void)state;
	assert_int_equal(trap("2001:db8::7", NOW, "hit"), LIFE);
	assert_true(is_trap("2001:db8::7", NOW, LIFE, 0));
	assert_true(is_trap("2001:db8::/64", NOW, LIFE, 0));
	assert_int_equal(verdict("2001:db8::8", NOW), GG_DENY);
	assert_int_equal(verdict("2001:db8::ffff:ffff:ffff:ffff", NOW), GG_DENY);
	assert_int_equal(verdict("2001:db8:0:1::7", NOW), GG_UNKNOWN);
	assert_true(source_network(&d, &a, NOW, &network, &e));
	assert_int_equal(network.len, 64);
	assert_false(source_network(&d, &other, NOW, &network, &e));
	assert_int_equal(trap("2001:db8::7", NOW, NULL), 0);
	assert_int_equal(trap("2001:db8::7", NOW + 50, NULL), LIFE);
	assert_true(is_trap("2001:db8::7", NOW + 50, LIFE, 0));
	assert_true(is_trap("2001:db8::/64", NOW + 50, LIFE, 0));
	assert_int_equal(trap("2001:db8::7", NOW + 60, "hit"), 2 * LIFE);
	assert_true(is_trap("2001:db8::7", NOW + 60, 2 * LIFE, 1));
	assert_true(is_trap("2001:db8::/64", NOW + 60, 2 * LIFE, 1));
	assert_int_equal(verdict("2001:db8::7", NOW + 60 + 2 * LIFE), GG_UNKNOWN);
	assert_int_equal(verdict("2001:db8::8", NOW + 60 + 2 * LIFE), GG_UNKNOWN);
	assert_false(source_network(&d, &a, NOW + 60 + 2 * LIFE, &network, &e));
}

static void a_neighbour_restarts_its_clock(void **state)
{
	struct verdict_entry e;

	(void)state;
	trap("2001:db8::7", NOW, "hit");
	trap("2001:db8::7", NOW + 1, "hit");
	assert_int_equal(trap("2001:db8::8", NOW + 50, NULL), 2 * LIFE);
	assert_true(is_trap("2001:db8::/64", NOW + 50, 2 * LIFE, 1));
	assert_false(have("2001:db8::8", NOW + 50, &e)); /* or they would fill the map */
	assert_int_equal(trap("2001:db8::8", NOW + 50, NULL), 0);
	/* the network outlasts the address that has stayed away */
	assert_false(have("2001:db8::7", NOW + 10 + 2 * LIFE, &e));
	assert_int_equal(verdict("2001:db8::7", NOW + 10 + 2 * LIFE), GG_DENY);
	assert_int_equal(trap("2001:db8::7", NOW + 10 + 2 * LIFE, NULL), 2 * LIFE);
	/* one that hits a trap itself is denied itself */
	assert_int_equal(trap("2001:db8::8", NOW + 20 + 2 * LIFE, "hit"), 4 * LIFE);
	assert_true(is_trap("2001:db8::8", NOW + 20 + 2 * LIFE, 4 * LIFE, 2));
	assert_true(is_trap("2001:db8::/64", NOW + 20 + 2 * LIFE, 4 * LIFE, 2));
}

static void who_is_allowed_in_it_stays(void **state)
{
	(void)state;
	put("2001:db8::a", GG_ALLOW, GG_BY_OPERATOR, 0);
	put("2001:db8::b", GG_ALLOW, GG_BY_LEARNING, NOW + 10 * MAX);
	put("2001:db8::c", GG_ALLOW, GG_BY_CORRESPONDENT, NOW + 10 * MAX);
	put("2001:db8:0:0:1::/80", GG_ALLOW, GG_BY_OPERATOR, 0);
	trap("2001:db8::7", NOW, "hit");
	assert_int_equal(verdict("2001:db8::a", NOW), GG_ALLOW);
	assert_int_equal(verdict("2001:db8::b", NOW), GG_ALLOW);
	assert_int_equal(verdict("2001:db8::c", NOW), GG_ALLOW);
	assert_int_equal(verdict("2001:db8:0:0:1::9", NOW), GG_ALLOW);
	assert_int_equal(verdict("2001:db8:0:0:2::9", NOW), GG_DENY);
	/* what it had learned itself it loses */
	trap("2001:db8::b", NOW, "hit");
	assert_int_equal(verdict("2001:db8::b", NOW), GG_DENY);
}

static void what_was_said_of_the_network(void **state)
{
	static const struct {
		enum gg_verdict verdict;
		enum gg_origin origin;
		bool stands;
	} rows[] = {
		{GG_ALLOW, GG_BY_LEARNING, false},
		{GG_DENY, GG_BY_LIMIT, false},
		{GG_DENY, GG_BY_OPERATOR, true},
		{GG_ALLOW, GG_BY_OPERATOR, true},
	};
	struct addr a = addr("2001:db8::7");
	struct prefix network = prefix("2001:db8::/64");
	struct verdict_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t demoted = daemon_count(&d, COUNT_demoted);

		put("2001:db8::/64", rows[i].verdict, rows[i].origin, NOW + 10 * MAX);
		assert_int_not_equal(trap("2001:db8::7", NOW, "hit"), 0);
		assert_int_equal(verdict("2001:db8::7", NOW), GG_DENY);
		assert_true(have("2001:db8::/64", NOW, &e));
		assert_int_equal(e.origin, rows[i].stands ? rows[i].origin : GG_BY_TRAP);
		assert_int_equal(daemon_count(&d, COUNT_demoted) - demoted,
				 rows[i].origin == GG_BY_LEARNING);
		assert_int_equal(source_release(&d, &a), !rows[i].stands);
		assert_int_equal(have("2001:db8::/64", NOW, &e), rows[i].stands);
		verdicts_del(d.verdicts, &network);
	}
}

static void it_ends_as_one(void **state)
{
	struct prefix host = prefix("2001:db8::7"), neighbour = prefix("2001:db8::8");
	struct addr a = host.addr;
	struct verdict_entry e;

	(void)state;
	trap("2001:db8::7", NOW, "hit");
	assert_true(source_release(&d, &a));
	assert_false(source_release(&d, &a));
	assert_int_equal(verdict("2001:db8::7", NOW), GG_DENY);
	assert_int_equal(verdict("2001:db8::8", NOW), GG_UNKNOWN);
	/* forgotten by its address, by one of its /64, by a prefix around it; now: of this clock */
	trap("2001:db8::7", daemon_now(), "hit");
	assert_true(daemon_forget(&d, &host) > 0);
	assert_false(have("2001:db8::7", 0, &e));
	assert_false(have("2001:db8::/64", 0, &e));
	trap("2001:db8::7", daemon_now(), "hit");
	assert_true(daemon_forget(&d, &neighbour) > 0);
	assert_true(have("2001:db8::7", 0, &e)); /* it has hit a trap itself */
	assert_false(have("2001:db8::/64", 0, &e));
	trap("2001:db8::7", daemon_now(), "hit");
	host = prefix("2001:db8::/32");
	assert_true(daemon_forget(&d, &host) > 0);
	assert_int_equal(verdicts_count(d.verdicts), 0);
}

static void without_room_nothing_breaks(void **state)
{
	struct verdict_entry e = {.verdict = GG_DENY, .origin = GG_BY_OPERATOR};
	struct prefix p = prefix("2001:db8:1::/48");
	uint32_t n = 0;
	int failed = 0;

	(void)state;
	while (failed < 200) {
		p.addr.b[14] = (uint8_t)(n >> 8);
		p.addr.b[15] = (uint8_t)n++;
		p.len = 128;
		failed += verdicts_put(d.verdicts, &p, &e) != 0;
	}
	assert_int_not_equal(trap("2001:db8::7", NOW, "hit"), 0);
	assert_int_equal(verdict("2001:db8::8", NOW), GG_UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ipv4_is_the_address),
		TEST(ipv6_is_the_64_too),
		TEST(a_neighbour_restarts_its_clock),
		TEST(who_is_allowed_in_it_stays),
		TEST(what_was_said_of_the_network),
		TEST(it_ends_as_one),
		TEST(without_room_nothing_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
