// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/policy/settings.h"

static void vectors(void **state)
{
	static const struct {
		const char *helo, *src;
		bool bad;
	} rows[] = {
		{"mail.example.org", "192.0.2.7", false},
		{"MAIL.Example.ORG.", "192.0.2.7", false},
		{"my_host.example.org", "192.0.2.7", false},
		{"a.b", "192.0.2.7", false},
		{"1and1.example", "192.0.2.7", false},
		{"[192.0.2.7]", "192.0.2.7", false},
		{"[IPv6:2001:db8::7]", "2001:db8::7", false},
		{"[ipv6:2001:db8:0::7]", "2001:db8::7", false},
		{"[192.0.2.8]", "192.0.2.7", true},
		{"[IPv6:2001:db8::8]", "2001:db8::7", true},
		{"[192.0.2.7]", "2001:db8::7", true},
		{"[192.0.2.7", "192.0.2.7", true},
		{"[]", "192.0.2.7", true},
		{"[", "192.0.2.7", true},
		{"[IPv6:]", "192.0.2.7", true},
		{"[nonsense that is much longer than any address could ever be]", "192.0.2.7",
		 true},
		{"192.0.2.7", "192.0.2.7", true},
		{"localhost", "192.0.2.7", true},
		{"localhost.", "192.0.2.7", true},
		{"", "192.0.2.7", true},
		{".", "192.0.2.7", true},
		{"a..b", "192.0.2.7", true},
		{".example.org", "192.0.2.7", true},
		{"mail example.org", "192.0.2.7", true},
		{"mail.ex\xc3\xa4mple.org", "192.0.2.7", true},
		{"mx1.example.net", "192.0.2.7", true}, /* that is us */
		{"MX1.EXAMPLE.NET", "192.0.2.7", true},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.example",
		 "192.0.2.7", false},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.example",
		 "192.0.2.7", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr src;

		assert_int_equal(addr_parse(rows[i].src, &src), 0);
		if (policy_helo_bad(rows[i].helo, &src, "mx1.example.net") != rows[i].bad)
			fail_msg("\"%s\" %s", rows[i].helo, rows[i].bad ? "is bad" : "is not bad");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
