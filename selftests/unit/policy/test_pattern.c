// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "policy/policy.h"
#include "../random.h"

static void quoted_local_parts_are_no_patterns(void **state)
{
	static const struct {
		const char *text;
		bool pattern;
	} rows[] = {
		{"user@example.net", false},
		{"us*@example.net", true},
		{"?@example.net", true},
		{"*@example.net", true},
		{"\"us*\"@example.net", false},
		{"\"a?b\"@example.net", false},
		{"user@*.example.net", true},
		{"\"a b\"@*.example.net", true},
		{"@example.net", false},
		{"@*.example.net", false},
		{"postmaster", false},
		{"", false},
		{"user*", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (policy_pattern(rows[i].text) != rows[i].pattern)
			fail_msg("%s", rows[i].text);
}

static void patterns_match_what_they_say(void **state)
{
	static const struct {
		const char *pattern, *mailbox;
		bool match;
	} rows[] = {
		{"sales-*@example.net", "sales-2009@example.net", true},
		{"sales-*@example.net", "sales-@example.net", true},
		{"sales-*@example.net", "sales@example.net", false},
		{"sales-*@example.net", "presales-1@example.net", false},
		{"sales-*@example.net", "sales-1@sub.example.net", false},
		{"sales-*@example.net", "sales-1@example.net.org", false},
		{"*@example.net", "anyone@example.net", true},
		{"a?c@example.net", "abc@example.net", true},
		{"a?c@example.net", "ac@example.net", false},
		{"a?c@example.net", "abbc@example.net", false},
		{"*a*b*@example.net", "xxaxxbxx@example.net", true},
		{"*a*b*@example.net", "xxbxxaxx@example.net", false},
		{"*ab@example.net", "aab@example.net", true},
		{"*abab@example.net", "ababab@example.net", true},
		{"a**b@example.net", "ab@example.net", true},
		{"user@*.example.net", "user@sub.example.net", true},
		{"user@*.example.net", "user@a.b.example.net", true},
		{"user@*.example.net", "user@example.net", false},
		{"user@*.example.net", "user@xexample.net", false},
		{"u*@*.example.net", "user@sub.example.net", true},
		{"u*@*.example.net", "other@sub.example.net", false},
		{"*@example.net", "a@b@example.net", true}, /* canonical of "a@b"@example.net */
		{"u*@example.net", "user", false},
		{"a*b@example.net", "a*b@example.net", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (policy_pattern_match(rows[i].pattern, rows[i].mailbox) != rows[i].match)
			fail_msg("%s, %s", rows[i].pattern, rows[i].mailbox);
}

/* The obvious way: every split of the rest. */
static bool slow_glob(const char *p, const char *s)
{
	if (!*p)
		return !*s;
	if (*p == '*')
		return slow_glob(p + 1, s) || (*s && slow_glob(p, s + 1));
	return *s && (*p == '?' || *p == *s) && slow_glob(p + 1, s + 1);
}

static void agrees_with_the_obvious_way(void **state)
{
	static const char of[] = "ab*?", in[] = "ab";
	char pattern[20], mailbox[20], p[9], s[9];
	uint64_t r = 7;
	int matches = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		size_t pl = random_below(&r, 8), sl = random_below(&r, 8);

		for (size_t k = 0; k < pl; k++)
			p[k] = of[random_below(&r, 4)];
		for (size_t k = 0; k < sl; k++)
			s[k] = in[random_below(&r, 2)];
		p[pl] = s[sl] = 0;
		snprintf(pattern, sizeof(pattern), "%s@x", p);
		snprintf(mailbox, sizeof(mailbox), "%s@x", s);
		matches += slow_glob(p, s);
		if (policy_pattern_match(pattern, mailbox) != slow_glob(p, s))
			fail_msg("%s, %s", pattern, mailbox);
	}
	assert_in_range(matches, 1000, 199000);
}

static void domains_match_whole_labels(void **state)
{
	(void)state;
	assert_true(policy_domain_match("example.net", "example.net"));
	assert_false(policy_domain_match("example.net", "sub.example.net"));
	assert_true(policy_domain_match("*.example.net", "sub.example.net"));
	assert_false(policy_domain_match("*.example.net", "example.net"));
	assert_false(policy_domain_match("*.example.net", ".example.net"));
	assert_false(policy_domain_match("*.example.net", "notexample.net"));
	assert_false(policy_domain_match("*.example.net", ""));
}

static void a_pattern_and_the_same_text_quoted_have_two_tags(void **state)
{
	struct policy_conf c = {.key = "0123456789abcde"};

	(void)state;
	assert_int_equal(policy_trap_tag(&c, "\"a*b\"@example.net"),
			 policy_trap_tag(&c, "a*b@example.net"));
	assert_int_not_equal(policy_pattern_tag(&c, "a*b@example.net"),
			     policy_trap_tag(&c, "a*b@example.net"));
	assert_int_equal(policy_pattern_tag(&c, "A*b@example.NET"),
			 policy_pattern_tag(&c, "a*b@example.net"));
}

static void a_domain_has_as_many_forms_as_labels(void **state)
{
	static const struct {
		const char *mailbox, *forms[4];
	} rows[] = {
		{"x@a.b.net", {"a.b.net", "*.b.net", "*.net"}},
		{"@net", {"net"}},
		{"x@y@b.net", {"b.net", "*.net"}},
		{"x", {NULL}},
		{"x@", {""}},
	};
	char form[POLICY_MAILBOX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int n = 0;

		for (; policy_domain_form(rows[i].mailbox, n, form); n++) {
			assert_non_null(rows[i].forms[n]);
			assert_string_equal(form, rows[i].forms[n]);
		}
		assert_null(rows[i].forms[n]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoted_local_parts_are_no_patterns),
		cmocka_unit_test(patterns_match_what_they_say),
		cmocka_unit_test(agrees_with_the_obvious_way),
		cmocka_unit_test(domains_match_whole_labels),
		cmocka_unit_test(a_domain_has_as_many_forms_as_labels),
		cmocka_unit_test(a_pattern_and_the_same_text_quoted_have_two_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
