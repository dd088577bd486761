// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/lists/dump.h"

static void clients_of_postgrey(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTGREY_CLIENTS, "# c\nExample.COM # c\ndgfip.finances.gouv.fr \n",
		 "2:domain example.com\n3:domain dgfip.finances.gouv.fr\n", NULL},
		{LIST_POSTGREY_CLIENTS, "mail.example.com.\nms4-1.1blu.de\nlocalhost\n_x.example\n",
		 "1:domain mail.example.com\n2:domain ms4-1.1blu.de\n3:domain localhost\n"
		 "4:domain _x.example\n",
		 NULL},
		{LIST_POSTGREY_CLIENTS, "192.0.2.7\n192.0.2.99/24\n195.235.39\n195.235\n10.\n",
		 "1:192.0.2.7\n2:192.0.2.0/24\n3:195.235.39.0/24\n4:195.235.0.0/16\n",
		 "f:5: \"10.\": not an address"},
		{LIST_POSTGREY_CLIENTS, "1.2.3.\n1.2.\n", "1:1.2.3.0/24\n2:1.2.0.0/16\n", NULL},
		{LIST_POSTGREY_CLIENTS, "2a01:4180:4051:0800::/64\n2001:db8::1\n2001:db8::1/32",
		 "1:2a01:4180:4051:800::/64\n2:2001:db8::1\n3:2001:db8::/32\n", NULL},
		{LIST_POSTGREY_CLIENTS, "/^s[cv]\\d+pub\\.Example\\.net$/\n/a/b/\n",
		 "1:~ ^s[cv]\\d+pub\\.Example\\.net$\n2:~ a/b\n", NULL},
	};

	(void)state;
	DUMP_CHECK(rows);
}

/* One spelling, which is that of DNS and of canonical mailboxes. */
static void other_scripts(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTGREY_CLIENTS, "mx.MÜLLER.example\nxn--mller-kva.example\n",
		 "1:domain mx.xn--mller-kva.example\n2:domain xn--mller-kva.example\n", NULL},
		{LIST_POSTGREY_RECIPIENTS, "Jörg@Müller.example\nmüller.example\nJÖRG@\n",
		 "1:to jörg@xn--mller-kva.example\n2:todomain xn--mller-kva.example\n"
		 "3:user jÖrg\n",
		 NULL},
		{LIST_SQLGREY_CLIENTS_FQDN, "*.müller.example\nmüller.example.\n",
		 "1:below xn--mller-kva.example\n2:name xn--mller-kva.example\n", NULL},
		{LIST_ACCESS, "müller.example OK\n.müller.example REJECT\n",
		 "1:+domain xn--mller-kva.example\n2:-below xn--mller-kva.example\n", NULL},
		{LIST_POSTGREY_RECIPIENTS, "a@-ü.example\nb@c.example\n", "2:to b@c.example\n",
		 "f:1: \"a@-??.example\": not a domain"},
		{LIST_POSTGREY_RECIPIENTS, "a@m\xfcller.example # m\xfc\n", "",
		 "f:1: \"a@m?ller.example\": not UTF-8"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void bad_clients_of_postgrey(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTGREY_CLIENTS, "two words", "", "f:1: \"two words\": a blank within it"},
		{LIST_POSTGREY_CLIENTS, "/a b/", "", "f:1: \"/a b/\": a blank within it"},
		{LIST_POSTGREY_CLIENTS, "//", "", "f:1: \"//\": not an address"},
		{LIST_POSTGREY_CLIENTS, "/open", "", "f:1: \"/open\": not a host name"},
		{LIST_POSTGREY_CLIENTS, "192.0.2.256", "", "f:1: \"192.0.2.256\": not an address"},
		{LIST_POSTGREY_CLIENTS, "192.0.2.0/33", "", "f:1: \"192.0.2.0/33\": not an"},
		{LIST_POSTGREY_CLIENTS, "192.0.2.0.1", "", "f:1: \"192.0.2.0.1\": not an address"},
		{LIST_POSTGREY_CLIENTS, "192", "", "f:1: \"192\": not an address"},
		{LIST_POSTGREY_CLIENTS, "1..2", "", "f:1: \"1..2\": not an address"},
		{LIST_POSTGREY_CLIENTS, "2001:db8::x", "", "f:1: \"2001:db8::x\": not an address"},
		{LIST_POSTGREY_CLIENTS, "2001:db8::/200", "", "f:1: \"2001:db8::/200\": not an"},
		{LIST_POSTGREY_CLIENTS, "a..example", "", "f:1: \"a..example\": not a host name"},
		{LIST_POSTGREY_CLIENTS, "user@example.com", "", "f:1: \"user@example.com\": not a"},
		{LIST_POSTGREY_CLIENTS, "*.example.com", "", "f:1: \"*.example.com\": not a host"},
		{LIST_POSTGREY_CLIENTS, ".", "", "f:1: \".\": not an address"},
		{LIST_POSTGREY_CLIENTS, "m\xfcller.example", "",
		 "f:1: \"m?ller.example\": not UTF-8"},
		{LIST_POSTGREY_CLIENTS, "☃.example", "", "f:1: \"???.example\": not a host name"},
		{LIST_POSTGREY_CLIENTS,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", "",
		 "f:1: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": not a host name"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void recipients_of_postgrey(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_POSTGREY_RECIPIENTS, "# c\npostmaster@\nAbuse@ # c\n",
		 "2:user postmaster\n3:user abuse\n", NULL},
		{LIST_POSTGREY_RECIPIENTS, "User@Example.NET\nexample.org\n/^x.*@example\\.net$/",
		 "1:to user@example.net\n2:todomain example.org\n3:to~ ^x.*@example\\.net$\n",
		 NULL},
		{LIST_POSTGREY_RECIPIENTS, "@example.net", "",
		 "f:1: \"@example.net\": not a mail address"},
		{LIST_POSTGREY_RECIPIENTS, "user@bad domain", "",
		 "f:1: \"user@bad domain\": a blank"},
		{LIST_POSTGREY_RECIPIENTS, "user@[192.0.2.1]", "",
		 "f:1: \"user@[192.0.2.1]\": not"},
		{LIST_POSTGREY_RECIPIENTS, "user@@x.example", "",
		 "f:1: \"user@@x.example\": not a mail"},
		{LIST_POSTGREY_RECIPIENTS, "a@b@", "", "f:1: \"a@b@\": not a mail address"},
		{LIST_POSTGREY_RECIPIENTS, "\"a\"@x.example", "",
		 "f:1: \"\"a\"@x.example\": not a mail"},
		{LIST_POSTGREY_RECIPIENTS, "<a@x.example>", "",
		 "f:1: \"<a@x.example>\": not a mail"},
		{LIST_POSTGREY_RECIPIENTS, "user@.", "", "f:1: \"user@.\": not a domain"},
		{LIST_POSTGREY_RECIPIENTS, "@", "", "f:1: \"@\": not a mail address"},
		{LIST_POSTGREY_RECIPIENTS,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@example.net",
		 "", "f:1: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": not a mail address"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

static void clients_of_sqlgrey(void **state)
{
	static const struct dump_row rows[] = {
		{LIST_SQLGREY_CLIENTS_IP, "12.5.136.141    # words\n64.12.137\t# words\n",
		 "1:12.5.136.141\n2:64.12.137.0/24\n", NULL},
		{LIST_SQLGREY_CLIENTS_IP, "192.0.2.7/24\n2001:db8::1\n2001:db8::/32\n",
		 "1:192.0.2.0/24\n2:2001:db8::1\n3:2001:db8::/32\n", NULL},
		{LIST_SQLGREY_CLIENTS_IP, "64.12", "", "f:1: \"64.12\": not an address"},
		{LIST_SQLGREY_CLIENTS_IP, "mail.example", "", "f:1: \"mail.example\": not an"},
		{LIST_SQLGREY_CLIENTS_IP, "192.0.2.1 192.0.2.2", "",
		 "f:1: \"192.0.2.1 192.0.2.2\""},
		{LIST_SQLGREY_CLIENTS_IP, "192.0.2.0/-1", "", "f:1: \"192.0.2.0/-1\": not an"},
		{LIST_SQLGREY_CLIENTS_FQDN,
		 "*.Example.com\nexample.com # c\n/^mail\\d+\\.x\\.de$/\n",
		 "1:below example.com\n2:name example.com\n3:~ ^mail\\d+\\.x\\.de$\n", NULL},
		{LIST_SQLGREY_CLIENTS_FQDN, "*example.com", "",
		 "f:1: \"*example.com\": not a host"},
		{LIST_SQLGREY_CLIENTS_FQDN, "*.", "", "f:1: \"*.\": not a host name"},
		{LIST_SQLGREY_CLIENTS_FQDN, "192.0.2.1", "", "f:1: \"192.0.2.1\": not a host"},
		{LIST_SQLGREY_CLIENTS_FQDN, "/open", "", "f:1: \"/open\": not a host name"},
		{LIST_SQLGREY_CLIENTS_FQDN, "a b", "", "f:1: \"a b\": not a host name"},
	};

	(void)state;
	DUMP_CHECK(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_of_postgrey), cmocka_unit_test(bad_clients_of_postgrey),
		cmocka_unit_test(other_scripts),       cmocka_unit_test(recipients_of_postgrey),
		cmocka_unit_test(clients_of_sqlgrey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
