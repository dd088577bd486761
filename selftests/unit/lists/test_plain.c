// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/lists/dump.h"

static void lines_of_addresses(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_CIDR, "", "", NULL},
		{LIST_CIDR, "\n\n# c\n; c\n  \t\n", "", NULL},
		{LIST_CIDR, "192.0.2.7", "1:192.0.2.7\n", NULL},
		{LIST_CIDR, "192.0.2.7\r\n2001:db8::/32\r\n", "1:192.0.2.7\n2:2001:db8::/32\n",
		 NULL},
		{LIST_CIDR,
		 "\xef\xbb\xbf"
		 "192.0.2.0/24 # c\n\t10.0.0.0/8;c",
		 "1:192.0.2.0/24\n2:10.0.0.0/8\n", NULL},
		{LIST_CIDR, "0.0.0.0/0\n::/0\n::1/128\n1.2.3.4/32",
		 "1:0.0.0.0/0\n2:::/0\n3:::1\n4:1.2.3.4\n", NULL},
		{LIST_CIDR, "192.0.2.0-192.0.2.255", "1:192.0.2.0/24\n", NULL},
		{LIST_CIDR, "192.0.2.1 - 192.0.2.6",
		 "1:192.0.2.1\n1:192.0.2.2/31\n1:192.0.2.4/31\n1:192.0.2.6\n", NULL},
		{LIST_CIDR, "192.0.2.1- 192.0.2.1\n192.0.2.2 -192.0.2.3 # c",
		 "1:192.0.2.1\n2:192.0.2.2/31\n", NULL},
		{LIST_CIDR, "0.0.0.0-255.255.255.255", "1:0.0.0.0/0\n", NULL},
		{LIST_CIDR, "255.255.255.254-255.255.255.255", "1:255.255.255.254/31\n", NULL},
		{LIST_CIDR, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1:::/0\n", NULL},
		{LIST_CIDR, "2001:db8::1-2001:db8::2", "1:2001:db8::1\n1:2001:db8::2\n", NULL},
		{LIST_SPAMD, "192.0.2.1 - 192.0.2.2 some words\n192.0.2.4 more-words\n",
		 "1:192.0.2.1\n1:192.0.2.2\n2:192.0.2.4\n", NULL},
		{LIST_SPAMHAUS_DROP, "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n",
		 "2:1.10.16.0/20\n", NULL},
		{LIST_SPAMHAUS_DROP, "2a06:5280::/29 ; SBL1\n", "1:2a06:5280::/29\n", NULL},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void bad_lines_of_addresses(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_CIDR, "1.2.3.4\n192.0.2.1/24", "1:1.2.3.4\n",
		 "f:2: \"192.0.2.1/24\": has bits set right of its length; allowed is "
		 "192.0.2.0/24\n"},
		{LIST_CIDR, "2001:db8::1/32", "", "f:1: \"2001:db8::1/32\": has bits set"},
		{LIST_CIDR, "192.0.2", "", "f:1: \"192.0.2\": not an address; allowed is"},
		{LIST_CIDR, "192.0.2.256", "", "f:1: \"192.0.2.256\": not an address"},
		{LIST_CIDR, "192.0.02.1", "", "f:1: \"192.0.02.1\": not an address"},
		{LIST_CIDR, "192.0.2.0/33", "", "f:1: \"192.0.2.0/33\": not an address"},
		{LIST_CIDR, "192.0.2.0/", "", "f:1: \"192.0.2.0/\": not an address"},
		{LIST_CIDR, "192.0.2.0/24/25", "", "f:1: \"192.0.2.0/24/25\": not an address"},
		{LIST_CIDR, "2001:db8::/129", "", "f:1: \"2001:db8::/129\": not an address"},
		{LIST_CIDR, "2001:db8::1%eth0", "", "f:1: \"2001:db8::1%eth0\": not an address"},
		{LIST_CIDR, "-", "", "f:1: \"\": a range without an end"},
		{LIST_CIDR, "192.0.2.1-", "", "f:1: \"192.0.2.1\": a range without an end"},
		{LIST_CIDR, "-192.0.2.1", "", "f:1: \"\": not an address"},
		{LIST_CIDR, "192.0.2.9-192.0.2.1", "",
		 "f:1: \"192.0.2.9\": the range ends at 192.0.2.1, before it begins"},
		{LIST_CIDR, "192.0.2.1-2001:db8::1", "",
		 "f:1: \"2001:db8::1\": IPv4 and IPv6 in one range"},
		{LIST_CIDR, "192.0.2.0/24-192.0.3.0/24", "", "f:1: \"192.0.2.0/24\": not an"},
		{LIST_CIDR, "192.0.2.1-192.0.2.x", "", "f:1: \"192.0.2.x\": not an address"},
		{LIST_CIDR, "192.0.2.1 words", "", "f:1: \"words\": words behind an address"},
		{LIST_CIDR, "192.0.2.1-192.0.2.2 words", "", "f:1: \"words\": words behind"},
		{LIST_CIDR, "mail.example.com", "", "f:1: \"mail.example.com\": not an address"},
		{LIST_CIDR, "\xff\xfe", "", "f:1: \"??\": not UTF-8"},
		{LIST_CIDR, "\x01", "", "f:1: \"?\": a control character"},
		{LIST_SPAMHAUS_DROP, "<html><body>404</body></html>", "", "f:1: \"<html><body>404"},
		{LIST_SPAMHAUS_DROP, "; Spamhaus DROP List\n", "",
		 "f:1: no entry in it: a list of format spamhaus-drop is never empty"},
		{LIST_SPAMHAUS_DROP, "", "", "f:1: no entry in it"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_addresses),
		cmocka_unit_test(bad_lines_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
