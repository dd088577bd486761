// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "selftests/unit/policy/settings.h"

static uint64_t tag_of(enum policy_match match, const char *src, const char *sender,
		       const char *recipient)
{
	struct policy_attempt a = attempt(src, sender, recipient);
	struct policy_identity ids[POLICY_RUNGS];
	struct policy_conf c = settings();

	c.match = match;
	assert_int_equal(policy_identities(&c, &a, ids), 1);
	assert_int_equal(ids[0].rung, match == MATCH_NETWORK ? RUNG_NETWORK : RUNG_ADDRESS);
	assert_int_not_equal(ids[0].tag, 0);
	return ids[0].tag;
}

static void a_triplet_is_what_it_says(void **state)
{
	static const char s[] = "a@x.example", r[] = "b@y.example";
	static const struct {
		enum policy_match match;
		const char *src1, *from1, *to1, *src2, *from2, *to2;
		bool same;
	} rows[] = {
		{MATCH_NETWORK, "192.0.2.1", s, r, "192.0.2.254", s, r, true},
		{MATCH_NETWORK, "192.0.2.1", s, r, "192.0.3.1", s, r, false},
		{MATCH_NETWORK, "2001:db8:1:2::1", s, r, "2001:db8:1:2:ffff::9", s, r, true},
		{MATCH_NETWORK, "2001:db8:1:2::1", s, r, "2001:db8:1:3::1", s, r, false},
		{MATCH_ADDRESS, "192.0.2.1", s, r, "192.0.2.1", s, r, true},
		{MATCH_ADDRESS, "192.0.2.1", s, r, "192.0.2.2", s, r, false},
		{MATCH_ADDRESS, "2001:db8::1", s, r, "2001:db8::2", s, r, false},
		/* ::192.0.2.0 is not 192.0.2.0 */
		{MATCH_ADDRESS, "192.0.2.1", s, r, "::c000:201", s, r, false},
		{MATCH_NETWORK, "192.0.2.1", "A@X.Example", "\"b\"@Y.EXAMPLE", "192.0.2.1", s, r,
		 true},
		{MATCH_NETWORK, "192.0.2.1", "", r, "192.0.2.1", s, r, false},
		{MATCH_NETWORK, "192.0.2.1", "", r, "192.0.2.9", "", r, true},
		{MATCH_NETWORK, "192.0.2.1", s, r, "192.0.2.1", r, s, false},
		/* the border between the texts counts */
		{MATCH_NETWORK, "192.0.2.1", "ab", "c", "192.0.2.1", "a", "bc", false},
		{MATCH_NETWORK, "192.0.2.1", "ab", "", "192.0.2.1", "", "ab", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t a = tag_of(rows[i].match, rows[i].src1, rows[i].from1, rows[i].to1);
		uint64_t b = tag_of(rows[i].match, rows[i].src2, rows[i].from2, rows[i].to2);

		assert_int_equal(a == b, rows[i].same);
	}
}

static void kinds_of_tags_never_meet(void **state)
{
	struct policy_conf c = settings();
	struct addr src;
	uint64_t tags[7];
	char text[17] = {0};

	(void)state;
	assert_int_equal(addr_parse("4142:4344:4546:4748::", &src), 0);
	memcpy(text, src.b, 8);
	tags[0] = tag_of(MATCH_NETWORK, "4142:4344:4546:4748::", "", "");
	tags[1] = tag_of(MATCH_ADDRESS, "4142:4344:4546:4748::", "", "");
	tags[2] = policy_source_tag(&c, &src);
	tags[3] = policy_trap_tag(&c, text);
	tags[4] = policy_trap_tag(&c, "@example.net");
	tags[5] = policy_trap_tag(&c, "x@example.net");
	tags[6] = policy_network_tag(&c, &src);
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(tags[i], tags[j]);
}

static void traps_know_every_spelling(void **state)
{
	struct policy_conf c = settings();

	(void)state;
	assert_int_equal(policy_trap_tag(&c, "Old@Example.net"),
			 policy_trap_tag(&c, "\"old\"@example.NET"));
	assert_int_equal(policy_trap_tag(&c, "@Example.NET"), policy_trap_tag(&c, "@example.net"));
}

static void another_secret_gives_other_tags(void **state)
{
	struct policy_conf c = settings();
	struct addr src;
	uint64_t before;

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", &src), 0);
	before = policy_source_tag(&c, &src);
	c.key[15] ^= 1;
	assert_int_not_equal(policy_source_tag(&c, &src), before);
}

static struct policy_evidence evidence(const char *name, const char *spf_domain)
{
	struct policy_evidence e = {
		.name_state = name ? (*name ? NAME_CONFIRMED : NAME_NONE) : NAME_UNKNOWN,
		.spf = spf_domain ? SPF_PASS : SPF_NONE,
	};

	snprintf(e.name, sizeof(e.name), "%s", name ? name : "");
	snprintf(e.spf_domain, sizeof(e.spf_domain), "%s", spf_domain ? spf_domain : "");
	return e;
}

/* Bounces of a pool, whose SPF speaks of each host's own name: one organisation's meet. */
static void bounces_meet_by_the_organisation_in_helo(void **state)
{
	static const struct {
		const char *sender, *one, *other;
		bool meet;
	} rows[] = {
		{"", "out1.bigmail.example", "out2.bigmail.example", true},
		{"", "out1.bigmail.example", "bigmail.example", true},
		{"", "a.mx.shop.co.uk", "b.mx.shop.co.uk", true},
		{"", "a.shop.co.uk", "a.other.co.uk", false},
		{"", "out1.bigmail.example", "out1.other.example", false},
		/* lines of one provider's customers are not one sender */
		{"", "ppp1.isp.example", "ppp2.isp.example", false},
		/* a sender's domain is who it says it is */
		{"a@x", "out1.bigmail.example", "out2.bigmail.example", false},
		{"a@x", "bigmail.example", "bigmail.example", true},
	};
	struct policy_conf c = settings();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_attempt a = attempt("198.51.100.7", rows[i].sender, "b@y");
		struct policy_attempt b = attempt("2001:db8::7", rows[i].sender, "b@y");
		struct policy_evidence e = evidence("", rows[i].one),
				       f = evidence("", rows[i].other);
		struct policy_identity ids[2][POLICY_RUNGS];

		a.evidence = &e;
		b.evidence = &f;
		assert_int_equal(policy_identities(&c, &a, ids[0]), 2);
		assert_int_equal(policy_identities(&c, &b, ids[1]), 2);
		assert_int_equal(ids[0][0].rung, RUNG_SPF);
		if ((ids[0][0].tag == ids[1][0].tag) != rows[i].meet)
			fail_msg("row %zu", i);
	}
}

static void the_ladder_is_what_the_evidence_allows(void **state)
{
	static const struct {
		const char *name, *spf;
		enum policy_rung rungs[POLICY_RUNGS];
	} rows[] = {
		{NULL, NULL, {RUNG_NETWORK}},
		{"", NULL, {RUNG_NETWORK}},
		{"mx.example.org", NULL, {RUNG_NAME, RUNG_NETWORK}},
		{NULL, "example.org", {RUNG_SPF, RUNG_NETWORK}},
		{"", "example.org", {RUNG_SPF, RUNG_NETWORK}},
		{"mx.example.org", "example.org", {RUNG_SPF, RUNG_NAME, RUNG_NETWORK}},
		{"mx.example.org", "", {RUNG_NAME, RUNG_NETWORK}},
		/* a name made up for the address is nobody's */
		{"dsl-17.isp.example", NULL, {RUNG_NETWORK}},
		{"192-0-2-1.isp.example", "example.org", {RUNG_SPF, RUNG_NETWORK}},
		/* nor is a public suffix */
		{"co.uk", NULL, {RUNG_NETWORK}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_evidence e = evidence(rows[i].name, rows[i].spf);
		struct policy_attempt a = attempt("192.0.2.1", "a@x", "b@y");
		struct policy_identity ids[POLICY_RUNGS];
		struct policy_conf c = settings();
		int n;

		a.evidence = &e;
		n = policy_identities(&c, &a, ids);
		for (int k = 0; k < POLICY_RUNGS; k++)
			assert_int_equal(k < n ? (int)ids[k].rung : 0, rows[i].rungs[k]);
		c.match = MATCH_ADDRESS;
		assert_int_equal(policy_identities(&c, &a, ids), 1);
		assert_int_equal(ids[0].rung, RUNG_ADDRESS);
	}
}

/* Whether two sessions share an identity. */
static bool meet(const struct policy_attempt *a, const struct policy_attempt *b)
{
	struct policy_identity x[POLICY_RUNGS], y[POLICY_RUNGS];
	struct policy_conf c = settings();
	int n = policy_identities(&c, a, x), m = policy_identities(&c, b, y);

	for (int i = 0; i < n; i++)
		for (int j = 0; j < m; j++)
			if (x[i].tag == y[j].tag)
				return true;
	return false;
}

static void pools_meet_and_strangers_do_not(void **state)
{
	static const struct {
		const char *src1, *name1, *spf1, *src2, *name2, *spf2;
		bool meet;
	} rows[] = {
		{"192.0.2.1", "a.pool.example.co.uk", NULL, "198.51.100.1", "b.out.example.co.uk",
		 NULL, false},
		{"192.0.2.1", "mail-a.example.co.uk", NULL, "198.51.100.1", "mail-b.example.co.uk",
		 NULL, true},
		{"192.0.2.1", "mail.one.co.uk", NULL, "198.51.100.1", "mail.two.co.uk", NULL,
		 false},
		{"192.0.2.1", "", "s.example", "198.51.100.1", "", "s.example", true},
		{"2001:db8:1::1", "", "s.example", "2001:db8:2::1", "", "s.example", true},
		{"2001:db8:1::1", "m1.example.org", NULL, "192.0.2.1", "m2.example.org", NULL,
		 true},
		/* one kind of evidence is enough, also when the other is late */
		{"192.0.2.1", "m1.example.org", "s.example", "198.51.100.1", NULL, "s.example",
		 true},
		{"192.0.2.1", "m1.example.org", "s.example", "198.51.100.1", "m2.example.org", NULL,
		 true},
		{"192.0.2.1", "m1.example.org", NULL, "198.51.100.1", NULL, "s.example", false},
		{"192.0.2.1", NULL, NULL, "192.0.2.200", "m2.example.org", "s.example", true},
		/* a name is not a domain that SPF passed */
		{"192.0.2.1", "m1.example.org", NULL, "198.51.100.1", NULL, "example.org", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_evidence e = evidence(rows[i].name1, rows[i].spf1);
		struct policy_evidence f = evidence(rows[i].name2, rows[i].spf2);
		struct policy_attempt a = attempt(rows[i].src1, "a@x", "b@y");
		struct policy_attempt b = attempt(rows[i].src2, "a@x", "b@y");

		a.evidence = &e;
		b.evidence = &f;
		if (meet(&a, &b) != rows[i].meet)
			fail_msg("row %zu", i);
		b.recipient = "c@y";
		assert_false(meet(&a, &b));
		b.recipient = "b@y";
		b.sender = "c@x";
		assert_false(meet(&a, &b));
	}
}

/* The wait that one address of a pool was told holds for the next one. */
static void one_triplet_has_one_delay(void **state)
{
	struct policy_evidence e = evidence("m1.example.org", "s.example");
	struct policy_conf c = settings();
	bool differ = false;
	uint32_t before = 0;

	(void)state;
	c.jitter = 20;
	for (int i = 0; i < 200; i++) {
		char sender[40];
		struct policy_identity ids[POLICY_RUNGS];
		struct policy_attempt a;
		uint32_t delay;
		int n;

		snprintf(sender, sizeof(sender), "user.%c%c@example.org", 'a' + i % 26,
			 'a' + i / 26);
		a = attempt("192.0.2.1", sender, "b@y");
		a.evidence = &e;
		n = policy_identities(&c, &a, ids);
		assert_int_equal(n, 3);
		delay = policy_delay(&c, CLASS_DEFAULT, ids[0].tag);
		for (int k = 1; k < n; k++)
			assert_int_equal(policy_delay(&c, CLASS_DEFAULT, ids[k].tag), delay);
		differ |= i && delay != before;
		before = delay;
	}
	assert_true(differ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_triplet_is_what_it_says),
		cmocka_unit_test(kinds_of_tags_never_meet),
		cmocka_unit_test(traps_know_every_spelling),
		cmocka_unit_test(another_secret_gives_other_tags),
		cmocka_unit_test(bounces_meet_by_the_organisation_in_helo),
		cmocka_unit_test(the_ladder_is_what_the_evidence_allows),
		cmocka_unit_test(pools_meet_and_strangers_do_not),
		cmocka_unit_test(one_triplet_has_one_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
