// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "dns/name.h"

static struct addr parsed(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a))
		fail_msg("%s does not parse", text);
	return a;
}

static void reverse_names(void **state)
{
	static const struct {
		const char *addr, *name;
	} rows[] = {
		{"192.0.2.7", "7.2.0.192.in-addr.arpa"},
		{"0.0.0.0", "0.0.0.0.in-addr.arpa"},
		{"255.254.253.252", "252.253.254.255.in-addr.arpa"},
		{"2001:db8::567:89ab",
		 "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0."
		 "2.ip6.arpa"},
		{"::", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
	};
	char buf[NAME_REVERSE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = parsed(rows[i].addr);

		assert_string_equal(name_reverse(&a, buf), rows[i].name);
		assert_true(name_askable(buf));
	}
}

static void names_under_a_list(void **state)
{
	struct addr four = parsed("192.0.2.99"), six = parsed("2001:db8::1");
	char zone[DNS_NAME + 10], buf[DNS_NAME];

	(void)state;
	assert_true(name_listed(&four, "bad.example", buf));
	assert_string_equal(buf, "99.2.0.192.bad.example");
	assert_true(name_listed(&six, "bad.example", buf));
	assert_string_equal(
		buf, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.example");
	/* "99.2.0.192." and 242 characters are 253 */
	memset(zone, 'a', sizeof(zone));
	zone[242] = 0;
	assert_true(name_listed(&four, zone, buf));
	zone[242] = 'a';
	zone[243] = 0;
	assert_false(name_listed(&four, zone, buf));
	zone[190] = 0;
	assert_false(name_listed(&six, zone, buf));
	zone[189] = 0;
	assert_true(name_listed(&six, zone, buf));
}

static void what_can_be_asked(void **state)
{
	char label[66], name[300];

	(void)state;
	assert_true(name_askable("a"));
	assert_true(name_askable("a.b-c_d. e.f%"));
	assert_false(name_askable(""));
	assert_false(name_askable("."));
	assert_false(name_askable(".a"));
	assert_false(name_askable("a."));
	assert_false(name_askable("a..b"));
	assert_false(name_askable("a.b\nc"));
	assert_false(name_askable("a.b\x7f"));
	assert_false(name_askable("m\xc3\xbcller.example"));
	memset(label, 'a', sizeof(label));
	label[63] = 0;
	assert_true(name_askable(label));
	label[63] = 'a';
	label[64] = 0;
	assert_false(name_askable(label));
	memset(name, 'a', sizeof(name));
	for (int i = 50; i < 300; i += 50)
		name[i] = '.';
	name[253] = 0;
	assert_true(name_askable(name));
	name[253] = 'a';
	name[254] = 0;
	assert_false(name_askable(name));
}

static void what_is_a_host(void **state)
{
	(void)state;
	assert_true(name_is_host("mail.example"));
	assert_true(name_is_host("a_b-1.2.example9"));
	assert_false(name_is_host("mail"));
	assert_false(name_is_host("1.2.3.4"));
	assert_false(name_is_host("mail.example.7"));
	assert_false(name_is_host("a b.example"));
	assert_false(name_is_host("a.exa/mple"));
	assert_false(name_is_host("a."));
	assert_false(name_is_host(""));
}

static void what_lies_below(void **state)
{
	(void)state;
	assert_true(name_below("example.org", "EXAMPLE.org"));
	assert_true(name_below("a.b.example.org", "example.org"));
	assert_false(name_below("notexample.org", "example.org"));
	assert_false(name_below("org", "example.org"));
	assert_false(name_below("example.org.net", "example.org"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reverse_names),     cmocka_unit_test(names_under_a_list),
		cmocka_unit_test(what_can_be_asked), cmocka_unit_test(what_is_a_host),
		cmocka_unit_test(what_lies_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
