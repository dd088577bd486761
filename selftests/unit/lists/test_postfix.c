// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/lists/dump.h"

static void tables_of_postscreen(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTSCREEN_CIDR,
		 "# c\n192.168.1.1\tdunno\n192.168.0.0/16 REJECT\n2001:db8::/32 permit\n",
		 "2:?192.168.1.1\n3:-192.168.0.0/16\n4:+2001:db8::/32\n", NULL},
		{LIST_POSTSCREEN_CIDR, "[2001:db8::]/32 permit\n[2001:db8::1] permit\n",
		 "1:+2001:db8::/32\n2:+2001:db8::1\n", NULL},
		{LIST_POSTSCREEN_CIDR, "192.0.2.0/24\n  permit\n  # c\n\n192.0.2.7 reject\n",
		 "1:+192.0.2.0/24\n5:-192.0.2.7\n", NULL},
		{LIST_POSTSCREEN_CIDR, "!192.0.0.0/2 reject\n", "1:-0.0.0.0/1\n1:-128.0.0.0/2\n",
		 NULL},
		{LIST_POSTSCREEN_CIDR, "!0.0.0.0/0 reject\n", "", NULL},
		{LIST_POSTSCREEN_CIDR, "!8000::/1 reject\n", "1:-::/1\n", NULL},
		{LIST_POSTSCREEN_CIDR,
		 "if 10.0.0.0/8\n10.1.0.0/16 permit\n192.0.2.0/24 permit\n0.0.0.0/0 reject\nendif\n"
		 "192.0.2.0/24 permit\n",
		 "2:+10.1.0.0/16\n4:-10.0.0.0/8\n6:+192.0.2.0/24\n", NULL},
		{LIST_POSTSCREEN_CIDR, "if !128.0.0.0/1\n0.0.0.0/0 reject\n::/0 reject\nendif\n",
		 "2:-0.0.0.0/1\n", NULL},
		{LIST_POSTSCREEN_CIDR,
		 "IF 10.0.0.0/8\nif !10.0.0.0/9\n!10.128.0.0/10 reject\nendif\n10.0.0.0/8 permit\n"
		 "ENDIF\n",
		 "3:-10.192.0.0/10\n5:+10.0.0.0/8\n", NULL},
		{LIST_POSTSCREEN_CIDR,
		 "if 10.0.0.0/8\nif 192.0.2.0/24\n0.0.0.0/0 reject\nendif\nendif\n", "", NULL},
		{LIST_POSTSCREEN_CIDR, "if ::/0\n10.0.0.0/8 reject\n2001:db8::/32 reject\nendif",
		 "3:-2001:db8::/32\n", NULL},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void bad_tables_of_postscreen(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTSCREEN_CIDR, "192.0.2.1", "", "f:1: \"192.0.2.1\": no action behind it"},
		{LIST_POSTSCREEN_CIDR, "192.0.2.1 maybe", "", "f:1: \"maybe\": no such action"},
		{LIST_POSTSCREEN_CIDR, "192.0.2.1 reject go away", "", "f:1: \"go\": words behind"},
		{LIST_POSTSCREEN_CIDR, "192.0.2.1/24 reject", "",
		 "f:1: \"192.0.2.1/24\": has bits"},
		{LIST_POSTSCREEN_CIDR, "! 192.0.2.1 reject", "", "f:1: \"reject\": words behind"},
		{LIST_POSTSCREEN_CIDR, "!x reject", "", "f:1: \"x\": not an address"},
		{LIST_POSTSCREEN_CIDR, "[::1 reject", "", "f:1: \"[::1\": not an address"},
		{LIST_POSTSCREEN_CIDR, "mail.example reject", "", "f:1: \"mail.example\": not an"},
		/* A block that isn't understood must not let its lines apply to everyone. */
		{LIST_POSTSCREEN_CIDR, "1.2.3.4 permit\nif x\n0.0.0.0/0 reject\nendif\n",
		 "1:+1.2.3.4\n", "f:2: \"x\": not an address"},
		{LIST_POSTSCREEN_CIDR, "if", "", "f:1: \"if\" without a pattern"},
		{LIST_POSTSCREEN_CIDR, "if 10.0.0.0/8 reject\n", "",
		 "f:1: words behind the pattern"},
		{LIST_POSTSCREEN_CIDR, "endif", "", "f:1: \"endif\" without \"if\""},
		{LIST_POSTSCREEN_CIDR, "if 10.0.0.0/8\nendif x\n", "",
		 "f:2: words behind \"endif\""},
		{LIST_POSTSCREEN_CIDR, "if 10.0.0.0/8\n10.1.1.1 permit\n", "2:+10.1.1.1\n",
		 "f:2: \"if\" without \"endif\""},
		{LIST_POSTSCREEN_CIDR,
		 "if ::/0\nif ::/0\nif ::/0\nif ::/0\nif ::/0\nif ::/0\nif ::/0\nif ::/0\nif "
		 "::/0\n",
		 "", "f:9: blocks within more than 7 others"},
		{LIST_POSTSCREEN_CIDR, "!::ffff:0:0/96 permit\n", "",
		 "f:1: \"::ffff:0:0/96\": no sender is in it; all of IPv6 is ::/0"},
		{LIST_POSTSCREEN_CIDR, "if ::ffff:0:0/96\n192.0.2.1 permit\nendif\n", "",
		 "f:1: \"::ffff:0:0/96\": no sender is in it"},
	};
	static struct dump d;

	(void)state;
	DUMP_CHECK(rows);
	/* Refused, though an entry of it was good. */
	assert_int_equal(dump(&d, LIST_POSTSCREEN_CIDR, rows[8].text, strlen(rows[8].text)),
			 -EINVAL);
	assert_int_equal(dump(&d, LIST_POSTSCREEN_CIDR, rows[13].text, strlen(rows[13].text)),
			 -EINVAL);
}

/* The deepest blocks with the most around each network find their room. */
static void deepest_blocks(void **state)
{
	static const char text[] = "if !2001:db8::1\nif !2001:db8:1::1\nif !2001:db8:2::1\n"
				   "if !2001:db8:3::1\nif !2001:db8:4::1\nif !2001:db8:5::1\n"
				   "if !2001:db8:6::1\nif !2001:db8:7::1\n"
				   "2001:db8::/29 reject\n2001:db8:7::1 reject\n"
				   "endif\nendif\nendif\nendif\nendif\nendif\nendif\nendif\n";
	static struct dump d;

	(void)state;
	dump(&d, LIST_POSTSCREEN_CIDR, text, strlen(text));
	assert_null(strstr(d.text, "10:-"));
	assert_non_null(strstr(d.text, "9:-2001:db8::\n"));
}

/* All around a network, and no IPv4: nothing else of IPv6 is missing. */
static void around_the_mapped_addresses(void **state)
{
	static const char text[] = "!::fffe:0:0/96 permit\n";
	static struct dump d;

	(void)state;
	assert_int_equal(dump(&d, LIST_POSTSCREEN_CIDR, text, strlen(text)), 0);
	assert_int_equal(d.report.entries, 95);
	assert_null(strchr(d.text, '.'));
	assert_non_null(strstr(d.text, "1:+8000::/1\n"));
	assert_non_null(strstr(d.text, "1:+::fffc:0:0/95\n"));
}

static void maps_of_access(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_ACCESS, "# c\nexample.com OK\n.example.net REJECT\nMail.example.org dunno\n",
		 "2:+domain example.com\n3:-below example.net\n4:?domain mail.example.org\n", NULL},
		{LIST_ACCESS,
		 "bad.example REJECT no mail from here\n"
		 "worse.example 554 5.7.1 go away\nb.example 550 words\n",
		 "1:-domain bad.example \"no mail from here\"\n2:-domain worse.example \"go "
		 "away\"\n"
		 "3:-domain b.example \"words\"\n",
		 NULL},
		{LIST_ACCESS,
		 "a.example REJECT 5.7.1 words\nb.example reject 5.7.1\nc.example 250\n"
		 "d.example 550\n",
		 "1:-domain a.example \"words\"\n2:-domain b.example\n3:+domain c.example\n"
		 "4:+domain d.example\n",
		 NULL},
		{LIST_ACCESS, "192.0.2.7 OK\n192.0.2 REJECT\n10 permit\n172.16 DUNNO\n",
		 "1:+192.0.2.7\n2:-192.0.2.0/24\n3:+10.0.0.0/8\n4:?172.16.0.0/16\n", NULL},
		{LIST_ACCESS, "2001:db8::1 OK\n2001:db8 REJECT\n2001:db8:0:1 OK\n192.0.2.0/24 OK\n",
		 "1:+2001:db8::1\n2:-2001:db8::/32\n3:+2001:db8:0:1::/64\n4:+192.0.2.0/24\n", NULL},
		{LIST_ACCESS, "a.example\n  REJECT one\n  two\n",
		 "1:-domain a.example \"one two\"\n", NULL},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void bad_maps_of_access(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_ACCESS, "a.example", "", "f:1: \"a.example\": no action behind it"},
		{LIST_ACCESS, "a.example HOLD", "", "f:1: \"HOLD\": no action of a list; allowed"},
		{LIST_ACCESS, "a.example DEFER later", "", "f:1: \"DEFER\": no action of a list"},
		{LIST_ACCESS, "a.example 450 later", "", "f:1: \"450\": no action of a list"},
		{LIST_ACCESS, "a.example OK words", "", "f:1: \"words\": words behind OK"},
		{LIST_ACCESS, "a.example REJECT m\xc3\xbcll", "",
		 "f:1: \"m??ll\": not plain ASCII"},
		{LIST_ACCESS, "user@example.com REJECT", "", "f:1: \"user@example.com\": a mail"},
		{LIST_ACCESS, "<> REJECT", "", "f:1: \"<>\": neither a name nor an address"},
		{LIST_ACCESS, "192.0.2. OK", "", "f:1: \"192.0.2.\": neither a name nor"},
		{LIST_ACCESS, "192.0.2.256 OK", "", "f:1: \"192.0.2.256\": neither a name nor"},
		{LIST_ACCESS, "2001:db8:x OK", "", "f:1: \"2001:db8:x\": neither a name nor"},
		{LIST_ACCESS, "1:2:3:4:5:6:7:8:9 OK", "", "f:1: \"1:2:3:4:5:6:7:8:9\": neither"},
		{LIST_ACCESS, ". OK", "", "f:1: \".\": neither a name nor an address"},
		{LIST_ACCESS, "a.example REJECT \x1b[31m", "",
		 "f:1: \"a.example REJECT ?[31m\": a"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_of_postscreen),
		cmocka_unit_test(bad_tables_of_postscreen),
		cmocka_unit_test(around_the_mapped_addresses),
		cmocka_unit_test(deepest_blocks),
		cmocka_unit_test(maps_of_access),
		cmocka_unit_test(bad_maps_of_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
