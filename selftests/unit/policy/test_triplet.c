// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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
	uint64_t tags[6];
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
	for (int i = 0; i < 6; i++)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_triplet_is_what_it_says),
		cmocka_unit_test(kinds_of_tags_never_meet),
		cmocka_unit_test(traps_know_every_spelling),
		cmocka_unit_test(another_secret_gives_other_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
