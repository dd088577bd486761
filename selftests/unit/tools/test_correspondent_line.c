// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/correspondent_line.c"

#define SENT "Nov 21 20:00:00 mx postfix/smtp[77]: 4ABC: to=<bob@example.org>, "

static void lines_name_whom_mail_went_to(void **state)
{
	static const struct {
		const char *line, *first, *second;
	} rows[] = {
		{"example.org\n", "example.org", NULL},
		{"  bob@example.org\r\n", "bob@example.org", NULL},
		{"192.0.2.7", "192.0.2.7", NULL},
		{"", NULL, NULL},
		{" \t\n", NULL, NULL},
		{"# example.org\n", NULL, NULL},
		{"#\n", NULL, NULL},
		{"two words\n", NULL, NULL},
		{SENT
		 "relay=mx.example.org[192.0.2.7]:25, delay=1, dsn=2.0.0, status=sent (250 ok)\n",
		 "bob@example.org", "192.0.2.7"},
		{SENT "orig_to=<al>, relay=mx.example.org[2001:db8::7]:25, status=sent (250 ok)\n",
		 "bob@example.org", "2001:db8::7"},
		{SENT "relay=mx.example.org[192.0.2.7]:25, status=deferred (450 wait)\n", NULL,
		 NULL},
		{SENT "relay=mx.example.org[192.0.2.7]:25, status=bounced (550 no)\n", NULL, NULL},
		{SENT "relay=mx.example.org[192.0.2.7]:587, status=sent (250 ok)\n",
		 "bob@example.org", NULL},
		{SENT "relay=127.0.0.1[127.0.0.1]:25, status=sent (250 ok)\n", "bob@example.org",
		 NULL},
		{SENT "relay=localhost[::1]:25, status=sent (250 ok)\n", "bob@example.org", NULL},
		{SENT "relay=local, status=sent (delivered)\n", "bob@example.org", NULL},
		{SENT "relay=none, status=sent (ok [192.0.2.9]:25, )\n", "bob@example.org", NULL},
		{"p/smtp[1]: to=<>, relay=a[192.0.2.7]:25, status=sent (250 ok)\n", "192.0.2.7",
		 NULL},
		/* what a client says in another program's line, or a host in its reply */
		{"x postfix/smtpd[7]: NOQUEUE: reject: to=<a@b.example>, helo=<x/smtp[1]: "
		 "relay=a[192.0.2.9]:25, status=sent (>\n",
		 NULL, NULL},
		{"x dovecot: user=<a/smtp[1]: to=<a@b.example>, relay=a[192.0.2.9]:25, "
		 "status=sent (>\n",
		 NULL, NULL},
		{"x postfix/cleanup[7]: to=<a@b.example>, relay=a[192.0.2.9]:25, status=sent (x)\n",
		 NULL, NULL},
		{SENT "relay=a[192.0.2.9]:25, status=deferred (450 status=sent (x))\n", NULL, NULL},
		{"p/smtp[1]: to=<broken, status=sent \n", NULL, NULL},
		{"p/smtp[1]: x status=sent \n", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *names[CORRESPONDENT_NAMES] = {NULL, NULL};
		char *line = strdup(rows[i].line);
		int n = correspondent_names(line, names);

		if (n != (rows[i].first != NULL) + (rows[i].second != NULL))
			fail_msg("%d names in %s", n, rows[i].line);
		if (n > 0)
			assert_string_equal(names[0], rows[i].first);
		if (n > 1)
			assert_string_equal(names[1], rows[i].second);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_name_whom_mail_went_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
