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
		/* What begins below the mapped addresses goes on behind them. */
		{LIST_CIDR, "::fffe:8000:0-::1:0:0:0", "1:::fffe:8000:0/97\n1:::1:0:0:0\n",
		 "f:1: \"::ffff:0:0/96\": no sender is in it"},
		{LIST_CIDR, "::ffff:192.0.2.7\n::ffff:192.0.2.0/120\n::ffff:0:0/97\n",
		 "1:192.0.2.7\n2:192.0.2.0/24\n3:0.0.0.0/1\n", NULL},
		{LIST_CIDR, "::ffff:192.0.2.2-::ffff:192.0.2.3", "1:192.0.2.2/31\n", NULL},
		{LIST_SPAMD, "192.0.2.1 - 192.0.2.2 some words\n192.0.2.4 more-words\n",
		 "1:192.0.2.1\n1:192.0.2.2\n2:192.0.2.4\n", NULL},
		{LIST_SPAMHAUS_DROP, "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n",
		 "2:1.10.16.0/20\n", NULL},
		{LIST_SPAMHAUS_DROP, "2a06:5280::/29 ; SBL1\n", "1:2a06:5280::/29\n", NULL},
		{LIST_SPAMHAUS_DROP,
		 "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\r\n"
		 "{ \"sblid\": \"SBL1\", \"cidr\": \"2a06:5280::/29\" }\n"
		 "{\"type\":\"metadata\",\"timestamp\":1700000000,\"size\":2,\"records\":2}\n",
		 "1:1.10.16.0/20\n2:2a06:5280::/29\n", NULL},
	};

	(void)state;
	DUMP_CHECK(rows);
}

/* IPv6 text never means all of IPv4: the line is left out, which is said, and no mistake. */
static void all_of_ipv4_in_ipv6_words(void **state)
{
	static const struct {
		enum list_format format;
		const char *line;
	} rows[] = {
		{LIST_CIDR, "::ffff:0:0/96"},
		{LIST_CIDR, "::ffff:0.0.0.0/96"},
		{LIST_CIDR, "::ffff:192.0.2.7/96"},
		{LIST_CIDR, "::ffff:0:0-::ffff:ffff:ffff"},
		{LIST_SPAMD, "::ffff:0:0/96 mapped"},
		{LIST_SPAMHAUS_DROP, "::ffff:0:0/96 ; SBL1"},
		{LIST_POSTGREY_CLIENTS, "::ffff:0:0/96"},
		{LIST_SQLGREY_CLIENTS_IP, "::ffff:0:0/96"},
		{LIST_POSTSCREEN_CIDR, "::ffff:0:0/96 reject"},
		{LIST_POSTSCREEN_CIDR, "[::ffff:0:0]/96 permit"},
		{LIST_ACCESS, "::ffff:0:0/96 REJECT"},
		{LIST_ACCESS, "0:0:0:0:0:ffff REJECT"},
	};
	static struct dump d;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *good = rows[i].format == LIST_POSTSCREEN_CIDR ? "fe80::/10 reject"
				   : rows[i].format == LIST_ACCESS        ? "fe80::/10 REJECT"
									  : "fe80::/10";
		char text[100];

		snprintf(text, sizeof(text), "%s\n%s\n", good, rows[i].line);
		if (dump(&d, rows[i].format, text, strlen(text)) || d.report.bad ||
		    d.report.entries != 1 || strchr(d.text, '.'))
			fail_msg("%s: \"%s\" is\n%s", list_format_text(rows[i].format),
				 rows[i].line, d.text);
		if (!strstr(d.errors,
			    ": no sender is in it: left out; all of IPv4 is 0.0.0.0/0\n") ||
		    strncmp(d.errors, "f:2: \"", 6) != 0)
			fail_msg("\"%s\": \"%s\"", rows[i].line, d.errors);
	}
	/* A feed that has nothing else in it was fetched badly. */
	assert_int_equal(dump(&d, LIST_SPAMHAUS_DROP, "::ffff:0:0/96\n", 14), -EINVAL);
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
		{LIST_SPAMHAUS_DROP, "{\"cidr\":1}", "", "f:1: \"{\"cidr\":1}\": no prefix"},
		{LIST_SPAMHAUS_DROP, "{\"cidr\":\"1.10.16.0/20\"", "", "f:1: \"{\"cidr"},
		{LIST_SPAMHAUS_DROP, "{\"cidr\":\"1.10.16.0/33\"}", "", "f:1: \"1.10.16.0/33\""},
		{LIST_SPAMHAUS_DROP, "{\"type\":\"metadata\"}\n", "", "f:1: no entry in it"},
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
		cmocka_unit_test(all_of_ipv4_in_ipv6_words),
		cmocka_unit_test(bad_lines_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
