// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "selftests/unit/random.h"
#include "selftests/unit/replay/trace.h"

struct seen {
	char rows[20][1000];
	int count, stop_at;
};

static int see(const struct replay_attempt *a, void *arg)
{
	static const char *const names[] = {"?", "none", "unconfirmed", "confirmed"};
	struct seen *s = arg;
	char ip[ADDR_TEXT];

	assert_true(s->count < 20);
	snprintf(s->rows[s->count++], 1000, "%.10g %s %s <%s> <%s> %s %s", (double)a->time / 1000,
		 addr_text(&a->src, ip), *a->helo ? a->helo : "-", a->sender, a->recipient,
		 names[a->evidence.name_state], a->evidence.name);
	return s->count == s->stop_at ? -EIO : 0;
}

static void expect(const char *const *lines, const char *const *rows)
{
	struct replay_postfix *p = NULL;
	struct seen s = {.count = 0};
	int n = 0;

	assert_int_equal(replay_postfix_new(&p), 0);
	for (; *lines; lines++)
		assert_int_equal(replay_postfix_line(p, *lines), 0);
	assert_int_equal(replay_postfix_each(p, see, &s), 0);
	for (; rows[n]; n++)
		assert_string_equal(n < s.count ? s.rows[n] : "", rows[n]);
	assert_int_equal(s.count, n);
	replay_postfix_free(&p);
	assert_null(p);
}

#define AT(time, program) "Nov 21 " time " mx postfix/" program "[77]: "

static void refusals(void **state)
{
	static const char *const lines[] = {
		AT("18:00:00", "smtpd") "connect from mail.s.example[192.0.2.7]",
		AT("18:00:01",
		   "smtpd") "NOQUEUE: reject: RCPT from mail.s.example[192.0.2.7]: 450 "
			    "4.2.0 <b@y.example>: Recipient address rejected: Greylisted; "
			    "from=<a@s.example> to=<b@y.example> proto=ESMTP "
			    "helo=<mail.s.example>",
		AT("18:00:02",
		   "smtpd") "NOQUEUE: reject: RCPT from unknown[2001:db8::7]: 554 5.7.1 "
			    "Service unavailable; Client host blocked; from=<> "
			    "to=<b@y.example> proto=SMTP helo=<[2001:db8::7]>",
		AT("18:00:04",
		   "postscreen") "NOQUEUE: reject: RCPT from [192.0.2.9]:40123: 450 4.3.2 "
				 "Service currently unavailable; from=<a@s.example>, "
				 "to=<b@y.example>, proto=ESMTP, helo=<x.example>",
		/* the recipient does not exist: nothing to greylist */
		AT("18:00:05", "smtpd") "NOQUEUE: reject: RCPT from mail.s.example[192.0.2.7]: 550 "
					"5.1.1 <no@y.example>: Recipient address rejected: User "
					"unknown; from=<a@s.example> to=<no@y.example> proto=ESMTP "
					"helo=<mail.s.example>",
		/* a second recipient, after the first was taken */
		AT("18:01:00",
		   "smtpd") "4XyZ12: reject: RCPT from mail.s.example[192.0.2.7]: 450 "
			    "4.2.0 <c@y.example>: Recipient address rejected: Greylisted; "
			    "from=<a@s.example> to=<c@y.example> proto=ESMTP "
			    "helo=<mail.s.example>",
		AT("18:01:01", "smtpd") "NOQUEUE: reject: MAIL from mail.s.example[192.0.2.7]: 552",
		NULL,
	};
	static const char *const rows[] = {
		"0 192.0.2.7 mail.s.example <a@s.example> <b@y.example> confirmed mail.s.example",
		"1 2001:db8::7 [2001:db8::7] <> <b@y.example> none ",
		"3 192.0.2.9 x.example <a@s.example> <b@y.example> ? ",
		"59 192.0.2.7 mail.s.example <a@s.example> <c@y.example> confirmed mail.s.example",
		NULL,
	};

	(void)state;
	expect(lines, rows);
}

static void accepted_mail(void **state)
{
	static const char *const lines[] = {
		AT("18:00:01", "smtpd") "4XyZ12: client=mail.s.example[192.0.2.7]",
		AT("18:00:01", "cleanup") "4XyZ12: message-id=<1@s.example>",
		AT("18:00:02",
		   "qmgr") "4XyZ12: from=<a@s.example>, size=900, nrcpt=2 (queue active)",
		AT("18:00:09", "lmtp") "4XyZ12: to=<b@y.example>, relay=x, delay=7, dsn=4.4.1, "
				       "status=deferred (later)",
		/* logged before that one was, but it came later */
		AT("18:00:03",
		   "smtpd") "NOQUEUE: reject: RCPT from z.example[192.0.2.8]: 450 4.2.0 "
			    "<b@y.example>: x; from=<z@z.example> to=<b@y.example> "
			    "proto=ESMTP helo=<z.example>",
		AT("18:05:00", "lmtp") "4XyZ12: to=<b@y.example>, relay=x, status=sent (250)",
		AT("18:05:00", "local") "4XyZ12: to=<root@mx>, orig_to=<admin@y.example>, "
					"relay=local, status=sent (delivered)",
		AT("18:05:01", "qmgr") "4XyZ12: removed",
		/* the queue id once more, another mail; from the null sender */
		AT("18:06:00", "smtpd") "4XyZ12: client=unknown[198.51.100.3]",
		AT("18:06:00", "qmgr") "4XyZ12: from=<>, size=900, nrcpt=1 (queue active)",
		AT("18:06:01",
		   "virtual") "4XyZ12: to=<b@y.example>, relay=virtual, status=sent (ok)",
		/* our own users, and the filter behind us */
		AT("18:07:00", "submission/smtpd") "4Abc: client=home[198.51.100.9], "
						   "sasl_method=PLAIN, sasl_username=bob",
		AT("18:07:00", "qmgr") "4Abc: from=<bob@y.example>, size=1, nrcpt=1 (queue active)",
		AT("18:07:01", "smtp") "4Abc: to=<a@s.example>, relay=s, status=sent (250)",
		AT("18:08:00", "smtpd") "4Def: client=localhost[127.0.0.1]",
		AT("18:08:00", "qmgr") "4Def: from=<a@s.example>, size=1, nrcpt=1 (queue active)",
		AT("18:08:01", "lmtp") "4Def: to=<b@y.example>, relay=s, status=sent (250)",
		AT("18:09:00", "pickup") "4Ghi: uid=0 from=<root>",
		AT("18:09:01", "local") "4Ghi: to=<root@y.example>, relay=local, status=sent",
		NULL,
	};
	static const char *const rows[] = {
		"0 192.0.2.7 - <a@s.example> <b@y.example> confirmed mail.s.example",
		"0 192.0.2.7 - <a@s.example> <admin@y.example> confirmed mail.s.example",
		"2 192.0.2.8 z.example <z@z.example> <b@y.example> confirmed z.example",
		"359 198.51.100.3 - <> <b@y.example> none ",
		NULL,
	};

	(void)state;
	expect(lines, rows);
}

#define REFUSED(src)                                                                               \
	"mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from m.s.example[" src "]: 450 4.2.0 x; "      \
	"from=<a@s.example> to=<b@y.example> proto=ESMTP helo=<m>"

static void time_stamps(void **state)
{
	static const char *const iso[] = {
		"2026-02-28T23:59:59.250000+00:00 " REFUSED("192.0.2.1"),
		"2026-03-01T01:00:01+01:00 " REFUSED("192.0.2.2"),
		"2026-02-28T19:30:02.1-0430 " REFUSED("192.0.2.3"),
		"2026-03-01 00:00:03 " REFUSED("192.0.2.4"),
		NULL,
	};
	static const char *const classic[] = {
		"Dec 31 23:59:58 " REFUSED("192.0.2.1"),
		"Jan  1 00:00:00 " REFUSED("192.0.2.2"),
		"Feb 28 00:00:00 " REFUSED("192.0.2.3"),
		NULL,
	};
	static const char *const bad[] = {
		"",
		"Foo 31 23:59:58 " REFUSED("192.0.2.1"),
		"31 Dec 23:59:58 " REFUSED("192.0.2.1"),
		"2026-13-01T00:00:00Z " REFUSED("192.0.2.1"),
		"1999-12-31T23:59:59Z " REFUSED("192.0.2.1"),
		"2068-01-01T00:00:00Z " REFUSED("192.0.2.1"),
		"2026-03-32T00:00:00Z " REFUSED("192.0.2.1"),
		"2026-03-01T24:00:00Z " REFUSED("192.0.2.1"),
		"2026-03-01T00:60:00Z " REFUSED("192.0.2.1"),
		"Mar 32 00:00:00 " REFUSED("192.0.2.1"),
		"2026-02-30T00:00:00Z " REFUSED("192.0.2.1"),
		"2026-03-00T00:00:00Z " REFUSED("192.0.2.1"),
		"Feb 30 00:00:00 " REFUSED("192.0.2.1"),
		"Apr 31 00:00:00 " REFUSED("192.0.2.1"),
		"Jan  0 00:00:00 " REFUSED("192.0.2.1"),
		"0001-03-01T00:00:00Z " REFUSED("192.0.2.1"),
		"9999-03-01T00:00:00Z " REFUSED("192.0.2.1"),
		"2026-03-01T00:00Z " REFUSED("192.0.2.1"),
		"2026-03-01T00:00:00+x " REFUSED("192.0.2.1"),
		"Dec 31 23:59 " REFUSED("192.0.2.1"),
		"Dec31 23:59:58 " REFUSED("192.0.2.1"),
		REFUSED("192.0.2.1"),
		NULL,
	};
	static const char *const iso_rows[] = {
		"0 192.0.2.1 m <a@s.example> <b@y.example> confirmed m.s.example",
		"1.75 192.0.2.2 m <a@s.example> <b@y.example> confirmed m.s.example",
		"2.85 192.0.2.3 m <a@s.example> <b@y.example> confirmed m.s.example",
		"3.75 192.0.2.4 m <a@s.example> <b@y.example> confirmed m.s.example",
		NULL,
	};
	static const char *const classic_rows[] = {
		"0 192.0.2.1 m <a@s.example> <b@y.example> confirmed m.s.example",
		"2 192.0.2.2 m <a@s.example> <b@y.example> confirmed m.s.example",
		"5011202 192.0.2.3 m <a@s.example> <b@y.example> confirmed m.s.example",
		NULL,
	};
	static const char *const none[] = {NULL};

	(void)state;
	expect(iso, iso_rows);
	expect(classic, classic_rows);
	expect(bad, none);
}

static int within_reach(const struct replay_attempt *a, void *arg)
{
	(*(int *)arg)++;
	return a->time / 1000 > INT32_MAX ? -EDOM : 0;
}

/* However often a log jumps back, its times stay within the reach of an attempt's. */
static void a_hundred_new_years(void **state)
{
	struct replay_postfix *p = NULL;
	int n = 0;

	(void)state;
	assert_int_equal(replay_postfix_new(&p), 0);
	for (int year = 0; year < 100; year++) {
		replay_postfix_line(p, "Jan  1 00:00:00 " REFUSED("192.0.2.1"));
		replay_postfix_line(p, "Dec 31 23:59:59 " REFUSED("192.0.2.2"));
	}
	replay_postfix_line(p, "2067-12-31T23:59:59Z " REFUSED("192.0.2.3"));
	assert_int_equal(replay_postfix_each(p, within_reach, &n), 0);
	assert_int_equal(n, 201);
	replay_postfix_free(&p);
}

static void an_error_of_the_caller_ends_it(void **state)
{
	struct replay_postfix *p = NULL;
	struct seen s = {.stop_at = 1};

	(void)state;
	assert_int_equal(replay_postfix_new(&p), 0);
	replay_postfix_line(p, "Dec 31 23:59:58 " REFUSED("192.0.2.1"));
	replay_postfix_line(p, "Dec 31 23:59:59 " REFUSED("192.0.2.1"));
	assert_int_equal(replay_postfix_each(p, see, &s), -EIO);
	assert_int_equal(s.count, 1);
	replay_postfix_free(&p);
}

static int count(const struct replay_attempt *a, void *arg)
{
	(void)a;
	(*(int *)arg)++;
	return 0;
}

/* Pieces of log lines in any order never do harm. */
static void any_line(void **state)
{
	static const char *const pieces[] = {
		"Nov 21 18:00:01 ",
		"2026-11-21T18:00:01Z ",
		"mx ",
		" postfix/",
		"smtpd",
		"qmgr",
		"[1]: ",
		"[",
		"]",
		": ",
		"NOQUEUE: reject: RCPT from ",
		"4XyZ12: ",
		"client=",
		"from=<",
		"to=<",
		"orig_to=<",
		"helo=<",
		">",
		"a@b.example",
		"m.example[192.0.2.1]",
		"removed",
		"/",
		" ",
		"sasl_username=",
		"\xff",
	};
	struct replay_postfix *p = NULL;
	uint64_t x = 12;
	int n = 0;

	(void)state;
	assert_int_equal(replay_postfix_new(&p), 0);
	for (int round = 0; round < 100000; round++) {
		char line[600] = "";
		size_t len = 0;

		if (round % 2)
			len = (size_t)snprintf(line, sizeof(line),
					       "Nov 21 18:00:01 mx postfix/%s[1]: ",
					       round % 4 == 1 ? "smtpd" : "qmgr");
		for (uint32_t i = random_below(&x, 15); i; i--)
			len += (size_t)snprintf(line + len, sizeof(line) - len, "%s",
						pieces[random_below(&x, 25)]);
		assert_int_equal(replay_postfix_line(p, line), 0);
	}
	assert_int_equal(replay_postfix_each(p, count, &n), 0);
	replay_postfix_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(accepted_mail),
		cmocka_unit_test(time_stamps),
		cmocka_unit_test(a_hundred_new_years),
		cmocka_unit_test(an_error_of_the_caller_ends_it),
		cmocka_unit_test(any_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
