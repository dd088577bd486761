// SPDX-License-Identifier: GPL-2.0-or-later
/* What is forgotten of an address and of a prefix, and what is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "../source/tables.h"

static int make(void **state)
{
	(void)state;
	config.trap.max = 1000 * 1000;
	if (tables_make(20000, 100000))
		return -1;
	policy.window = policy.keep = 1000000;
	return 0;
}

static size_t forget(const char *text)
{
	const struct prefix p = prefix(text);

	return daemon_forget(&d, &p);
}

static bool have(const char *text)
{
	const struct prefix p = prefix(text);

	return verdicts_get(d.verdicts, &p, 0, NULL);
}

/* The first attempt of that sender to that recipient, and what it makes of its source. */
static struct policy_attempt attempt(const struct addr *src, const char *sender)
{
	return (struct policy_attempt){.src = *src, .sender = sender, .recipient = "r@example.net"};
}

static void grey(const char *src, const char *sender)
{
	const struct prefix p = prefix(src);
	const struct policy_attempt a = attempt(&p.addr, sender);
	const struct source s = {&d, &config, &policy, p.addr, NOW};
	struct policy_edit e = {.conf = &policy, .attempt = &a, .now = NOW};
	struct policy_identity ids[POLICY_RUNGS];
	int n = policy_identities(&policy, &a, ids);

	for (int i = 0; i < n; i++)
		assert_true(table_edit(d.records, ids[i].tag, policy_edit_attempt, &e, NULL) >= 0);
	source_note(&s, policy_conduct_tag(&policy, &p.addr), CONDUCT_UNKNOWN, 0);
}

static bool is_grey(const char *src, const char *sender)
{
	const struct prefix p = prefix(src);
	const struct policy_attempt a = attempt(&p.addr, sender);
	struct policy_identity ids[POLICY_RUNGS];
	struct cell c;

	policy_identities(&policy, &a, ids);
	return table_get(d.records, ids[0].tag, &c);
}

static bool has_conduct(const char *src)
{
	const struct prefix p = prefix(src);
	struct cell c;

	return table_get(d.conducts, policy_conduct_tag(&policy, &p.addr), &c);
}

static void an_address(void **state)
{
	(void)state;
	put("192.0.2.7", GG_ALLOW, GG_BY_LEARNING, 0);
	put("192.0.2.8", GG_DENY, GG_BY_OPERATOR, 0);
	put("192.0.2.0/24", GG_DENY, GG_BY_OPERATOR, 0);
	grey("192.0.2.7", "a@sender.example");
	grey("192.0.2.7", "b@sender.example");
	grey("198.51.100.7", "a@sender.example");
	assert_int_equal(forget("192.0.2.7"), 3);
	assert_false(have("192.0.2.7"));
	assert_true(have("192.0.2.8"));
	assert_true(have("192.0.2.0/24"));
	assert_false(is_grey("192.0.2.7", "a@sender.example"));
	assert_false(is_grey("192.0.2.7", "b@sender.example"));
	assert_true(is_grey("198.51.100.7", "a@sender.example"));
	assert_false(has_conduct("192.0.2.7"));
	assert_true(has_conduct("198.51.100.7"));
	assert_int_equal(forget("192.0.2.7"), 0);
	assert_int_equal(table_count(d.records), 1);
	assert_int_equal(table_count(d.conducts), 1);
}

/* Its records and its trap are those of the /64. */
static void an_ipv6_address(void **state)
{
	(void)state;
	put("2001:db8:1::7", GG_DENY, GG_BY_TRAP, 0);
	put("2001:db8:1::/64", GG_DENY, GG_BY_TRAP, 0);
	put("2001:db8:1::8", GG_DENY, GG_BY_TRAP, 0);
	grey("2001:db8:1::7", "a@sender.example");
	grey("2001:db8:1::9", "b@sender.example");
	grey("2001:db8:2::7", "a@sender.example");
	assert_int_equal(forget("2001:db8:1::7"), 4);
	assert_false(have("2001:db8:1::7"));
	assert_false(have("2001:db8:1::/64"));
	assert_true(have("2001:db8:1::8"));
	assert_false(is_grey("2001:db8:1::7", "a@sender.example"));
	assert_false(is_grey("2001:db8:1::9", "b@sender.example"));
	assert_true(is_grey("2001:db8:2::7", "a@sender.example"));
	assert_false(has_conduct("2001:db8:1::9"));
	assert_true(has_conduct("2001:db8:2::7"));
}

/* So is what the limit of new connections has made of it, but no operator's word on it. */
static void the_64_of_an_ipv6_address(void **state)
{
	(void)state;
	put("2001:db8:1::/64", GG_DENY, GG_BY_LIMIT, 0);
	put("2001:db8:2::/64", GG_DENY, GG_BY_OPERATOR, 0);
	put("192.0.2.0/24", GG_DENY, GG_BY_LIMIT, 0);
	assert_int_equal(forget("2001:db8:1::7"), 1);
	assert_false(have("2001:db8:1::/64"));
	assert_int_equal(forget("2001:db8:1::7"), 0);
	assert_int_equal(forget("2001:db8:2::7"), 0);
	assert_true(have("2001:db8:2::/64"));
	assert_int_equal(forget("192.0.2.7"), 0);
	assert_true(have("192.0.2.0/24"));
}

/* In bytes ::1 has the beginning of all of IPv4. */
static void the_families_are_apart(void **state)
{
	(void)state;
	grey("::1", "a@sender.example");
	grey("192.0.2.7", "a@sender.example");
	forget("192.0.2.7");
	assert_true(has_conduct("::1"));
	forget("0.0.0.0/0");
	assert_true(has_conduct("::1"));
	assert_true(is_grey("::1", "a@sender.example"));
	assert_false(has_conduct("192.0.2.7"));
	grey("192.0.2.7", "a@sender.example");
	forget("::1");
	assert_false(has_conduct("::1"));
	assert_true(is_grey("192.0.2.7", "a@sender.example"));
	forget("::/0");
	assert_true(has_conduct("192.0.2.7"));
}

/* A network that was learned goes with one of its addresses, and what counts towards it. */
static void what_a_network_has_learned(void **state)
{
	const struct prefix p = prefix("192.0.2.7");
	const struct policy_attempt a = attempt(&p.addr, "a@sender.example");
	struct policy_edit e = {.conf = &policy, .attempt = &a, .now = NOW};
	struct cell c;

	(void)state;
	put("192.0.2.0/24", GG_ALLOW, GG_BY_LEARNING, 0);
	put("192.0.2.9", GG_ALLOW, GG_BY_LEARNING, 0);
	table_edit(d.records, policy_source_tag(&policy, &p.addr), policy_edit_source, &e, NULL);
	table_edit(d.records, policy_network_tag(&policy, &p.addr), policy_edit_network, &e, NULL);
	assert_int_equal(table_count(d.records), 2);
	forget("192.0.2.7");
	assert_false(have("192.0.2.0/24"));
	assert_true(have("192.0.2.9"));
	assert_false(table_get(d.records, policy_source_tag(&policy, &p.addr), &c));
	assert_false(table_get(d.records, policy_network_tag(&policy, &p.addr), &c));
}

static void a_prefix(void **state)
{
	static const char *const prefixes[] = {"192.0.2.0/25",  "192.0.2.0/23",  "192.0.0.0/16",
					       "0.0.0.0/0",     "2001:db8::/60", "2001:db8::/48",
					       "2001:db8::/32", "::/0"};
	char text[ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct prefix p = prefix(prefixes[i]);

		grey("198.51.100.7", "s@sender.example");
		grey("2a00::7", "s@sender.example");
		for (int k = 0; k < 300; k++) {
			struct prefix in = prefix(addr_is4(&p.addr) ? "192.0.2.0" : "2001:db8::");

			in.addr.b[addr_is4(&p.addr) ? 15 : 7] = (uint8_t)k;
			in.addr.b[addr_is4(&p.addr) ? 14 : 6] += (uint8_t)(k >> 8);
			addr_text(&in.addr, text);
			grey(text, "s@sender.example");
			put(text, GG_ALLOW, GG_BY_LEARNING, 0);
		}
		forget(prefixes[i]);
		for (int k = 0; k < 300; k++) {
			struct prefix in = prefix(addr_is4(&p.addr) ? "192.0.2.0" : "2001:db8::");
			bool gone;

			in.addr.b[addr_is4(&p.addr) ? 15 : 7] = (uint8_t)k;
			in.addr.b[addr_is4(&p.addr) ? 14 : 6] += (uint8_t)(k >> 8);
			gone = prefix_holds(&p, &in.addr);
			addr_text(&in.addr, text);
			assert_int_equal(has_conduct(text), !gone);
			assert_int_equal(have(text), !gone);
		}
		if (p.len > 96) {
			assert_true(is_grey("198.51.100.7", "s@sender.example"));
			assert_true(is_grey("2a00::7", "s@sender.example"));
		}
		forget("0.0.0.0/0");
		forget("::/0");
		assert_int_equal(table_count(d.records), 0);
		assert_int_equal(table_count(d.conducts), 0);
		assert_int_equal(verdicts_count(d.verdicts), 0);
	}
}

/* Greytraps are of recipients, and what the settings say is not an operator's to forget. */
static void what_stays(void **state)
{
	struct record trap = {.tag = policy_trap_tag(&policy, "trap@example.net"),
			      .state = RECORD_TRAP,
			      .is4 = 1};
	const struct verdict_entry set = {
		.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR, .list = VERDICT_OF_CONFIG};
	const struct prefix p = prefix("192.0.2.7");

	(void)state;
	table_edit(d.records, trap.tag, daemon_edit_put, &trap, NULL);
	assert_int_equal(daemon_verdict_put(&d, &p, &set, "test"), 0);
	put("192.0.2.8", GG_ALLOW, GG_BY_OPERATOR, 0);
	assert_int_equal(forget("0.0.0.0"), 0);
	assert_int_equal(forget("0.0.0.0/0"), 1);
	assert_true(have("192.0.2.7"));
	assert_false(have("192.0.2.8"));
	assert_int_equal(table_count(d.records), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_address, make, unmake),
		cmocka_unit_test_setup_teardown(an_ipv6_address, make, unmake),
		cmocka_unit_test_setup_teardown(the_64_of_an_ipv6_address, make, unmake),
		cmocka_unit_test_setup_teardown(the_families_are_apart, make, unmake),
		cmocka_unit_test_setup_teardown(what_a_network_has_learned, make, unmake),
		cmocka_unit_test_setup_teardown(a_prefix, make, unmake),
		cmocka_unit_test_setup_teardown(what_stays, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
